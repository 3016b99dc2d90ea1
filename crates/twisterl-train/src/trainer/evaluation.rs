//! Evaluations during training.

use crate::algorithms::Iteration;
use crate::algorithms::spread::{EpisodeRow, Spread, Task, episode_rows, episodes_of, range};
use crate::config::{EvalConfig, EvalStart, Evals, RunConfig};
use crate::record::metrics::{fields, names};
use crate::record::snapshot::Snapshot;
use crate::system::terminal::numbers::{mean_return, percent};
use crate::{Error, Result};
use serde_json::{Map, Value, json};
use std::fmt::{self, Display, Formatter};
use std::ops::Range;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::policy::Policy;
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::rollout::Episode;
use twisterl_core::solve::{Solution, SolvePlan, Solver, Verification};

/// The fewest episodes of a part that workers play.
const PART: usize = 16;

/// Drops the default evaluations that `spec` does not allow, since their tree search needs one discrete action. Returns
/// then what to tell the user. Evaluations that a config chooses are left to [`check`].
pub(super) fn fit_defaults(config: &mut RunConfig, spec: &dyn EnvSpec) -> Option<String> {
    let shared = &mut config.shared;
    if shared.evals != Evals::default() || spec.action_space().single_discrete().is_some() {
        return None;
    }
    let dropped = |(name, eval): &(&String, &EvalConfig)| {
        eval.num_mcts_searches > 0 && **name != shared.learning.diff_metric
    };
    let (dropped, kept): (Vec<_>, Vec<_>) = shared.evals.iter().partition(dropped);
    let names: Vec<_> = dropped.into_iter().map(|(name, _)| name.as_str()).collect();
    let notice = (!names.is_empty()).then(|| {
        let names = names.join(", ");
        format!(
            "algorithm.evals: without {names} of the default evaluations, since tree search needs one discrete action"
        )
    });
    shared.evals = kept.into_iter().map(|(name, eval)| (name.clone(), eval.clone())).collect();
    notice
}

/// Checks that `spec` allows all evaluations, before any is made.
///
/// # Errors
/// [`twisterl_core::Error::Config`] with the path of the first field that it does not allow.
pub(super) fn check(evals: &Evals, spec: &dyn EnvSpec) -> Result<()> {
    let searched = evals.iter().find(|(_, eval)| eval.num_mcts_searches > 0);
    match searched {
        Some((name, eval)) if spec.action_space().single_discrete().is_none() => {
            let path = format!("algorithm.evals.{name}.num_mcts_searches");
            let expected = "0, since tree search needs one discrete action";
            Err(Error::config(path, expected, eval.num_mcts_searches))
        }
        _ => Ok(()),
    }
}

/// Means over the episodes of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvaluationResult {
    /// The share of the episodes that was solved.
    pub success: f64,
    /// Mean undiscounted return.
    pub reward: f64,
    /// Mean length of the solved episodes; 0 if none was solved.
    pub solved_length: f64,
    /// Mean length of all episodes.
    pub length: f64,
    /// The default limit on the length of episodes, if an episode has reached it.
    pub reached_limit: Option<usize>,
}

impl EvaluationResult {
    /// Returns the metrics by name. Without a measure of success, there is none, and the length is that of all episodes.
    pub fn to_map(self, measures_success: bool) -> Map<String, Value> {
        let length = if measures_success { self.solved_length } else { self.length };
        fields([
            (names::SUCCESS, json!(measures_success.then_some(self.success))),
            (names::REWARD, json!(self.reward)),
            (names::LENGTH, json!(length)),
        ])
    }

    /// Returns the figure by which people judge the policy.
    pub fn score(self, measures_success: bool) -> Score {
        Score::of(self.success, self.reward, measures_success)
    }
}

/// The figure by which people judge a policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Score {
    /// The share of the episodes that is solved.
    Success(f64),
    /// Mean undiscounted return, for environments without a measure of success.
    Return(f64),
}

impl Score {
    /// Returns the share solved where that is measured, or else the mean return.
    pub(super) fn of(success: f64, reward: f64, measures_success: bool) -> Self {
        if measures_success { Self::Success(success) } else { Self::Return(reward) }
    }
}

impl Display for Score {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success(share) => write!(f, "success {}", percent(*share)),
            Self::Return(mean) => write!(f, "return {}", mean_return(*mean)),
        }
    }
}

/// An evaluation in some iteration.
pub struct Evaluation<'a> {
    config: &'a EvalConfig,
    spec: &'a dyn EnvSpec,
    plan: SolvePlan,
    start: Start<'static>,
    key: StreamKey,
}

impl<'a> Evaluation<'a> {
    /// Prepares the evaluation at `position` among those of a config, in an iteration of the run with seed `run_seed`.
    ///
    /// # Errors
    /// If its options contradict each other.
    pub fn new(
        config: &'a EvalConfig,
        position: usize,
        spec: &'a dyn EnvSpec,
        iteration: &Iteration,
        run_seed: u64,
    ) -> Result<Self> {
        let difficulty = config.difficulty.unwrap_or(iteration.difficulty);
        let start = match config.start {
            EvalStart::Scramble => Start::Scramble { difficulty },
            EvalStart::Uniform => Start::Uniform { difficulty },
        };
        let plan = config.solve_options().resolve(1).map_err(|error| error.below("evals"))?;
        let key = StreamKey::new(run_seed.wrapping_add(config.seed), Purpose::Evaluate)
            .iteration(((position as u64) << 48) | iteration.number);
        Ok(Self { config, spec, plan, start, key })
    }

