//! `evaluate`: solves many problems and prints figures.

use super::envs::PolicyArgs;
use super::solve::options::SolveFlags;
use super::{Output, count};
use crate::Result;
use crate::system::files::states::{self, Instance, StateChecker};
use crate::system::terminal::numbers;
use crate::trainer::solving;
use clap::Args;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::policy::executor::Executor;
use twisterl_core::rng::Purpose;
use twisterl_core::solve::SolvePlan;

/// Evaluate a policy on given states or on scrambles.
#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// States to solve, as JSON (`{"instances": [{"state": [...], "optimal": 38}, ...]}`, or a list of states), JSON Lines,
    /// a table with a header, or text with one state a line; `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["num_episodes", "difficulty"])]
    states: Option<PathBuf>,
    /// Number of scrambles to solve.
    #[arg(long, alias = "num_episodes", value_name = "N", default_value_t = 1000, allow_negative_numbers = true, value_parser = count(10_000_000))]
    num_episodes: usize,
    /// Difficulty of the scrambles; by default that of the environment's parameters.
    #[arg(long, value_name = "D", allow_negative_numbers = true, value_parser = count(1_000_000))]
    difficulty: Option<usize>,
    #[command(flatten)]
    solve: SolveFlags,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl EvaluateArgs {
    /// Resolves the options of solving.
    pub(super) fn plan(&self) -> Result<SolvePlan> {
        self.solve.plan(1)
    }

    pub(super) fn run(self, registry: &Registry, interrupt: &Interrupt) -> Result<Output> {
        let plan = self.plan()?;
        let loaded = self.policy.open(registry)?;
        let (spec, mut executor) = (loaded.env()?, Executor::of(&loaded.policy)?);
        executor.interrupt_by(interrupt);
        let instances = match &self.states {
            Some(file) => states::read(file, &mut StateChecker::new(&*spec, interrupt)?)?,
            None => Vec::new(),
        };
        let starts: Vec<Start<'_>> = if self.states.is_some() {
            instances.iter().map(Instance::start).collect()
        } else {
            let difficulty = self.difficulty.unwrap_or_else(|| spec.difficulty());
            vec![Start::Scramble { difficulty }; self.num_episodes]
        };
        let begun = Instant::now();
        let problem = (&*spec, &executor as &dyn Evaluator);
        let num_cores = self.solve.num_cores();
        let solutions = solving::solve(&plan, num_cores, problem, Purpose::Evaluate, &starts)?;
        let seconds = begun.elapsed().as_secs_f64();
        SolveFlags::warn_of_limit(plan.reached_default_limit(&*spec, &solutions));
        let optimal: Vec<_> = instances.iter().map(|i| i.optimal).collect();
        let mut figures = solving::figures(&solutions, &optimal, seconds, spec.measures_success());
        if self.json {
            figures.insert("lengths".into(), solving::lengths(&solutions, &optimal));
            return Ok(format!("{}\n", Value::Object(figures)).into());
        }
        let mut text = String::new();
        let known = figures.iter().filter(|(_, value)| !value.is_null());
        for (name, value) in known {
            let _ = writeln!(text, "{name:18} {}", plain(name, value));
        }
        Ok(text.into())
    }
}

/// Formats a figure for people, in the unit that its name tells.
fn plain(name: &str, value: &Value) -> String {
    let Some(number) = value.as_f64() else {
        return if value.is_null() { "-".into() } else { value.to_string() };
    };
    match name {
        "success" | "optimal_fraction" => numbers::percent(number),
        "seconds_per_state" => numbers::duration(number),
        _ if value.is_f64() => numbers::significant(number),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn figures_have_the_units_of_people() {
        for (name, value, text) in [
            ("success", json!(0.981), "98.1 %"),
            ("success", json!(0.0), "0.0 %"),
            ("optimal_fraction", json!(1.0), "100.0 %"),
            ("seconds_per_state", json!(1.578e-5), "15.8 µs"),
            ("mean_length", json!(22.357_142), "22.4"),
            ("mean_length", Value::Null, "-"),
            ("count", json!(1000), "1000"),
        ] {
            assert_eq!(plain(name, &value), text);
        }
    }
}
