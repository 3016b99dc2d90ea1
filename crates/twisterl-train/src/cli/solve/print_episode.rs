//! Episodes as text: boards side by side, each below the move that led to it.

use crate::Result;
use crate::trainer::evaluation::Score;
use crate::trainer::solving;
use std::fmt::Write as _;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::error::counts::counted;
use twisterl_core::error::escape::{escape_board, escape_controls, visible_length};
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::policy::Policy;
use twisterl_core::policy::executor::Executor;
use twisterl_core::rng::Purpose;
use twisterl_core::solve::{Replay, SOLVE_SEARCHES, Solution, SolveOptions, replay};

/// The maximum width of a row of boards, in characters.
const PAGE: usize = 100;
/// The gap between boards, in characters.
const GAP: usize = 3;

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
pub(super) fn print(spec: &dyn EnvSpec, solution: &Solution) -> Result<String> {
    let replay = replay(spec, &solution.start, &solution.actions)?;
    let mut text = boards(&replay);
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

/// Returns the boards of an episode, each below the move that led to it, in rows of at most [`PAGE`] characters.
fn boards(replay: &Replay) -> String {
    let start = ("start".to_owned(), &replay.first);
    let moves = replay.moves.iter().enumerate();
    let moves =
        moves.map(|(i, (name, board))| (format!("{} {}", i + 1, escape_controls(name)), board));
    let frames: Vec<Vec<String>> = std::iter::once(start)
        .chain(moves)
        .map(|(title, board)| {
            std::iter::once(title).chain(board.lines().map(escape_board)).collect()
        })
        .collect();
    let length = |line: &String| visible_length(line);
    let width = frames.iter().flatten().map(length).max().unwrap_or(0) + GAP;
    let mut text = String::new();
    for row in frames.chunks((PAGE / width).max(1)) {
        for i in 0..row.iter().map(Vec::len).max().unwrap_or(0) {
            let mut line = String::new();
            for frame in row {
                let part = frame.get(i).map_or("", String::as_str);
                let _ = write!(line, "{part}{:1$}", "", width - visible_length(part));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_are_side_by_side_below_their_moves() {
        let replay = Replay {
            first: "1 0\n2 3".into(),
            moves: vec![("left".into(), "0 1\n2 3".into())],
            solved: true,
        };
        assert_eq!(boards(&replay), "start    1 left\n1 0      0 1\n2 3      2 3\n\n");
    }

    #[test]
    fn a_long_episode_continues_in_the_next_row() {
        let board = "x".repeat(60);
        let replay = Replay {
            first: board.clone(),
            moves: vec![("up".into(), board.clone())],
            solved: false,
        };
        assert_eq!(boards(&replay), format!("start\n{board}\n\n1 up\n{board}\n\n"));
    }
}
