//! An episode as text: boards beside each other, each under the move that led to it.

use crate::Result;
use crate::play::PlayArgs;
use std::fmt::Write as _;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::policy::Policy;
use twisterl_core::policy::executor::Executor;
use twisterl_core::rng::Purpose;
use twisterl_core::solve::{Method, Replay, Solution, replay};

/// The width of the page on which boards are printed, in characters.
const PAGE: usize = 100;
/// Between boards beside each other.
const GAP: usize = 3;

/// Scrambles among which [`solve_scramble`] looks for one that is not solved as it stands.
const SCRAMBLES: usize = 16;

/// Scrambles a problem, plays it and prints the best of `tries`.
pub(super) fn solve_scramble(
    policy: &Policy,
    spec: &dyn EnvSpec,
    difficulty: usize,
    tries: usize,
) -> Result<String> {
    let executor = Executor::of(policy)?;
    let starts = [Start::Scramble { difficulty }; SCRAMBLES];
    let args = PlayArgs { search: Some(Method::BestOf(tries)), ..PlayArgs::default() };
    let outcomes = args.solve(spec, &executor, (Purpose::Solve, tries), &starts)?;
    let unsolved = outcomes.iter().find(|outcome| outcome.length > 0);
    unsolved.or(outcomes.first()).map_or_else(|| Ok(String::new()), |o| print(spec, o))
}

/// The episode as text: the board at the start and after each move, and how it ended.
pub(super) fn print(spec: &dyn EnvSpec, outcome: &Solution) -> Result<String> {
    let replay = replay(spec, &outcome.start, &outcome.actions)?;
    let mut text = film(&replay);
    let moves = replay.moves.len();
    let (end, s) =
        (if replay.solved { "solved" } else { "not solved" }, if moves == 1 { "" } else { "s" });
    let _ = writeln!(text, "{end} after {moves} move{s}");
    Ok(text)
}

/// The boards of an episode, each under the move that led to it, as many beside each other as fit on the page.
fn film(replay: &Replay) -> String {
    let start = ("start".to_owned(), &replay.first);
    let moves = replay.moves.iter().enumerate();
    let moves = moves.map(|(i, (name, board))| (format!("{} {name}", i + 1), board));
    let frames: Vec<Vec<String>> = std::iter::once(start)
        .chain(moves)
        .map(|(title, board)| {
            std::iter::once(title).chain(board.lines().map(str::to_owned)).collect()
        })
        .collect();
    let length = |line: &String| line.chars().count();
    let width = frames.iter().flatten().map(length).max().unwrap_or(0) + GAP;
    let mut text = String::new();
    for row in frames.chunks((PAGE / width).max(1)) {
        for i in 0..row.iter().map(Vec::len).max().unwrap_or(0) {
            let mut line = String::new();
            for frame in row {
                let part = frame.get(i).map_or("", String::as_str);
                let _ = write!(line, "{part:width$}");
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
    fn boards_stand_beside_each_other_under_their_moves() {
        let replay = Replay {
            first: "1 0\n2 3".into(),
            moves: vec![("left".into(), "0 1\n2 3".into())],
            solved: true,
        };
        assert_eq!(film(&replay), "start    1 left\n1 0      0 1\n2 3      2 3\n\n");
    }

    #[test]
    fn a_long_film_goes_on_in_the_next_row() {
        let board = "x".repeat(60);
        let replay = Replay {
            first: board.clone(),
            moves: vec![("up".into(), board.clone())],
            solved: false,
        };
        assert_eq!(film(&replay), format!("start\n{board}\n\n1 up\n{board}\n\n"));
    }
}
