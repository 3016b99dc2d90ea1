//! `evaluate`: many problems, and how well they were solved.

use super::play::PlayArgs;
use super::states::{self, Instance};
use super::{Output, count};
use crate::load::load_policy;
use crate::{Error, Result};
use clap::Args;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;
use twisterl_core::env::Start;
use twisterl_core::policy::forward::Executor;
use twisterl_core::registry::{EnvSpec, Registry};
use twisterl_core::rng::{Purpose, stream};
use twisterl_core::solve::Outcome;

/// Score a policy on given states or on scrambles.
#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    /// A run, a checkpoint, or a file of weights.
    #[arg(value_name = "RUN|CHECKPOINT")]
    policy: PathBuf,
    /// States to solve: `{"instances": [{"state": [...], "optimal": 38}, ...]}`, or a list of states.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["num_episodes", "difficulty"])]
    states: Option<PathBuf>,
    /// Scrambles to solve.
    #[arg(long, alias = "num_episodes", value_name = "N", default_value_t = 1000, value_parser = count(10_000_000))]
    num_episodes: usize,
    /// Difficulty of the scrambles; that of the environment's parameters if not given.
    #[arg(long, value_name = "D", value_parser = count(1_000_000))]
    difficulty: Option<usize>,
    /// Config that belongs to a bare file of weights.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    play: PlayArgs,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl EvaluateArgs {
    pub(super) fn run(self, registry: &Registry) -> Result<Output> {
        let policy = load_policy(&self.policy, self.config.as_deref(), registry)?;
        let spec = registry.make(&policy.env_cls, &policy.env)?;
        let executor = Executor::of(&policy)?;
        let instances = match &self.states {
            Some(file) => {
                let instances = states::read(file)?;
                check_states(&instances, &*spec, file)?;
                instances
            }
            None => Vec::new(),
        };
        let starts: Vec<Start<'_>> = if self.states.is_some() {
            instances.iter().map(at).collect()
        } else {
            let difficulty = self.difficulty.unwrap_or_else(|| spec.difficulty());
            vec![Start::Scramble { difficulty }; self.num_episodes]
        };
        let begun = Instant::now();
        let outcomes = self.play.solve(&*spec, &executor, (Purpose::Evaluate, 1), &starts)?;
        let seconds = begun.elapsed().as_secs_f64();
        let optimal: Vec<_> = instances.iter().map(|i| i.optimal).collect();
        let figures = figures(&outcomes, &optimal, seconds);
        if self.json {
            return Ok(format!("{}\n", Value::Object(figures)).into());
        }
        let mut text = String::new();
        for (name, value) in &figures {
            let _ = writeln!(text, "{name:18} {}", plain(value));
        }
        Ok(text.into())
    }
}

/// A start at this state, with the full budget.
fn at(instance: &Instance) -> Start<'_> {
    Start::State { state: &instance.state, difficulty: None }
}

/// Tries each state, so that a wrong one is named.
fn check_states(instances: &[Instance], spec: &dyn EnvSpec, file: &Path) -> Result<()> {
    let mut env = spec.batch(1);
    let mut rng = stream(0, Purpose::Evaluate, 0, 0);
    for (i, instance) in instances.iter().enumerate() {
        env.begin(0, at(instance), &mut rng).map_err(|error| match error {
            twisterl_core::Error::State { expected, found } => {
                Error::config(format!("{}: state {i}", file.display()), expected, found)
            }
            other => other.into(),
        })?;
    }
    Ok(())
}

/// The figures of an evaluation, in the order in which they are printed:
///
/// - `solved` of `count` problems, and `success`, their quotient;
/// - `mean_length`: moves, over the solved problems; `null` where there is none;
/// - `mean_reward`: undiscounted return, over all;
/// - where shortest solutions are known, `mean_optimal`: their length, over the solved problems of known length;
///   `optimal_fraction`: the share of all problems of known length that were solved in as few moves;
/// - `nodes_per_state`: mean number of states evaluated;
/// - of tree search, `simulations_per_state`: mean number of simulations;
/// - `seconds_per_state`: wall-clock time by `count`.
fn figures(outcomes: &[Outcome], optimal: &[Option<u32>], seconds: f64) -> Map<String, Value> {
    let mean = |sum: f64, n: usize| if n == 0 { Value::Null } else { json!(sum / n as f64) };
    let count = outcomes.len();
    let solved: Vec<_> = outcomes.iter().filter(|o| o.solved).collect();
    let moves: usize = solved.iter().map(|o| o.length).sum();
    let reward: f64 = outcomes.iter().map(|o| f64::from(o.total)).sum();
    let mut figures = vec![
        ("solved", json!(solved.len())),
        ("count", json!(count)),
        ("success", mean(solved.len() as f64, count)),
        ("mean_length", mean(moves as f64, solved.len())),
        ("mean_reward", mean(reward, count)),
    ];
    let known: Vec<_> =
        outcomes.iter().zip(optimal).filter_map(|(o, best)| best.map(|best| (o, best))).collect();
    if !known.is_empty() {
        let solved: Vec<_> = known.iter().filter(|(o, _)| o.solved).collect();
        let best: f64 = solved.iter().map(|(_, best)| f64::from(*best)).sum();
        let shortest =
            solved.iter().filter(|(o, best)| o.length as u64 <= u64::from(*best)).count();
        figures.push(("mean_optimal", mean(best, solved.len())));
        figures.push(("optimal_fraction", mean(shortest as f64, known.len())));
    }
    let nodes: u64 = outcomes.iter().map(|o| o.nodes).sum();
    figures.push(("nodes_per_state", mean(nodes as f64, count)));
    let simulations: u64 = outcomes.iter().map(|o| o.simulations).sum();
    if simulations > 0 {
        figures.push(("simulations_per_state", mean(simulations as f64, count)));
    }
    figures.push(("seconds_per_state", mean(seconds, count)));
    figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn plain(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if value.is_f64() && number.abs() >= 0.01 => format!("{number:.4}"),
        Some(number) if value.is_f64() => format!("{number:.3e}"),
        _ if value.is_null() => "-".into(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_over_the_problems_they_name() {
        let outcome =
            |solved, length| Outcome { solved, length, total: 1.0, nodes: 7, ..Outcome::default() };
        let outcomes = [outcome(true, 4), outcome(true, 8), outcome(false, 9), outcome(true, 3)];
        let optimal = [Some(4), Some(6), Some(2), None];
        let figures = Value::Object(figures(&outcomes, &optimal, 2.0));
        assert_eq!(
            figures,
            json!({
                "solved": 3, "count": 4, "success": 0.75, "mean_length": 5.0, "mean_reward": 1.0,
                "mean_optimal": 5.0, "optimal_fraction": 1.0 / 3.0, "nodes_per_state": 7.0, "seconds_per_state": 0.5,
            })
        );
    }

    #[test]
    fn nothing_solved_has_no_mean_length() {
        let outcomes = [Outcome::default()];
        let figures = Value::Object(figures(&outcomes, &[], 1.0));
        assert_eq!(figures["mean_length"], Value::Null);
        assert_eq!(figures.get("mean_optimal"), None);
    }
}
