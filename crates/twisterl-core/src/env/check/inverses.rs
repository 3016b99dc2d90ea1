//! Tests of inverses: each action is taken and undone, and each solution of an inverse problem is turned around.

use super::episode::{COPY, ENV};
use super::subject::States;
use super::{Check, EPISODES, rule};
use crate::Result;
use crate::env::Start;
use crate::rng::Purpose;
use crate::space::Actions;

/// The maximum number of steps of an episode.
const STEPS: usize = 64;

/// The most sequences of actions that are tried to solve an inverse problem.
const SEQUENCES: usize = 2048;

impl Check<'_> {
    /// Tests the inverses, if there are any.
    pub(super) fn inverses(&mut self) -> Result<()> {
        let (subject, inverses) = (self.subject, &self.subject.inverses);
        for (action, inverse) in inverses.iter().enumerate() {
            let Some(inverse) = *inverse else { continue };
            let back = inverses.get(inverse).copied().flatten(); // `inverse` may be no action at all
            subject.require(back == Some(action), rule::INVERSES, || {
                format!("{inverse} for action {action}, and {back:?} for that")
            })?;
        }
        if inverses.iter().flatten().count() == 0 {
            return Ok(());
        }
        self.renew();
        if inverses.iter().all(Option::is_some) {
            self.scramble(ENV, 0, 0)?;
            let solved = self.stage.env.solved(ENV);
            subject.require(solved, rule::DIFFICULTY_0, || "a state that is not solved")?;
        }
        for episode in 0..EPISODES {
            self.undone_episode(inverses, episode)?;
        }
        Ok(())
    }

    /// Plays an episode, and in each state takes and undoes each allowed action in a copy.
    fn undone_episode(&mut self, inverses: &[Option<usize>], episode: u64) -> Result<()> {
        let mut played = self.begin(ENV, episode)?;
        let mut rng = self.stream(Purpose::Act, 2 * EPISODES + episode);
        for _ in 0..STEPS {
            let view = self.stage.view(ENV)?;
            for (action, inverse) in inverses.iter().enumerate() {
                let Some(inverse) = inverse.filter(|_| view.mask[action]) else { continue };
                self.branch(&played, COPY)?;
                self.stage.step(COPY, &self.action(action))?;
                if self.stage.view(COPY)? == view {
                    continue; // there is nothing to undo
                }
                self.stage.step(COPY, &self.action(inverse))?;
                let found = self.stage.view(COPY)?;
                self.subject.require(found == view, rule::INVERSES, || {
                    format!("{:?} after {action} and {inverse} in {:?}", found.state, view.state)
                })?;
            }
            let action = self.draw(Some(&view.mask), &mut rng);
            let done = self.stage.step(ENV, &action)?.done();
            played.actions.push(action);
            if done {
                break;
            }
        }
        Ok(())
    }

    /// Walks away from solved states by steps back, if there are any, and takes each action that they return.
    pub(super) fn steps_back(&mut self) -> Result<()> {
        let walks = self.copies && self.subject.states == States::Positions;
        if !walks || self.subject.actions.single_discrete().is_none() {
            return Ok(());
        }
        self.renew();
        for episode in 0..EPISODES {
            self.scramble(ENV, 0, episode)?;
            let solved = self.stage.env.solved(ENV);
            let mut rng = self.stream(Purpose::Walk, episode);
            for _ in 0..STEPS {
                let view = self.stage.view(ENV)?;
                self.stage.env.copy(&[(ENV, COPY)])?;
                let Some(action) = self.stage.env.step_back(COPY, &mut rng)? else { break };
                self.subject.require(
                    solved,
                    rule::STEPS_BACK,
                    || "one in an episode of difficulty 0 that does not begin solved",
                )?;
                // With the full budget, as an episode from there.
                let state = self.stage.state(COPY)?;
                let start = Start::State { state: &state, difficulty: None };
                self.stage.begin(ENV, start, self.stream(Purpose::Start, episode))?;
                self.stage.env.copy(&[(ENV, COPY)])?;
                self.stage.step(COPY, &self.action(action as usize))?;
                let found = self.stage.view(COPY)?;
                self.subject.require(found == view, rule::STEPS_BACK, || {
                    format!("{:?} after {action} in {state:?}, not {:?}", found.state, view.state)
                })?;
            }
        }
        Ok(())
    }

    /// Tests the inverse problems of scrambles, if there are any: those that few actions solve.
    pub(super) fn inverse_problems(&mut self) -> Result<()> {
        if self.subject.inverses.is_empty() {
            return Ok(());
        }
        self.renew();
        let (mut told, mut solved) = (false, false);
        for episode in 0..EPISODES / 2 {
            let start = (1 + episode % 3) as usize;
            self.scramble(ENV, start, episode)?;
            let Some(state) = self.stage.env.inverse_state(ENV)? else { continue };
            told = true;
            let Some((actions, total)) = self.short_solution(&state)? else { continue };
            solved = true;
            let inverse = self.stage.env.invert_solution(ENV, &actions)?;
            let mut sum = 0.0;
            for &action in inverse.iter().flatten() {
                sum += self.stage.step(ENV, &self.action(action as usize))?.reward;
            }
            let alike = inverse.as_ref().is_some_and(|inverse| inverse.len() == actions.len());
            let right = alike && self.stage.env.solved(ENV) && close(sum, total);
            self.subject.require(right, rule::INVERSE_SOLUTIONS, || {
                format!(
                    "{inverse:?} with a return of {sum}, given {actions:?} with {total} for the inverse state {state:?}"
                )
            })?;
        }
        if told && !solved {
            self.note("solutions of inverse problems, since few actions solve none of them");
        }
        Ok(())
    }

    /// Returns actions that solve a state, and their return, among the first [`SEQUENCES`] in the order of their lengths.
    fn short_solution(&mut self, state: &[f64]) -> Result<Option<(Vec<u32>, f32)>> {
        let choices = self.subject.inverses.len();
        let start = Start::State { state, difficulty: None };
        let mut sequence: Vec<u32> = Vec::new();
        for _ in 0..SEQUENCES {
            let begun = self.stage.begin(COPY, start, self.stream(Purpose::Start, 0));
            begun.map_err(|error| self.subject.refused(rule::INVERSE_STATES, error))?;
            let (mut sum, mut taken) = (0.0, 0);
            for &action in &sequence {
                let step = self.stage.step(COPY, &self.action(action as usize))?;
                (sum, taken) = (sum + step.reward, taken + 1);
                if step.done() {
                    break;
                }
            }
            if self.stage.env.solved(COPY) {
                sequence.truncate(taken);
                return Ok(Some((sequence, sum)));
            }
            // Counts up; after the last of one length comes the first of the next.
            match sequence.iter().position(|&action| action as usize + 1 < choices) {
                Some(place) => {
                    sequence[place] += 1;
                    sequence[..place].fill(0);
                }
                None => sequence = vec![0; sequence.len() + 1],
            }
        }
        Ok(None)
    }

    /// Returns one discrete action.
    pub(super) fn action(&self, action: usize) -> Actions {
        let mut one = Actions::new(&self.subject.actions);
        one.push(action.into());
        one
    }
}

/// Returns whether two sums of rewards differ by rounding alone.
fn close(one: f32, other: f32) -> bool {
    (one - other).abs() <= 1e-4 * one.abs().max(other.abs()).max(1.0)
}
