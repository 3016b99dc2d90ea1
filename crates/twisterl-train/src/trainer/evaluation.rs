//! Evaluations made during training.

use crate::Result;
use crate::config::{EvalConfig, EvalStart};
use crate::record::metrics::{names, numbers};
use serde_json::{Map, Value};
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::evaluator::distribution::Choice;
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::search::{Cycles, Puct, SearchConfig, Selection};
use twisterl_core::solve::{Budget, Method, Play, Solution, Solver, SymmetryUse};

/// Means over the episodes of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvaluationResult {
    /// The share of the episodes that was solved.
    pub success: f64,
    /// Mean undiscounted return.
    pub reward: f64,
    /// Mean length of the solved episodes; 0 if none was solved.
    pub length: f64,
}

impl EvaluationResult {
    /// Returns the fields by name, as metrics.
    pub fn to_map(self) -> Map<String, Value> {
        numbers([
            (names::SUCCESS, self.success),
            (names::REWARD, self.reward),
            (names::LENGTH, self.length),
        ])
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
    let play = Play {
        spec,
        evaluator,
        choice: if config.deterministic { Choice::Greedy } else { Choice::Sample },
        searches: config.num_searches,
        max_steps: config.max_steps,
        key: StreamKey::new(run_seed.wrapping_add(config.seed), Purpose::Evaluate)
            .iteration(((position as u64) << 48) | iteration),
        record: false,
    };
    let starts = vec![start; config.num_episodes];
    let outcomes = match config.num_mcts_searches {
        0 => play.run(&starts)?,
        _ => search(config, &play, &starts, difficulty)?,
    };
    let count = outcomes.len().max(1) as f64;
    let solved = outcomes.iter().filter(|o| o.solved).count();
    let length: usize = outcomes.iter().filter(|o| o.solved).map(|o| o.length).sum();
    Ok(EvaluationResult {
        success: solved as f64 / count,
        reward: outcomes.iter().map(|o| f64::from(o.total)).sum::<f64>() / count,
        length: length as f64 / solved.max(1) as f64,
    })
}

/// Plays by tree search, several times from each start, and keeps the best solution.
fn search(
    config: &EvalConfig,
    play: &Play<'_>,
    starts: &[Start<'_>],
    difficulty: usize,
) -> Result<Vec<Solution>> {
    let puct = Puct { exploration: config.c as f32, ..Puct::default() };
    let tree = SearchConfig {
        max_expand_depth: config.max_expand_depth,
        temperature: if config.deterministic { 0.0 } else { 1.0 },
        cycles: Cycles::Prune,
        ..SearchConfig::new(Selection::Puct(puct), config.num_mcts_searches)
    };
    let solver = Solver {
        spec: play.spec,
        evaluator: play.evaluator,
        method: Method::Tree(tree),
        budget: Budget::unlimited(),
        images: SymmetryUse::None,
        max_steps: play.max_steps,
        key: play.key,
    };
    let mut best = solver.run(starts)?;
    // Without random choices all tries are equal.
    let tries = if config.deterministic { 1 } else { play.searches as u64 };
    let states: Vec<Vec<f64>> = best.iter().map(|outcome| outcome.start.clone()).collect();
    let again = |state| Start::State { state, difficulty: Some(difficulty) };
    let starts: Vec<_> = states.iter().map(|state| again(state)).collect();
    for number in 1..tries {
        let key = play.key.iteration(play.key.iteration | number << 32);
        for (best, other) in best.iter_mut().zip(Solver { key, ..solver }.run(&starts)?) {
            if other.better_than(best) {
                *best = other;
            }
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;
    use twisterl_core::envs::registry::Registry;
    use twisterl_core::evaluator::Mock;

    #[test]
    fn a_tree_search_solves_what_the_policy_does_not_and_more_tries_are_no_worse() {
        let params = json!({"width": 3, "height": 2, "difficulty": 6});
        let spec = Registry::default().make("Puzzle", &params).unwrap();
        let uniform = Mock::uniform(4);
        let score = |deterministic, num_searches, num_mcts_searches| {
            let config = EvalConfig {
                deterministic,
                num_searches,
                num_mcts_searches,
                max_steps: Some(30),
                ..EvalConfig::default()
            };
            evaluate(&config, 0, &*spec, &uniform, 6, 1, 0).unwrap()
        };
        let (greedy, tree) = (score(true, 1, 0), score(true, 1, 60));
        assert!(greedy.success < 0.9 && tree.success > 0.95, "{greedy:?} {tree:?}");
        assert_eq!(tree, score(true, 5, 60), "without a draw every try is the same");
        let (one, five) = (score(false, 1, 3), score(false, 5, 3));
        assert!(five.success > one.success && five.reward > one.reward, "{one:?} {five:?}");
    }
}
