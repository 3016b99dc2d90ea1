//! Playing problems to their end with a policy, many in lock step.

use crate::Result;
use crate::env::batch::{GROUP_SLOTS, MAX_EPISODE_STEPS};
use crate::env::{Start, Step};
use crate::envs::registry::EnvSpec;
use crate::evaluator::Evaluator;
use crate::evaluator::decision::Decision;
use crate::evaluator::distribution::Choice;
use crate::parallel;
use crate::rng::{Rng, StreamKey};
use crate::search::{Budget, Limit};
use crate::space::Actions;

/// Set in the index of the streams of starts; those of actions are numbered by group.
pub(super) const START: u64 = 1 << 63;

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
    /// Key of the streams of the starts and of the actions, which have indices of their own.
    pub key: StreamKey,
    /// Whether outcomes carry their start states and actions.
    pub record: bool,
}

/// How one start was played.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Solution {
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
    /// States evaluated for it, in all tries.
    pub nodes: u64,
    /// Simulations of tree search.
    pub simulations: u64,
    /// Seconds until it was done; where many are played in lock step, since the beginning of all.
    pub seconds: f64,
}

impl Solution {
    /// Solved before unsolved, then the higher return.
    pub fn better_than(&self, other: &Self) -> bool {
        (self.solved, self.total) > (other.solved, other.total)
    }
}

impl Play<'_> {
    /// Plays every start, many in lock step, on the threads of the current rayon pool. The outcomes do not
    /// depend on their number.
    ///
    /// # Errors
    /// If a start is refused or the environment fails.
    pub fn run(&self, starts: &[Start<'_>]) -> Result<Vec<Solution>> {
        self.run_within(starts, &Budget::unlimited())
    }

    /// As [`run`](Self::run), within a budget for each start. All tries at a start end when it is used up, and each
    /// ends when [`VecEnv::best_return`](crate::env::batch::VecEnv::best_return) proves that it cannot beat the best.
    ///
    /// # Errors
    /// If a start is refused or the environment fails.
    pub fn run_within(&self, starts: &[Start<'_>], budget: &Budget<'_>) -> Result<Vec<Solution>> {
        let per_group = (GROUP_SLOTS / self.searches.max(1)).max(1);
        let play = |(group, starts): (usize, &[Start<'_>])| {
            self.group(group, group * per_group, starts, &budget.begin(starts.len()))
        };
        let played = parallel::try_map(starts.chunks(per_group).enumerate(), play)?;
        Ok(played.into_iter().flatten().collect())
    }

    /// Plays `starts`, the first of which is number `first`, all their searches in lock step.
    fn group(
        &self,
        group: usize,
        first: usize,
        starts: &[Start<'_>],
        limit: &Limit<'_>,
    ) -> Result<Vec<Solution>> {
        let searches = self.searches.max(1);
        let slots = starts.len() * searches;
        let mut env = self.spec.play_batch(slots, self.evaluator.backtracking())?;
        let space = self.spec.action_space();
        let mut outcomes =
            vec![Solution { actions: Actions::new(&space), ..Solution::default() }; slots];
        let mut races = vec![Race::default(); starts.len()];
        let mut active = Vec::with_capacity(slots);
        for (slot, outcome) in outcomes.iter_mut().enumerate() {
            let Some(start) = starts.get(slot / searches) else { continue };
            let index = (first + slot / searches) as u64;
            env.begin(slot, *start, &mut self.start_stream(index))?;
            if self.record {
                env.state(slot, &mut outcome.start)?;
            }
            outcome.solved = env.solved(slot);
            if !outcome.solved {
                active.push(slot);
            }
        }
        let mut rng = self.key.at(group as u64).stream();
        let mut decision = Decision::new(&space);
        let mut steps = Vec::new();
        for _ in 0..self.max_steps.unwrap_or(MAX_EPISODE_STEPS) {
            let time_left = !limit.expired();
            active.retain(|slot| {
                time_left
                    && races.get_mut(slot / searches).is_some_and(|race| race.enter(limit.nodes))
            });
            if active.is_empty() {
                break;
            }
            decision.decide(&mut *env, &active, self.evaluator, self.choice, &mut rng)?;
            steps.clear();
            env.step(&active, &decision.actions, &mut steps)?;
            for (i, (&slot, step)) in active.iter().zip(&steps).enumerate() {
                let Some(outcome) = outcomes.get_mut(slot) else { continue };
                outcome.length += 1;
                outcome.total += step.reward;
                outcome.solved = env.solved(slot);
                if self.record {
                    outcome.actions.push(decision.actions.row(i));
                }
                if let Some(race) = races.get_mut(slot / searches) {
                    race.seconds = limit.elapsed();
                    if outcome.solved {
                        race.best = Some(race.best.map_or(outcome.total, |b| b.max(outcome.total)));
                    }
                }
            }
            let mut done = steps.iter().map(Step::done);
            active.retain(|&slot| {
                let race = races.get(slot / searches);
                let total = outcomes.get(slot).map_or(0.0, |o| o.total);
                let hopeless = race.and_then(|race| race.best).is_some_and(|best| {
                    env.best_return(slot).is_some_and(|rest| total + rest <= best)
                });
                !done.next().unwrap_or(true) && !hopeless
            });
        }
        let best = |(tries, race): (&[Solution], &Race)| {
            let mut best: Option<&Solution> = None;
            for outcome in tries {
                if best.is_none_or(|b| outcome.better_than(b)) {
                    best = Some(outcome);
                }
            }
            let best = best.cloned().unwrap_or_default();
            Solution { nodes: race.nodes, seconds: race.seconds, ..best }
        };
        Ok(outcomes.chunks(searches).zip(&races).map(best).collect())
    }

    /// What start number `index` is drawn from.
    pub(super) fn start_stream(&self, index: u64) -> Rng {
        self.key.at(START | index).stream()
    }
}

/// What the tries at one start have come to.
#[derive(Debug, Clone, Default)]
struct Race {
    nodes: u64,
    seconds: f64,
    /// The highest return of a solution.
    best: Option<f32>,
}

impl Race {
    /// Counts one more evaluation, if `limit` allows it.
    fn enter(&mut self, limit: u64) -> bool {
        let fits = self.nodes < limit;
        self.nodes += u64::from(fits);
        fits
    }
}
