//! The puzzle against tests/vectors/puzzle.json, which every other implementation of it has to reproduce as well.
//!
//! `TWISTERL_WRITE_VECTORS=1 cargo test -p twisterl-core --test puzzle_vectors` writes the file anew.
#![allow(clippy::unwrap_used)]

use rand::RngExt;
use serde::{Deserialize, Serialize};
use twisterl_core::env::{Environment, Step};
use twisterl_core::envs::puzzle::{Puzzle, PuzzleParams};
use twisterl_core::rng::{Purpose, stream};
use twisterl_core::space::Observations;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/puzzle.json");
const MOVES: usize = 200;

/// An episode from `start`, which was set as a state and so has the budget `max_depth`.
#[derive(Debug, Serialize, Deserialize)]
struct Trajectory {
    width: usize,
    height: usize,
    max_depth: usize,
    start: Vec<u8>,
    /// All actions, one digit each, illegal ones among them.
    actions: String,
    /// The expected observations after the first `moves` actions, in order.
    after: Vec<Seen>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    moves: usize,
    board: Vec<u8>,
    mask: Vec<bool>,
    /// The ones of the observation.
    ones: Vec<u32>,
    solved: bool,
    /// Of the last move; 0 and false before the first.
    reward: f32,
    terminated: bool,
    truncated: bool,
}

impl Seen {
    fn of(puzzle: &Puzzle, moves: usize, last: Step) -> Self {
        let mut mask = vec![true; 4];
        puzzle.action_mask(&mut mask);
        let mut row = Observations::new();
        row.push_with(|row| puzzle.observe(row));
        Self {
            moves,
            board: board(puzzle),
            mask,
            ones: row.ones(0).to_vec(),
            solved: puzzle.solved(),
            reward: last.reward,
            terminated: last.terminated,
            truncated: last.truncated,
        }
    }
}

fn board(puzzle: &Puzzle) -> Vec<u8> {
    let mut state = Vec::new();
    puzzle.state(&mut state);
    state.iter().map(|&tile| tile as u8).collect()
}

fn new_puzzle(width: usize, height: usize, max_depth: usize) -> Puzzle {
    Puzzle::new(&PuzzleParams { width, height, max_depth, ..PuzzleParams::default() }).unwrap()
}

impl Trajectory {
    /// Plays all actions, and looks after each number of moves for which `look` holds.
    fn play(&self, look: impl Fn(usize) -> bool) -> Vec<Seen> {
        let mut puzzle = new_puzzle(self.width, self.height, self.max_depth);
        puzzle.set_state(&self.start.iter().map(|&t| f64::from(t)).collect::<Vec<_>>()).unwrap();
        let mut seen = Vec::new();
        let mut last = Step::default();
        let actions = self.actions.bytes().map(|digit| usize::from(digit - b'0'));
        for (moves, action) in (0..).zip(actions.map(Some).chain([None])) {
            if look(moves) {
                seen.push(Seen::of(&puzzle, moves, last));
            }
            if let Some(action) = action {
                assert!(!last.done(), "the episode is over after {moves} moves");
                last = puzzle.step(action.into());
            }
        }
        seen
    }

    /// A random walk from the goal, taken backwards: the last move solves, unless the budget runs out with it.
    fn generate(width: usize, height: usize, max_depth: usize, truncated: bool) -> Self {
        let index = (10 * width + height) as u64;
        for attempt in 0.. {
            let mut rng = stream(1, Purpose::Start, attempt, index);
            let mut puzzle = new_puzzle(width, height, 1_000_000);
            let mut actions = String::new();
            let mut solved = false;
            for _ in 0..MOVES {
                let action = rng.random_range(0..4u32) as usize;
                let mut mask = [true; 4];
                puzzle.action_mask(&mut mask);
                let back = if mask[action] { (action + 2) % 4 } else { action };
                actions.insert_str(0, &back.to_string());
                puzzle.step(action.into());
                solved |= puzzle.solved();
            }
            if truncated {
                actions.replace_range(MOVES - 1.., "3"); // down never solves
            }
            if !solved {
                let start = board(&puzzle);
                let mut new = Self { width, height, max_depth, start, actions, after: vec![] };
                new.after = new.play(|moves| moves % 10 == 0 || moves < 4 || moves + 1 == MOVES);
                return new;
            }
        }
        unreachable!()
    }
}

#[test]
fn the_puzzle_plays_the_recorded_trajectories() {
    if std::env::var_os("TWISTERL_WRITE_VECTORS").is_some() {
        let all = [
            Trajectory::generate(3, 3, 256, false),
            Trajectory::generate(4, 4, MOVES, true),
            Trajectory::generate(3, 2, 256, false),
        ];
        // One line a record: readable, and small.
        let mut text = serde_json::to_string(&all).unwrap();
        for (from, to) in [("{\"width\"", "\n{\"width\""), ("{\"moves\"", "\n  {\"moves\"")] {
            text = text.replace(from, to);
        }
        std::fs::write(FILE, text + "\n").unwrap();
    }
    let text = std::fs::read_to_string(FILE).unwrap();
    let all: Vec<Trajectory> = serde_json::from_str(&text).unwrap();
    for trajectory in &all {
        assert_eq!(trajectory.actions.len(), MOVES);
        let looks = |moves| trajectory.after.iter().any(|seen| seen.moves == moves);
        assert_eq!(trajectory.play(looks), trajectory.after);
    }
    // Each way to end is among them.
    let last = |t: &Trajectory| t.after.last().map(|seen| (seen.terminated, seen.truncated));
    let ends: Vec<_> = all.iter().filter_map(last).collect();
    assert_eq!(ends, [(true, false), (false, true), (true, false)]);
}
