//! `solve`: solves one problem and prints it move by move.

use super::envs::PolicyArgs;
use super::solve_options::SolveFlags;
use super::{Exit, Output, print_episode};
use crate::Result;
use crate::system::files::states;
use crate::system::terminal::numbers;
use crate::trainer::solving;
use clap::Args;
use std::fmt::Write as _;
use std::str::FromStr;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::policy::executor::Executor;
use twisterl_core::rng::Purpose;
use twisterl_core::solve::SOLVE_SEARCHES;

/// Solve one problem and print it move by move.
#[derive(Debug, Args)]
pub(super) struct SolveArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// The problem's state: numbers separated by commas or blanks, such as `8,7,5,3,2,0,4,6,1`; in rows with brackets, too.
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    state: StateArg,
    #[command(flatten)]
    solve: SolveFlags,
}

/// The numbers of a state.
#[derive(Debug, Clone, PartialEq)]
struct StateArg(Vec<f64>);

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
        let loaded = self.policy.open(registry)?;
        let (spec, mut executor) = (loaded.env()?, Executor::of(&loaded.policy)?);
        executor.interrupt_by(interrupt);
        let start = Start::State { state: &self.state.0, difficulty: None };
        let problem = (&*spec, &executor as &dyn Evaluator);
        let num_cores = self.solve.num_cores;
        let solutions = solving::solve(&plan, num_cores, problem, Purpose::Solve, &[start])?;
        SolveFlags::warn_of_limit(&plan, &*spec, &solutions);
        // One for the one start.
        let solution = &solutions[0];
        let failed = !solution.solved && spec.measures_success();
        let exit = if failed { Exit::Failed } else { Exit::Done };
        let mut text = print_episode::print(&*spec, solution)?;
        if self.solve.is_search() {
            let time = numbers::duration(solution.seconds);
            let _ = writeln!(text, "{} nodes, {time}", solution.nodes);
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