    /// Returns the number of episodes of a part, such that the parts together are the whole.
    pub fn part_size(&self) -> usize {
        PART.next_multiple_of(self.plan.method.together())
    }

    /// Plays these of its episodes.
    ///
    /// # Errors
    /// If the environment fails.
    pub fn play(&self, evaluator: &dyn Evaluator, episodes: Range<usize>) -> Result<Vec<Solution>> {
        let clock = || 0.0;
        let solver = Solver {
            record: false,
            verification: Verification::Lenient,
            first: episodes.start,
            ..self.plan.solver(self.spec, evaluator, &clock, Purpose::Evaluate)
        };
        let starts = vec![self.start; episodes.len()];
        let again = |number| self.key.iteration(self.key.iteration | number << 32);
        Ok(solver.run_tries(&starts, self.plan.tries, again)?)
    }

    /// Returns the means over all episodes.
    pub fn result(&self, solutions: &[Solution]) -> EvaluationResult {
        let count = solutions.len().max(1) as f64;
        let solved = solutions.iter().filter(|s| s.solved).count();
        let solved_length: usize = solutions.iter().filter(|s| s.solved).map(|s| s.length).sum();
        let length: usize = solutions.iter().map(|s| s.length).sum();
        EvaluationResult {
            success: solved as f64 / count,
            reward: solutions.iter().map(|s| f64::from(s.total)).sum::<f64>() / count,
            solved_length: solved_length as f64 / solved.max(1) as f64,
            length: length as f64 / count,
            reached_limit: self.plan.reached_default_limit(self.spec, solutions),
        }
    }

    /// Plays all episodes.
    ///
    /// # Errors
    /// If the environment fails.
    pub fn run(&self, evaluator: &dyn Evaluator) -> Result<EvaluationResult> {
        Ok(self.result(&self.play(evaluator, 0..self.config.num_episodes)?))
    }

    /// Has workers play all episodes, with `policy` in the iteration that is the evaluation's.
    ///
    /// # Errors
    /// As for [`Spread::ask`].
    pub fn ask(
        &self,
        position: usize,
        policy: &Policy,
        iteration: &Iteration,
        spread: &Spread<'_>,
    ) -> Result<EvaluationResult> {
        let (size, count) = (self.part_size(), self.config.num_episodes);
        let task = Task::Evaluate { position };
        let parts = count.div_ceil(size);
        let answers = spread.ask(task, iteration, policy, Value::Null, parts)?;
        let mut solutions = Vec::new();
        for (part, answer) in answers.iter().enumerate() {
            let rows: Vec<EpisodeRow> = answer.state()?;
            let expected = range(part, size, count)?.len();
            if rows.len() != expected {
                let found = format!("{} episodes in place of {expected}", rows.len());
                return Err(answer.wrong(&found));
            }
            let solution = |episode: Episode| {
                let Episode { length, total, solved, .. } = episode;
                Solution { solved, length, total, ..Solution::default() }
            };
            solutions.extend(episodes_of(&rows).into_iter().map(solution));
        }
        Ok(self.result(&solutions))
    }

    /// Returns the answer of a worker to `part`.
    ///
    /// # Errors
    /// If there is no such part, or the environment fails.
    pub fn answer(&self, evaluator: &dyn Evaluator, part: usize) -> Result<Snapshot> {
        let episodes = range(part, self.part_size(), self.config.num_episodes)?;
        let episode = |solution: Solution| {
            let Solution { solved, length, total, .. } = solution;
            Episode { difficulty: None, length, total, solved }
        };
        let episodes: Vec<_> = self.play(evaluator, episodes)?.into_iter().map(episode).collect();
        Ok(Snapshot { state: json!(episode_rows(&episodes)), arrays: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;
    use twisterl_core::envs::registry::Registry;
    use twisterl_core::evaluator::Mock;

    #[test]
    fn tree_search_solves_more_than_the_policy_and_more_attempts_are_no_worse() {
        let params = json!({"width": 3, "height": 2, "difficulty": 6});
        let spec = Registry::default().make("Puzzle", &params).unwrap();
        let uniform = Mock::uniform(4);
        let result = |deterministic, num_searches, num_mcts_searches| {
            let config = EvalConfig {
                deterministic,
                num_searches,
                num_mcts_searches,
                max_steps: Some(30),
                ..EvalConfig::default()
            };
            let iteration = Iteration { number: 0, difficulty: 6, progress: 0.0 };
            Evaluation::new(&config, 0, &*spec, &iteration, 1).unwrap().run(&uniform).unwrap()
        };
        let (greedy, tree) = (result(true, 1, 0), result(true, 1, 60));
        assert!(greedy.success < 0.9 && tree.success > 0.95, "{greedy:?} {tree:?}");
        assert_eq!(tree, result(true, 5, 60), "without sampling all attempts are equal");
        let (one, five) = (result(false, 1, 3), result(false, 5, 3));
        assert!(five.success > one.success && five.reward > one.reward, "{one:?} {five:?}");
    }
}
