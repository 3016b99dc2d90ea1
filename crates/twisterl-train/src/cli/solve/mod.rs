//! `solve`: solves one problem and prints it move by move, or many and prints a record of each.

mod each;
pub(super) mod options;
pub(super) mod print_episode;
mod record;

use self::options::SolveFlags;
use self::record::Format;
use super::envs::PolicyArgs;
use super::{Exit, Output};
use crate::system::files::states::{self, Instance};
use crate::system::terminal::numbers;
use crate::trainer::solving;
use crate::{Error, Result};
use clap::Args;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::counts::counted;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::rng::Purpose;
use twisterl_core::solve::SOLVE_SEARCHES;

/// Solve one problem and print it move by move, or the states of a file and print a record of each.
#[derive(Debug, Args)]
pub(super) struct SolveArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// The problem's state: numbers separated by commas or blanks, such as `8,7,5,3,2,0,4,6,1`; in rows with brackets, too.
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    state: Option<StateArg>,
    /// States to solve, in any format of `evaluate --states`; `-` for standard input. Prints a record of each as soon as it
    /// is solved, in their order. A state that cannot be read has a record with its error, and the exit code is then 1.
    #[arg(long, value_name = "FILE", conflicts_with = "state")]
    states: Option<PathBuf>,
    /// Print each record as a JSON object on a line of its own (JSON Lines).
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print the records as a table with a header.
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    solve: SolveFlags,
}

/// The numbers of a state.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StateArg(pub(super) Vec<f64>);

impl FromStr for StateArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = |(expected, found)| format!("expected {expected}, found {found}");
        states::one(text).map(Self).map_err(refused)
    }
}

impl SolveArgs {
    pub(super) fn run(self, registry: &Registry, interrupt: &Interrupt) -> Result<Output> {
        let plan = self.solve.plan(SOLVE_SEARCHES)?;
        if self.state.is_none() && self.states.is_none() {
            let expected = "a state to solve, as `--state 8,7,5,3,2,0,4,6,1`, or a file of states, as `--states boards.txt` \
                            (`solve --help` has examples)";
            return Err(Error::usage("solve", expected, "neither"));
        }
        let loaded = self.policy.open(registry)?;
        let (spec, executor) = (loaded.env()?, loaded.executor(interrupt)?);
        let problem = (&*spec, &executor as &dyn Evaluator);
        let format = match (self.json, self.csv) {
            (true, _) => Some(Format::Json),
            (_, true) => Some(Format::Csv),
            _ => None,
        };
        if let Some(path) = &self.states {
            let format = format.unwrap_or(Format::Text);
            return each::solve_each(path, &self.solve, problem, format, interrupt);
        }
        let state = self.state.map(|state| state.0).unwrap_or_default();
        let instance = Instance { state, optimal: None, place: String::new() };
        let cores = self.solve.num_cores();
        let solutions = solving::solve(&plan, cores, problem, Purpose::Solve, &[instance.start()])?;
        SolveFlags::warn_of_limit(plan.reached_default_limit(&*spec, &solutions));
        // One for the one start.
        let solution = &solutions[0];
        let failed = !solution.solved && spec.measures_success();
        let exit = if failed { Exit::Failed } else { Exit::Done };
        if let Some(format) = format {
            let env = (&*spec.batch(1), spec.measures_success());
            let record = record::played(0, &instance, solution, env);
            return Ok(Output { text: record::text(&record, format)?, exit });
        }
        let mut text = print_episode::print(&*spec, solution)?;
        if self.solve.is_search() {
            let time = numbers::duration(solution.seconds);
            let _ = writeln!(text, "{}, {time}", counted(solution.nodes, "node"));
        }
        Ok(Output { text, exit })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn states_are_numbers_separated_by_commas_or_blanks() {
        let state = |text: &str| text.parse::<StateArg>().map(|s| s.0);
        for text in [
            "8,7,-1.5",
            " [8, 7, -1.5] ",
            "8 7 -1.5",
            "[[8], [7], [-1.5]]",
            "(8;7;-1.5)",
            "'8 7' -1.5",
        ] {
            assert_eq!(state(text).unwrap(), [8.0, 7.0, -1.5], "{text}");
        }
        for (text, found) in [
            ("", "none"),
            ("[]", "none"),
            ("1,,2", "nothing in place of value 2"),
            ("1,x", "\"x\""),
            ("1,NaN", "\"NaN\""),
            ("1e999", "\"1e999\""),
        ] {
            let message = format!("expected numbers separated by blanks or commas, found {found}");
            assert_eq!(state(text).unwrap_err(), message);
        }
    }
}
