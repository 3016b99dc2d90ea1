//! Solutions as text.

use super::play::start_stream;
use crate::Result;
use crate::env::Start;
use crate::envs::registry::EnvSpec;
use crate::error::escape::{escape_board, escape_controls, visible_length};
use crate::rng::{Purpose, StreamKey};
use crate::space::{Action, Actions};
use std::fmt::Write as _;

/// The maximum width of a row of boards, in characters.
const PAGE: usize = 100;
/// The gap between boards, in characters.
const GAP: usize = 3;

/// Replays `actions` from `state` and returns every state as text, with the names of the actions.
///
/// # Errors
/// If the environment refuses the state.
pub fn replay(spec: &dyn EnvSpec, state: &[f64], actions: &Actions) -> Result<Replay> {
    let mut env = spec.batch(1);
    let mut rng = start_stream(StreamKey::new(0, Purpose::Solve), 0);
    env.begin(0, Start::State { state, difficulty: None }, &mut rng)?;
    let mut replay = Replay { first: env.render(0)?, moves: Vec::new(), solved: env.solved(0) };
    let mut one = Actions::new(&spec.action_space());
    let mut steps = Vec::new();
    for i in 0..actions.len() {
        one.clear();
        one.push(actions.row(i));
        env.step(&[0], &one, &mut steps)?;
        replay.moves.push((env.action_name(actions.row(i)), env.render(0)?));
    }
    replay.solved = env.solved(0);
    Ok(replay)
}

/// A solution as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The state before the first action.
    pub first: String,
    /// Each action's name and the state after it.
    pub moves: Vec<(String, String)>,
    /// True if the last state is solved.
    pub solved: bool,
}

/// Returns the index of each action of a space with one discrete component.
pub fn indices(actions: &Actions) -> Vec<usize> {
    (0..actions.len()).map(|i| Action::index(&actions.row(i))).collect()
}

impl Replay {
    /// Returns the boards of an episode, each below the move that led to it, in rows of at most 100 characters.
    pub fn boards(&self) -> String {
        let start = ("start".to_owned(), &self.first);
        let moves = self.moves.iter().enumerate();
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
        assert_eq!(replay.boards(), "start    1 left\n1 0      0 1\n2 3      2 3\n\n");
    }

    #[test]
    fn a_long_episode_continues_in_the_next_row() {
        let board = "x".repeat(60);
        let replay = Replay {
            first: board.clone(),
            moves: vec![("up".into(), board.clone())],
            solved: false,
        };
        assert_eq!(replay.boards(), format!("start\n{board}\n\n1 up\n{board}\n\n"));
    }
}
