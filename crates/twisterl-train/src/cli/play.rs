//! What the commands that play have in common.

use super::count;
use crate::Result;
use clap::Args;
use std::fmt::Write as _;
use twisterl_core::act::Choice;
use twisterl_core::env::Start;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::policy::Policy;
use twisterl_core::policy::forward::Executor;
use twisterl_core::registry::{EnvSpec, Registry};
use twisterl_core::rng::Purpose;
use twisterl_core::solve::{Outcome, Play, Replay, replay};

/// The width of the page on which boards are printed, in characters.
const PAGE: usize = 100;
/// Between boards beside each other.
const GAP: usize = 3;

/// Scrambles among which [`solve_scramble`] looks for one that is not solved as it stands.
const SCRAMBLES: usize = 16;

/// How problems are played.
#[derive(Debug, Clone, Args)]
pub(super) struct PlayArgs {
    /// Take the most likely move each time, instead of drawing moves from the policy.
    #[arg(long, conflicts_with = "num_searches")]
    greedy: bool,
    /// Tries at each problem, of which the best counts.
    #[arg(long, alias = "num_searches", value_name = "N", value_parser = count(65536))]
    num_searches: Option<usize>,
    /// The longest episode; as long as the environment allows if not given.
    #[arg(long, alias = "max_steps", value_name = "N", value_parser = count(1_000_000))]
    max_steps: Option<usize>,
    /// Seed of all randomness.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Upper bound on threads; the results do not depend on their number.
    #[arg(long, alias = "num_cores", value_name = "N", value_parser = count(4096))]
    pub(super) num_cores: Option<usize>,
}

impl PlayArgs {
    /// A play of `spec` as these arguments say, with `searches` tries where they do not.
    pub(super) fn play<'a>(
        &self,
        spec: &'a dyn EnvSpec,
        evaluator: &'a dyn Evaluator,
        purpose: Purpose,
        searches: usize,
    ) -> Play<'a> {
        Play {
            spec,
            evaluator,
            choice: if self.greedy { Choice::Greedy } else { Choice::Sample },
            searches: if self.greedy { 1 } else { self.num_searches.unwrap_or(searches) },
            max_steps: self.max_steps,
            seed: self.seed,
            purpose,
            iteration: 0,
            record: purpose == Purpose::Solve,
        }
    }
}

/// Scrambles a problem, plays it and prints the best of `tries`.
pub(super) fn solve_scramble(
    policy: &Policy,
    difficulty: usize,
    tries: usize,
    registry: &Registry,
) -> Result<String> {
    let spec = registry.make(&policy.env_cls, &policy.env)?;
    let executor = Executor::of(policy)?;
    let args = PlayArgs {
        greedy: false,
        num_searches: Some(tries),
        max_steps: None,
        seed: 0,
        num_cores: None,
    };
    let play = args.play(&*spec, &executor, Purpose::Solve, tries);
    let outcomes = play.run(&[Start::Scramble { difficulty }; SCRAMBLES])?;
    let unsolved = outcomes.iter().find(|outcome| outcome.length > 0);
    unsolved.or(outcomes.first()).map_or_else(|| Ok(String::new()), |o| print(&*spec, o))
}

/// The episode as text: the board at the start and after each move, and how it ended.
pub(super) fn print(spec: &dyn EnvSpec, outcome: &Outcome) -> Result<String> {
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
