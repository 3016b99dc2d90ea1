//! Playing problems to their end with a policy: evaluation, and solving of single states.

use crate::Result;
use crate::act::{Choice, Decision};
use crate::env::{Start, Step};
use crate::evaluator::Evaluator;
use crate::registry::EnvSpec;
use crate::rng::{Purpose, stream};
use crate::rollout::GROUP;
use crate::space::{Action, Actions};

/// The longest episode that is played where nothing sets a bound.
pub const MAX_STEPS: usize = 100_000;

/// Set in the index of the streams of starts; those of actions are numbered by group.
const START: u64 = 1 << 63;

/// How problems are played.
#[derive(Clone, Copy)]
pub struct Play<'a> {
    /// The problem.
    pub spec: &'a dyn EnvSpec,
    /// The policy.
    pub evaluator: &'a dyn Evaluator,
    /// How actions are chosen.
    pub choice: Choice,
    /// Episodes played from each start, of which the best is kept: solved before unsolved, then the higher return.
    pub searches: usize,
    /// The longest episode; `None`: as long as the environment allows.
    pub max_steps: Option<usize>,
    /// Seed of all randomness.
    pub seed: u64,
    /// What the plays are for: with the seed and the iteration, it keys the streams of the starts and of the actions.
    pub purpose: Purpose,
    /// A number that sets this use apart from others of the same seed and purpose.
    pub iteration: u64,
    /// Whether outcomes carry their start states and actions.
    pub record: bool,
}

/// How one start was played.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// Whether it was solved.
    pub solved: bool,
    /// Steps made.
    pub length: usize,
    /// Undiscounted sum of rewards.
    pub total: f32,
    /// The state it began in, if recorded.
    pub start: Vec<f64>,
    /// What was done, if recorded.
    pub actions: Actions,
}

impl Outcome {
    fn better_than(&self, other: &Self) -> bool {
        (self.solved, self.total) > (other.solved, other.total)
    }
}

impl Play<'_> {
    /// Plays every start, many in lock step, on the threads of the current rayon pool. The outcomes do not
    /// depend on their number.
    ///
    /// # Errors
    /// If a start is refused or the environment fails.
    pub fn run(&self, starts: &[Start<'_>]) -> Result<Vec<Outcome>> {
        let per_group = (GROUP / self.searches.max(1)).max(1);
        let groups = starts.chunks(per_group).enumerate();
        #[cfg(feature = "parallel")]
        let played: Vec<Vec<Outcome>> = {
            use rayon::prelude::*;
            let groups: Vec<_> = groups.collect();
            groups
                .into_par_iter()
                .map(|(i, s)| self.group(i, i * per_group, s))
                .collect::<Result<_>>()?
        };
        #[cfg(not(feature = "parallel"))]
        let played: Vec<Vec<Outcome>> =
            groups.map(|(i, s)| self.group(i, i * per_group, s)).collect::<Result<_>>()?;
        Ok(played.into_iter().flatten().collect())
    }

    /// Plays `starts`, the first of which is number `first`, all their searches in lock step.
    fn group(&self, group: usize, first: usize, starts: &[Start<'_>]) -> Result<Vec<Outcome>> {
        let searches = self.searches.max(1);
        let slots = starts.len() * searches;
        let mut env = self.spec.batch(slots);
        let space = self.spec.action_space();
        let mut outcomes =
            vec![Outcome { actions: Actions::new(&space), ..Outcome::default() }; slots];
        let mut active = Vec::with_capacity(slots);
        for (slot, outcome) in outcomes.iter_mut().enumerate() {
            let Some(start) = starts.get(slot / searches) else { continue };
            let index = (first + slot / searches) as u64;
            let mut rng = stream(self.seed, self.purpose, self.iteration, START | index);
            env.begin(slot, *start, &mut rng)?;
            if self.record {
                env.state(slot, &mut outcome.start);
            }
            outcome.solved = env.solved(slot);
            if !outcome.solved {
                active.push(slot);
            }
        }
        let mut rng = stream(self.seed, self.purpose, self.iteration, group as u64);
        let mut decision = Decision::new(&space)?;
        let mut steps = Vec::new();
        for _ in 0..self.max_steps.unwrap_or(MAX_STEPS) {
            if active.is_empty() {
                break;
            }
            decision.decide(&mut *env, &active, self.evaluator, self.choice, &mut rng)?;
            steps.clear();
            env.step(&active, &decision.moves, &mut steps)?;
            for (i, (&slot, step)) in active.iter().zip(&steps).enumerate() {
                let Some(outcome) = outcomes.get_mut(slot) else { continue };
                outcome.length += 1;
                outcome.total += step.reward;
                outcome.solved = env.solved(slot);
                if self.record {
                    outcome.actions.push(decision.moves.row(i));
                }
            }
            let mut done = steps.iter().map(Step::done);
            active.retain(|_| !done.next().unwrap_or(true));
        }
        let best = |tries: &[Outcome]| {
            let mut best: Option<&Outcome> = None;
            for outcome in tries {
                if best.is_none_or(|b| outcome.better_than(b)) {
                    best = Some(outcome);
                }
            }
            best.cloned().unwrap_or_default()
        };
        Ok(outcomes.chunks(searches).map(best).collect())
    }
}

/// The frames of a solution: the board before the first action and after each, with the action's name, made by
/// playing it again from `state`.
///
/// # Errors
/// If the environment refuses the state.
pub fn replay(spec: &dyn EnvSpec, state: &[f64], actions: &Actions) -> Result<Replay> {
    let mut env = spec.batch(1);
    let mut rng = stream(0, Purpose::Solve, 0, START);
    env.begin(0, Start::State { state, difficulty: None }, &mut rng)?;
    let mut replay = Replay { first: env.render(0), moves: Vec::new(), solved: env.solved(0) };
    let mut one = Actions::new(&spec.action_space());
    let mut steps = Vec::new();
    for i in 0..actions.len() {
        one.clear();
        one.push(actions.row(i));
        env.step(&[0], &one, &mut steps)?;
        replay.moves.push((env.action_name(actions.row(i)), env.render(0)));
    }
    replay.solved = env.solved(0);
    Ok(replay)
}

/// A solution as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The state before the first action.
    pub first: String,
    /// Each action's name and the state after it.
    pub moves: Vec<(String, String)>,
    /// Whether it ends solved.
    pub solved: bool,
}

/// The single discrete choice of each action.
pub fn indices(actions: &Actions) -> Vec<usize> {
    (0..actions.len()).map(|i| Action::index(&actions.row(i))).collect()
}
