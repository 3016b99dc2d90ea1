//! Evaluations during training.

use crate::Result;
use crate::config::{EvalConfig, EvalStart};
use crate::record::metrics::{fields, names};
use crate::system::terminal::numbers::{mean_return, percent};
use serde_json::{Map, Value, json};
use std::fmt::{self, Display, Formatter};
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::solve::{Solver, Verification};

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

/// Plays the evaluation at `position` among those of the config.
///
/// # Errors
/// If the environment fails.
pub fn evaluate(
    config: &EvalConfig,
    position: usize,
    spec: &dyn EnvSpec,
    evaluator: &dyn Evaluator,
    difficulty: usize,
    run_seed: u64,
    iteration: u64,
) -> Result<EvaluationResult> {
    let difficulty = config.difficulty.unwrap_or(difficulty);
    let start = match config.start {
        EvalStart::Scramble => Start::Scramble { difficulty },
        EvalStart::Uniform => Start::Uniform { difficulty },
    };
    let plan = config.solve_options().resolve(1).map_err(|error| error.below("evals"))?;
    let key = StreamKey::new(run_seed.wrapping_add(config.seed), Purpose::Evaluate)
        .iteration(((position as u64) << 48) | iteration);
    let clock = || 0.0;
    let solver = Solver {
        record: false,
        verification: Verification::Lenient,
        ..plan.solver(spec, evaluator, &clock, Purpose::Evaluate)
    };
    let starts = vec![start; config.num_episodes];
    let again = |number| key.iteration(key.iteration | number << 32);
    let solutions = solver.run_tries(&starts, plan.tries, again)?;
    let count = solutions.len().max(1) as f64;
    let solved = solutions.iter().filter(|s| s.solved).count();
    let solved_length: usize = solutions.iter().filter(|s| s.solved).map(|s| s.length).sum();
    let length: usize = solutions.iter().map(|s| s.length).sum();
    Ok(EvaluationResult {
        success: solved as f64 / count,
        reward: solutions.iter().map(|s| f64::from(s.total)).sum::<f64>() / count,
        solved_length: solved_length as f64 / solved.max(1) as f64,
        length: length as f64 / count,
        reached_limit: plan.reached_default_limit(spec, &solutions),
    })
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
            evaluate(&config, 0, &*spec, &uniform, 6, 1, 0).unwrap()
        };
        let (greedy, tree) = (result(true, 1, 0), result(true, 1, 60));
        assert!(greedy.success < 0.9 && tree.success > 0.95, "{greedy:?} {tree:?}");
        assert_eq!(tree, result(true, 5, 60), "without sampling all attempts are equal");
        let (one, five) = (result(false, 1, 3), result(false, 5, 3));
        assert!(five.success > one.success && five.reward > one.reward, "{one:?} {five:?}");
    }
}
