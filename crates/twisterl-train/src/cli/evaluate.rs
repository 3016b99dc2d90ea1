//! `evaluate`: solves many problems and prints figures.

use super::Output;
use super::envs::PolicyArgs;
use super::problems::ProblemFlags;
use super::solve::options::SolveFlags;
use crate::Result;
use crate::system::terminal::numbers;
use crate::trainer::solving;
use clap::Args;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Instant;
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::rng::Purpose;
use twisterl_core::solve::SolvePlan;

/// Evaluate a policy on given states or on scrambles.
#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    problems: ProblemFlags,
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
        let (spec, executor) = (loaded.env()?, loaded.executor(interrupt)?);
        let instances = self.problems.instances(&*spec, interrupt)?;
        let starts = self.problems.starts(&*spec, &instances);
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
