//! Evaluations made during training.

use crate::Result;
use crate::config::{EvalConfig, EvalStart};
use serde_json::{Map, Value, json};
use twisterl_core::act::Choice;
use twisterl_core::env::Start;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::registry::EnvSpec;
use twisterl_core::rng::Purpose;
use twisterl_core::solve::Play;

/// Means over the episodes of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Share solved.
    pub success: f64,
    /// Mean undiscounted return.
    pub reward: f64,
    /// Mean length of the solved episodes; 0 where none was.
    pub length: f64,
}

impl Score {
    /// The fields by name.
    pub fn to_map(self) -> Map<String, Value> {
        let fields = [("success", self.success), ("reward", self.reward), ("length", self.length)];
        fields.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
    }
}

/// Plays the evaluation that stands at `position` among those of the config.
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
) -> Result<Score> {
    let difficulty = config.difficulty.unwrap_or(difficulty);
    let start = match config.start {
        EvalStart::Scramble => Start::Scramble { difficulty },
        EvalStart::Uniform => Start::Uniform { difficulty },
    };
    let play = Play {
        spec,
        evaluator,
        choice: if config.deterministic { Choice::Greedy } else { Choice::Sample },
        searches: config.num_searches,
        max_steps: config.max_steps,
        seed: run_seed.wrapping_add(config.seed),
        purpose: Purpose::Evaluate,
        iteration: ((position as u64) << 48) | iteration,
        record: false,
    };
    let outcomes = play.run(&vec![start; config.num_episodes])?;
    let count = outcomes.len().max(1) as f64;
    let solved = outcomes.iter().filter(|o| o.solved).count();
    let length: usize = outcomes.iter().filter(|o| o.solved).map(|o| o.length).sum();
    Ok(Score {
        success: solved as f64 / count,
        reward: outcomes.iter().map(|o| f64::from(o.total)).sum::<f64>() / count,
        length: length as f64 / solved.max(1) as f64,
    })
}
