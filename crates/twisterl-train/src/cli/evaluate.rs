//! `evaluate`: solves many problems and prints figures.

use super::Output;
use super::envs::PolicyArgs;
use super::figures::FIGURES;
use super::problems::ProblemFlags;
use super::solve::options::SolveFlags;
use crate::Result;
use crate::trainer::solving;
use clap::Args;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::time::Instant;
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::counts::grouped;
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
        let starts = self.problems.starts(&*spec, &instances)?;
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
        let problems = self.problems.describe(&*spec, &instances);
        let rows = rows(&figures, spec.measures_success());
        Ok(format!("{problems}, search {}\n{rows}", plan.method).into())
    }
}

/// Returns a line for each figure that is known: its title, its value, and what that is.
fn rows(figures: &Map<String, Value>, measures_success: bool) -> String {
    let count = |name: &str| grouped(figures.get(name).and_then(Value::as_u64).unwrap_or(0));
    let lines: Vec<[String; 3]> = FIGURES
        .iter()
        .filter_map(|figure| {
            let [title, note] =
                if measures_success { figure.words } else { figure.words_of_returns };
            let note = match figure.key {
                "success" => format!("{} of {} solved", count("solved"), count("count")),
                _ => note.to_owned(),
            };
            Some([title.to_owned(), figure.text(figures)?, note])
        })
        .collect();
    let width = |i: usize| lines.iter().map(|line| line[i].chars().count()).max().unwrap_or(0);
    let (titles, values) = (width(0), width(1));
    let mut text = String::new();
    for [title, value, note] in &lines {
        let _ = writeln!(text, "  {title:titles$}  {value:values$}  {note}");
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn figures(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn figures_are_lines_in_the_words_of_people() {
        let known = figures(json!({
            "solved": 981, "count": 1000, "success": 0.981, "mean_length": 22.357_142, "mean_reward": 0.125,
            "nodes_per_state": 1234.6, "seconds_per_state": 1.578e-5,
        }));
        assert_eq!(
            rows(&known, true),
            "  success  98.1 %   981 of 1,000 solved\n  \
               moves    22.36    mean of the solved\n  \
               return   0.12     mean\n  \
               nodes    1,235    per problem\n  \
               time     15.8 µs  per problem\n"
        );
    }

    #[test]
    fn without_a_measure_of_success_there_are_steps_and_a_return() {
        let known = figures(json!({
            "solved": null, "count": 3, "success": null, "mean_length": 475.0, "mean_reward": 475.0,
        }));
        let expected = "  steps   475.00  mean\n  return  475.0   mean\n";
        assert_eq!(rows(&known, false), expected);
    }
}
