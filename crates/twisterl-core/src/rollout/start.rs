//! Starts of training episodes.

use crate::Result;
use crate::env::Start;
use crate::rng::{Purpose, Rng, StreamKey};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

/// The distribution of starts: probabilities of each kind, the rest being scrambles of `difficulty`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Starts<'a> {
    /// The current difficulty.
    pub difficulty: usize,
    /// Probability of a uniformly drawn state.
    pub uniform: f64,
    /// Probability of a scramble of a difficulty drawn uniformly from 1 to the current one.
    pub mixed: f64,
    /// Probability of a state of `memory`, unless it is empty.
    pub remembered: f64,
    /// The remembered states.
    pub memory: &'a [Vec<f64>],
}

/// The number of draws after which a start is taken even if it is solved.
const MAX_DRAWS: u64 = 64;

impl Starts<'_> {
    /// Begins an episode at a start that is not solved already, and returns the start with its key. Attempt `i` draws from
    /// `key(i)`; `begin` begins an episode, and returns true if its first state is solved.
    ///
    /// # Errors
    /// If `begin` fails.
    pub fn begin_unsolved(
        &self,
        mut key: impl FnMut(u64) -> StreamKey,
        mut begin: impl FnMut(Start<'_>, &mut Rng) -> Result<bool>,
    ) -> Result<(OwnedStart, StreamKey)> {
        let mut attempt = 0;
        loop {
            let key = key(attempt);
            let start = self.draw(&mut key.purpose(Purpose::Choice).stream());
            let solved = begin(start.borrow(), &mut key.purpose(Purpose::Start).stream())?;
            attempt += 1;
            if !solved || attempt == MAX_DRAWS {
                return Ok((start, key));
            }
        }
    }

    /// Draws a start.
    pub fn draw(&self, rng: &mut Rng) -> OwnedStart {
        let mut dice = rng.random::<f64>();
        if dice < self.remembered && !self.memory.is_empty() {
            let state = self.memory[rng.random_range(0..self.memory.len())].clone();
            return OwnedStart::State { state, difficulty: self.difficulty };
        }
        dice -= self.remembered;
        if (0.0..self.uniform).contains(&dice) {
            return OwnedStart::Uniform { difficulty: self.difficulty };
        }
        dice -= self.uniform;
        let difficulty = if (0.0..self.mixed).contains(&dice) {
            rng.random_range(1..=self.difficulty.max(1))
        } else {
            self.difficulty
        };
        OwnedStart::Scramble { difficulty }
    }
}

/// A [`Start`] that owns its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OwnedStart {
    /// [`Start::Scramble`].
    Scramble {
        /// The difficulty.
        difficulty: usize,
    },
    /// [`Start::Uniform`].
    Uniform {
        /// The difficulty whose budget applies.
        difficulty: usize,
    },
    /// [`Start::State`].
    State {
        /// The state.
        state: Vec<f64>,
        /// The difficulty whose budget applies.
        difficulty: usize,
    },
}

impl OwnedStart {
    /// Returns the difficulty of a scramble, `None` for other starts.
    pub fn scramble_difficulty(&self) -> Option<usize> {
        match self {
            Self::Scramble { difficulty } => Some(*difficulty),
            Self::Uniform { .. } | Self::State { .. } => None,
        }
    }

    /// Returns the start.
    pub fn borrow(&self) -> Start<'_> {
        match self {
            Self::Scramble { difficulty } => Start::Scramble { difficulty: *difficulty },
            Self::Uniform { difficulty } => Start::Uniform { difficulty: *difficulty },
            Self::State { state, difficulty } => {
                Start::State { state, difficulty: Some(*difficulty) }
            }
        }
    }
}
