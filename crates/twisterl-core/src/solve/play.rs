//! Episodes played to their end with a policy, many in lock step.

use crate::Result;
use crate::env::batch::{GROUP_SLOTS, VecEnv};
use crate::env::{Start, Step};
use crate::envs::registry::EnvSpec;
use crate::evaluator::Evaluator;
use crate::evaluator::decision::Decision;
use crate::evaluator::distribution::Choice;
use crate::parallel;
use crate::rng::{Rng, StreamKey};
use crate::search::{Budget, Limit};
use crate::space::Actions;

/// Set in the index of the streams of starts. Those of actions are numbered by group.
const START: u64 = 1 << 63;

/// Returns the stream from which start number `index` is drawn.
pub fn start_stream(key: StreamKey, index: usize) -> Rng {
    key.at(START | index as u64).stream()
}

/// Writes the state of a slot in which an episode has begun at `start`; of an environment that does not tell its states, the
/// given one, if any.
pub(super) fn start_state(
    spec: &dyn EnvSpec,
    env: &dyn VecEnv,
    (slot, start): (usize, Start<'_>),
    out: &mut Vec<f64>,
) -> Result<()> {
    out.clear();
    match start {
        _ if spec.tells_states() => env.state(slot, out)?,
        Start::State { state, .. } => out.extend(state),
        Start::Scramble { .. } | Start::Uniform { .. } => {}
    }
    Ok(())
}

/// A problem and a policy that plays it without search.
#[derive(Clone, Copy)]
pub struct Play<'a> {
    /// The problem.
    pub spec: &'a dyn EnvSpec,
    /// The policy.
    pub evaluator: &'a dyn Evaluator,
    /// The choice of actions.
    pub choice: Choice,
    /// Episodes played from each start. The best is kept: solved before unsolved, then the higher return.
    pub searches: usize,
    /// Maximum length of an episode; `None`: that of the environment or its default limit.
    pub max_steps: Option<usize>,
    /// Key of the streams of the starts and of the actions, which have indices of their own.
    pub key: StreamKey,
    /// Number of the first start, where the starts are part of a longer list; a multiple of those played together.
    pub first: usize,
    /// If true, solutions carry their start state and actions.
    pub record: bool,
}

/// Returns how many starts are played in lock step, each with `searches` attempts.
pub(super) fn together(searches: usize) -> usize {
    (GROUP_SLOTS / searches.max(1)).max(1)
}

/// The result of solving one start.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Solution {
    /// True if the problem was solved.
    pub solved: bool,
    /// Number of steps.
    pub length: usize,
    /// Undiscounted sum of rewards.
    pub total: f32,
    /// The start state, if recorded.
    pub start: Vec<f64>,
    /// The actions, if recorded.
    pub actions: Actions,
    /// The solution that the environment reports in place of the actions, if recorded, see [`VecEnv::reported_solution`].
    pub reported: Option<Vec<u64>>,
    /// True if it was found as a solution of the inverse problem.
    pub inverted: bool,
    /// States evaluated, over all attempts.
    pub nodes: u64,
    /// Simulations of tree search.
    pub simulations: u64,
    /// Seconds until it was found. If many starts are played in lock step, these are counted from the common beginning.
    pub seconds: f64,
}

impl Solution {
    /// Returns whether this solution is better: solved before unsolved, then the higher return.
    pub fn better_than(&self, other: &Self) -> bool {
        (self.solved, self.total) > (other.solved, other.total)
    }

    /// Replaces this solution by `other` if that is better.
    pub fn keep_better(&mut self, other: Self) {
        if other.better_than(self) {
            *self = other;
        }
    }
}

