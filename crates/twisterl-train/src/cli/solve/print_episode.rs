//! Episodes as text: boards side by side, each below the move that led to it.

use crate::Result;
use crate::trainer::evaluation::Score;
use crate::trainer::solving;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::error::counts::counted;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::policy::Policy;
use twisterl_core::policy::executor::Executor;
use twisterl_core::rng::Purpose;
use twisterl_core::solve::{SOLVE_SEARCHES, Solution, SolveOptions, replay};

/// Scrambles that [`solve_scramble`] draws to find one that is not solved already.
const SCRAMBLES: usize = 16;

/// Solves a scramble with default options and returns the solution as text. Where nothing but a return is to be reached, that
/// is one line.
pub(in crate::cli) fn solve_scramble(
    policy: &Policy,
    spec: &dyn EnvSpec,
    difficulty: usize,
    interrupt: &Interrupt,
) -> Result<String> {
    let mut executor = Executor::of(policy)?;
    executor.interrupt_by(interrupt);
    let starts = [Start::Scramble { difficulty }; SCRAMBLES];
    let plan = SolveOptions::default().resolve(SOLVE_SEARCHES).map_err(|e| e.below(""))?;
    let problem = (spec, &executor as &dyn Evaluator);
    let solutions = solving::solve(&plan, None, problem, Purpose::Solve, &starts)?;
    // There is one solution per start.
    let solution = solutions.iter().find(|solution| solution.length > 0).unwrap_or(&solutions[0]);
    if spec.starts().curriculum { print(spec, solution) } else { Ok(verdict(spec, solution)) }
}

/// Returns the episode as text: the board at the start and after each move, and its result.
pub(in crate::cli) fn print(spec: &dyn EnvSpec, solution: &Solution) -> Result<String> {
    let replay = replay(spec, &solution.start, &solution.actions)?;
    let mut text = replay.boards();
    text.push_str(&verdict(spec, solution));
    Ok(text)
}

/// Returns the result of an episode in one line.
fn verdict(spec: &dyn EnvSpec, solution: &Solution) -> String {
    let Solution { solved, length, total, .. } = solution;
    let end = if *solved { "solved" } else { "not solved" };
    if spec.starts().curriculum {
        return format!("{end} after {}\n", counted(length, "move"));
    }
    let steps = counted(length, "step");
    let result = Score::Return(f64::from(*total));
    if *solved || spec.measures_success() {
        return format!("{end} after {steps}, {result}\n");
    }
    format!("{result} after {steps}\n")
}
