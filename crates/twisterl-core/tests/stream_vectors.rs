//! Streams of random numbers and what the puzzle makes of them, against tests/vectors/streams.json, which every other
//! implementation has to reproduce as well.
//!
//! `TWISTERL_WRITE_VECTORS=1 cargo test -p twisterl-core --test stream_vectors` writes the file anew.
#![allow(clippy::unwrap_used)]

use rand::{Rng as _, RngExt};
use serde::{Deserialize, Serialize};
use twisterl_core::env::Environment;
use twisterl_core::envs::puzzle::{Puzzle, PuzzleParams};
use twisterl_core::rng::{Purpose, Rng, stream};
use twisterl_core::space::Observations;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/streams.json");

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Vectors {
    streams: Vec<Draws>,
    episodes: Vec<Episodes>,
}

/// The expected numbers of a stream, each kind from its beginning. Numbers of more than 32 bits are written in hexadecimal.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Draws {
    /// Seed, purpose, iteration, index.
    key: [String; 4],
    /// The first words, and from word 1,000 on.
    words: Vec<u32>,
    later: Vec<u32>,
    /// 64 bits after one word was drawn, so that one of them crosses the end of a buffer.
    wide: Vec<String>,
    /// Uniform in [0, 1) of single and of double precision.
    single: Vec<f32>,
    double: Vec<f64>,
    /// Whole numbers below 1, 2, ..., 40.
    below: Vec<u32>,
}

/// Episodes of random moves, 10,000 in all, begun anew where one ends, and what was seen on the way.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Episodes {
    width: usize,
    height: usize,
    difficulty: usize,
    /// Boards that `reset` gives, from streams of the indices 0, 1, ...
    resets: Vec<Vec<u8>>,
    /// Boards that `reset_uniform` gives.
    uniform: Vec<Vec<u8>>,
    /// A digest of all that was seen up to every 500th move, in hexadecimal.
    digests: Vec<String>,
}

const PURPOSES: [Purpose; 3] = [Purpose::Start, Purpose::Act, Purpose::Search];

impl Draws {
    fn of(seed: u64, purpose: Purpose, iteration: u64, index: u64) -> Self {
        let new = || stream(seed, purpose, iteration, index);
        let words = |mut rng: Rng, skip: usize| {
            (0..skip).for_each(|_| {
                rng.next_u32();
            });
            (0..8).map(|_| rng.next_u32()).collect()
        };
        let (mut odd, mut single, mut double, mut below) = (new(), new(), new(), new());
        odd.next_u32();
        Self {
            key: [seed, purpose as u64, iteration, index].map(|n| format!("{n:x}")),
            words: words(new(), 0),
            later: words(new(), 1000),
            wide: (0..40).map(|_| format!("{:x}", odd.next_u64())).collect(),
            single: (0..8).map(|_| single.random()).collect(),
            double: (0..8).map(|_| double.random()).collect(),
            below: (1..=40u32).map(|bound| below.random_range(0..bound)).collect(),
        }
    }
}

fn board(puzzle: &Puzzle) -> Vec<u8> {
    let mut state = Vec::new();
    puzzle.state(&mut state);
    state.iter().map(|&tile| tile as u8).collect()
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo).
struct Digest(u64);

impl Digest {
    fn take(&mut self, bytes: impl IntoIterator<Item = u8>) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Episodes {
    fn of(width: usize, height: usize, difficulty: usize) -> Self {
        let params = PuzzleParams { width, height, difficulty, ..PuzzleParams::default() };
        let mut puzzle = Puzzle::new(&params).unwrap();
        let index = (10 * width + height) as u64;
        let boards = |puzzle: &mut Puzzle, uniform: bool| {
            let draw = |n| {
                let mut rng = stream(7, Purpose::Start, index, n);
                if uniform {
                    puzzle.reset_uniform(&mut rng);
                } else {
                    puzzle.reset(&mut rng);
                }
                board(puzzle)
            };
            (0..10).map(draw).collect()
        };
        let resets = boards(&mut puzzle, false);
        let uniform = boards(&mut puzzle, true);
        let mut starts = stream(7, Purpose::Start, index, 1000);
        let mut moves = stream(7, Purpose::Act, index, 1000);
        let mut digest = Digest(0xcbf2_9ce4_8422_2325);
        let mut digests = Vec::new();
        puzzle.reset(&mut starts);
        for number in 1..=10_000 {
            let mut mask = [true; 4];
            puzzle.action_mask(&mut mask);
            let mut row = Observations::new();
            row.push_with(|row| puzzle.observe(row));
            let step = puzzle.step((moves.random_range(0..4u32) as usize).into());
            digest.take(mask.map(u8::from));
            digest.take(row.ones(0).iter().flat_map(|one| one.to_le_bytes()));
            digest.take(step.reward.to_le_bytes());
            digest.take([step.terminated, step.truncated, puzzle.solved()].map(u8::from));
            digest.take(board(&puzzle));
            digest.take(puzzle.state_key(&mut Vec::new()).to_le_bytes());
            if step.done() {
                puzzle.reset(&mut starts);
            }
            if number % 500 == 0 {
                digests.push(format!("{:x}", digest.0));
            }
        }
        Self { width, height, difficulty, resets, uniform, digests }
    }
}

#[test]
fn streams_and_episodes_are_those_recorded() {
    let found = Vectors {
        streams: vec![
            Draws::of(0, PURPOSES[0], 0, 0),
            Draws::of(1, PURPOSES[1], 2, 3),
            Draws::of(u64::MAX, PURPOSES[2], u64::MAX - 1, 1 << 40),
        ],
        episodes: vec![Episodes::of(3, 3, 20), Episodes::of(4, 4, 30), Episodes::of(3, 2, 9)],
    };
    if std::env::var_os("TWISTERL_WRITE_VECTORS").is_some() {
        // One line a record: readable, and small.
        let mut text = serde_json::to_string(&found).unwrap();
        for part in ["{\"key\"", "\"wide\"", "{\"width\"", "\"uniform\"", "\"digests\""] {
            text = text.replace(part, &format!("\n{part}"));
        }
        std::fs::write(FILE, text + "\n").unwrap();
    }
    let recorded: Vectors = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    assert_eq!(found, recorded);
}
