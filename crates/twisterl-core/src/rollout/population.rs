//! Episodes of a population: what ES judges its members by.

use super::Episode;
use super::start::{OwnedStart, Starts};
use crate::env::Step;
use crate::env::batch::MAX_EPISODE_STEPS;
use crate::envs::registry::EnvSpec;
use crate::evaluator::decision::Decision;
use crate::evaluator::distribution::Choice;
use crate::policy::population::{PerturbationKey, Population};
use crate::rng::{Draws, Purpose, Rng};
use crate::{Error, Result};
use std::ops::Range;

/// How often a start that is already solved is drawn again.
const REDRAWS: u64 = 64;
/// The most episodes of a member.
const MAX_EPISODES: u64 = 1 << 20;

/// Who starts from the same states, and draws actions by the same random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommonRandomNumbers {
    /// The two members of a pair.
    Pair,
    /// The whole population.
    Population,
}

/// How the members of a population are tried.
#[derive(Clone, Copy)]
pub struct PopulationRollout<'a> {
    /// The problem.
    pub spec: &'a dyn EnvSpec,
    /// Where episodes start.
    pub starts: Starts<'a>,
    /// Episodes of each member.
    pub episodes: usize,
    /// Who has the same ones.
    pub common: CommonRandomNumbers,
    /// How actions are chosen.
    pub choice: Choice,
    /// The longest episode; `None`: as long as the environment allows.
    pub max_steps: Option<usize>,
}

impl PopulationRollout<'_> {
    /// The episodes of these members of `population`, member after member, on the threads of the current rayon pool.
    /// Each depends on nothing but its own number, the weights, `draw` and these trials: neither on the threads nor on
    /// which members are played together.
    ///
    /// # Errors
    /// If the environment fails, or the policy does not fit it.
    pub fn run(
        &self,
        population: &Population,
        draw: PerturbationKey,
        members: Range<u64>,
    ) -> Result<Vec<Episode>> {
        if self.episodes as u64 > MAX_EPISODES || members.end > u64::from(u32::MAX) {
            let expected = format!("at most 2^32 members of {MAX_EPISODES} episodes");
            let found = format!("{} of {}", members.end, self.episodes);
            return Err(Error::config("population", expected, found));
        }
        let size = population.members_a_batch(self.episodes);
        let group = |first: u64| {
            let members = first..members.end.min(first + size as u64);
            self.group(population, draw, members)
        };
        let firsts: Vec<u64> = members.clone().step_by(size).collect();
        #[cfg(feature = "parallel")]
        let played: Vec<Result<Vec<Episode>>> = {
            use rayon::prelude::*;
            firsts.into_par_iter().map(group).collect()
        };
        #[cfg(not(feature = "parallel"))]
        let played: Vec<Result<Vec<Episode>>> = firsts.into_iter().map(group).collect();
        let mut episodes = Vec::with_capacity(members.count() * self.episodes);
        for group in played {
            episodes.extend(group?);
        }
        Ok(episodes)
    }

    /// Members that step in lock step.
    fn group(
        &self,
        population: &Population,
        draw: PerturbationKey,
        members: Range<u64>,
    ) -> Result<Vec<Episode>> {
        let first = members.start;
        let slots = (members.end - first) as usize * self.episodes;
        let policies = population.members(draw, members)?;
        let mut env = self.spec.play_batch(slots, population.backtracking())?;
        let mut episodes = Vec::with_capacity(slots);
        let mut rngs = Vec::with_capacity(slots);
        for slot in 0..slots {
            let (member, episode) = (slot / self.episodes, (slot % self.episodes) as u64);
            let index = match self.common {
                CommonRandomNumbers::Pair => ((first + member as u64) / 2) * MAX_EPISODES + episode,
                CommonRandomNumbers::Population => episode,
            };
            let stream =
                |purpose, redraw| draw.key.purpose(purpose).at(index << 6 | redraw).stream();
            let mut difficulty = None;
            for redraw in 0..REDRAWS {
                let start = self.starts.draw(&mut stream(Purpose::Choice, redraw));
                env.begin(slot, start.borrow(), &mut stream(Purpose::Start, redraw))?;
                difficulty = match start {
                    OwnedStart::Scramble { difficulty } => Some(difficulty),
                    _ => None,
                };
                if !env.solved(slot) {
                    break;
                }
            }
            rngs.push(stream(Purpose::Act, 0));
            episodes.push(Episode { difficulty, length: 0, total: 0.0, solved: env.solved(slot) });
        }
        let mut active: Vec<usize> = (0..slots).collect();
        let mut rows: Vec<u32> = Vec::with_capacity(slots);
        let mut decision = Decision::new(&self.spec.action_space());
        let mut steps = Vec::with_capacity(slots);
        for _ in 0..self.max_steps.unwrap_or(MAX_EPISODE_STEPS) {
            if active.is_empty() {
                break;
            }
            rows.clear();
            rows.extend(active.iter().map(|&slot| (slot / self.episodes) as u32));
            let mut draws = Slots { rngs: &mut rngs, active: &active };
            decision.decide(&mut *env, &active, &policies.rows(&rows), self.choice, &mut draws)?;
            steps.clear();
            env.step(&active, &decision.moves, &mut steps)?;
            for (&slot, step) in active.iter().zip(&steps) {
                if let Some(episode) = episodes.get_mut(slot) {
                    episode.length += 1;
                    episode.total += step.reward;
                    episode.solved = env.solved(slot);
                }
            }
            let mut done = steps.iter().map(Step::done);
            active.retain(|_| !done.next().unwrap_or(true));
        }
        Ok(episodes)
    }
}

/// Each slot has a generator of its own.
struct Slots<'a> {
    rngs: &'a mut [Rng],
    active: &'a [usize],
}

impl Draws for Slots<'_> {
    fn row(&mut self, row: usize) -> &mut Rng {
        &mut self.rngs[self.active[row]]
    }
}
