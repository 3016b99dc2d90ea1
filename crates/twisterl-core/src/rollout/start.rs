//! Where training episodes start.

use crate::env::Start;
use crate::rng::Rng;
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

/// Where training episodes start: shares of each kind, the rest being scrambles of `difficulty`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Starts<'a> {
    /// The current difficulty.
    pub difficulty: usize,
    /// Share of states drawn uniformly.
    pub uniform: f64,
    /// Share of scrambles of a difficulty drawn uniformly from 1 to the current one.
    pub mixed: f64,
    /// Share of `memory`, while there is any.
    pub remembered: f64,
    /// States to start from.
    pub memory: &'a [Vec<f64>],
}

impl Starts<'_> {
    /// Draws a start.
    pub fn draw(&self, rng: &mut Rng) -> OwnedStart {
        let mut dice = rng.random::<f64>();
        if dice < self.remembered && !self.memory.is_empty() {
            let state = self.memory.get(rng.random_range(0..self.memory.len()));
            let state = state.cloned().unwrap_or_default();
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

/// [`Start`] with its own state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OwnedStart {
    /// See [`Start::Scramble`].
    Scramble {
        /// The difficulty.
        difficulty: usize,
    },
    /// See [`Start::Uniform`].
    Uniform {
        /// The difficulty whose budget holds.
        difficulty: usize,
    },
    /// See [`Start::State`].
    State {
        /// The state.
        state: Vec<f64>,
        /// The difficulty whose budget holds.
        difficulty: usize,
    },
}

impl OwnedStart {
    /// As a start.
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