impl Play<'_> {
    /// Plays every start, many in lock step, on the threads of the current rayon pool. The solutions do not depend on
    /// the number of threads.
    ///
    /// # Errors
    /// If a start is refused or the environment fails.
    pub fn run(&self, starts: &[Start<'_>]) -> Result<Vec<Solution>> {
        self.run_within(starts, &Budget::unlimited())
    }

    /// Like [`run`](Self::run), within a budget for each start. All attempts at a start end when it is used up, and each
    /// ends when [`VecEnv::best_return`] proves that it cannot beat the best.
    ///
    /// # Errors
    /// If a start is refused or the environment fails.
    pub fn run_within(&self, starts: &[Start<'_>], budget: &Budget<'_>) -> Result<Vec<Solution>> {
        let per_group = together(self.searches);
        let play = |(group, starts): (usize, &[Start<'_>])| {
            let first = self.first + group * per_group;
            self.group(first / per_group, first, starts, &budget.begin(starts.len()))
        };
        let played = parallel::try_map(starts.chunks(per_group).enumerate(), play)?;
        Ok(played.into_iter().flatten().collect())
    }

    /// Plays `starts`, the first of which is number `first`, with all their attempts in lock step.
    fn group(
        &self,
        group: usize,
        first: usize,
        starts: &[Start<'_>],
        limit: &Limit<'_>,
    ) -> Result<Vec<Solution>> {
        let mut episodes = Episodes::begin(self, first, starts)?;
        let mut rng = self.key.at(group as u64).stream();
        let mut decision = Decision::new(&self.spec.action_space());
        for _ in 0..self.max_steps.unwrap_or(self.spec.episode_limits().play) {
            episodes.spend(limit);
            if episodes.active.is_empty() {
                break;
            }
            decision.decide(
                &mut *episodes.env,
                &episodes.active,
                self.evaluator,
                self.choice,
                &mut rng,
            )?;
            episodes.step(&decision.actions, limit)?;
        }
        Ok(episodes.best())
    }
}

/// The episodes of a group of starts. Slot `i` plays start `i / searches`.
struct Episodes {
    env: Box<dyn VecEnv>,
    searches: usize,
    record: bool,
    /// `[slot]`
    solutions: Vec<Solution>,
    /// `[start]`
    progress: Vec<Progress>,
    /// Slots whose episodes continue, in order.
    active: Vec<usize>,
    /// Results of the last step, `[active]`.
    steps: Vec<Step>,
}

/// The progress of all attempts at one start.
#[derive(Debug, Clone, Default)]
struct Progress {
    nodes: u64,
    seconds: f64,
    /// The highest return of a solution.
    best: Option<f32>,
}

impl Episodes {
    /// Begins all attempts at `starts`, the first of which is number `first`.
    fn begin(play: &Play<'_>, first: usize, starts: &[Start<'_>]) -> Result<Self> {
        let searches = play.searches.max(1);
        let slots = starts.len() * searches;
        let unplayed =
            Solution { actions: Actions::new(&play.spec.action_space()), ..Solution::default() };
        let mut episodes = Self {
            env: play.spec.play_batch(slots, play.evaluator.backtracking())?,
            searches,
            record: play.record,
            solutions: vec![unplayed; slots],
            progress: vec![Progress::default(); starts.len()],
            active: Vec::with_capacity(slots),
            steps: Vec::with_capacity(slots),
        };
        for (slot, solution) in episodes.solutions.iter_mut().enumerate() {
            let start = slot / searches;
            let mut rng = start_stream(play.key, first + start);
            let first_slot = start * searches;
            if slot == first_slot || play.spec.is_deterministic() {
                episodes.env.begin(slot, starts[start], &mut rng)?;
            } else {
                episodes.env.copy(&[(first_slot, slot)])?;
            }
            if play.record {
                start_state(play.spec, &*episodes.env, (slot, starts[start]), &mut solution.start)?;
            }
            solution.solved = episodes.env.solved(slot);
            if !solution.solved {
                episodes.active.push(slot);
            }
        }
        Ok(episodes)
    }

    /// Counts one evaluation for every active slot, and ends the episodes for which the limit leaves none.
    fn spend(&mut self, limit: &Limit<'_>) {
        let Self { active, progress, searches, .. } = self;
        let time_left = !limit.expired();
        active.retain(|slot| {
            let progress = &mut progress[slot / *searches];
            let allowed = time_left && progress.nodes < limit.nodes;
            progress.nodes += u64::from(allowed);
            allowed
        });
    }

    /// Steps the active slots, action `i` in the `i`-th of them, and ends episodes that are over or cannot beat the best
    /// of their start.
    fn step(&mut self, actions: &Actions, limit: &Limit<'_>) -> Result<()> {
        self.steps.clear();
        self.env.step(&self.active, actions, &mut self.steps)?;
        for (i, &slot) in self.active.iter().enumerate() {
            let (solution, progress) =
                (&mut self.solutions[slot], &mut self.progress[slot / self.searches]);
            solution.length += 1;
            solution.total += self.steps[i].reward;
            solution.solved = self.env.solved(slot);
            if self.record {
                solution.actions.push(actions.row(i));
            }
            progress.seconds = limit.elapsed();
            if self.record && self.steps[i].done() {
                solution.reported = self.env.reported_solution(slot)?;
            }
            if solution.solved {
                let best = progress.best.map_or(solution.total, |best| best.max(solution.total));
                progress.best = Some(best);
            }
        }
        let Self { env, searches, solutions, progress, active, steps, .. } = self;
        let mut i = 0;
        active.retain(|&slot| {
            let done = steps[i].done();
            i += 1;
            let beaten = progress[slot / *searches].best.is_some_and(|best| {
                env.best_return(slot).is_some_and(|rest| solutions[slot].total + rest <= best)
            });
            !done && !beaten
        });
        Ok(())
    }

    /// Returns the best solution of each start, with the cost of all attempts.
    fn best(&self) -> Vec<Solution> {
        let best = |(attempts, progress): (&[Solution], &Progress)| {
            let better =
                |best, other: _| if Solution::better_than(other, best) { other } else { best };
            // Every start has at least one attempt.
            let best = attempts[1..].iter().fold(&attempts[0], better);
            Solution { nodes: progress.nodes, seconds: progress.seconds, ..best.clone() }
        };
        self.solutions.chunks(self.searches).zip(&self.progress).map(best).collect()
    }
}
