//! The contract between a problem and everything that plays it.

pub mod batch;
pub mod check;
pub mod no_backtracking;
pub(crate) mod state_key;
pub mod walk;

use crate::rng::Rng;
use crate::space::symmetry::Twist;
use crate::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What one step gave.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Step {
    /// Reward of the transition just made.
    pub reward: f32,
    /// The problem ended (solved, lost): nothing follows, so its value is 0.
    pub terminated: bool,
    /// A budget ran out: the episode is cut here, and the value of the state reached stands for what would follow.
    pub truncated: bool,
}

impl Step {
    /// Whether the episode is over.
    pub fn done(&self) -> bool {
        self.terminated || self.truncated
    }
}

/// A problem that can be played.
///
/// An environment is deterministic but for [`reset`](Self::reset), which is handed a generator: the same
/// start and the same actions give the same episode. It never panics, whatever action of its space
/// it is given, masked ones included. [`crate::env::check::check_env`] tests all of this.
pub trait Environment: Clone + Send + Sync + 'static {
    /// The name under which configs ask for it (`env_cls`); a leading Python module path is ignored.
    const NAME: &'static str;

    /// Its parameters, as they stand in the config under `env`.
    type Params: Serialize + DeserializeOwned + Clone + Send + Sync;

    /// Makes one.
    ///
    /// # Errors
    /// If a parameter is out of range; paths are relative to `env`.
    fn new(params: &Self::Params) -> Result<Self>;

    /// What it shows.
    fn observation_space(&self) -> ObservationSpace;

    /// What it takes.
    fn action_space(&self) -> ActionSpace;

    /// Begins an episode of the current difficulty.
    fn reset(&mut self, rng: &mut Rng);

    /// Makes one move.
    fn step(&mut self, action: Action<'_>) -> Step;

    /// Writes what is to be seen now.
    fn observe(&self, row: &mut ObservationRow<'_>);

    /// Clears the entries of moves that may not be made now; `mask` comes in all true and is as wide as
    /// [`ActionSpace::mask_width`]. At least one choice of each component stays.
    fn action_mask(&self, mask: &mut [bool]) {
        let _ = mask;
    }

    /// Whether the problem is solved in the current state.
    fn solved(&self) -> bool {
        false
    }

    /// Appends the current state as a flat list of numbers (integers up to 2^53 are exact).
    fn state(&self, out: &mut Vec<f64>);

    /// A number that stands for the current state wherever search must know one again: equal states have equal keys, and
    /// different ones should differ in 64 well-mixed bits. `scratch` is memory that the default, a hash of
    /// [`state`](Self::state), works in.
    fn state_key(&self, scratch: &mut Vec<f64>) -> u64 {
        scratch.clear();
        self.state(scratch);
        key_of_words(scratch.iter().map(|number| number.to_bits()))
    }

    /// An upper bound on the undiscounted return that the rest of the episode can still bring; `None` where none is
    /// known. Solvers stop what it proves to be in vain.
    fn best_return(&self) -> Option<f32> {
        None
    }

    /// Begins an episode at a given state, with the full budget.
    ///
    /// # Errors
    /// If the environment can never be in this state.
    fn set_state(&mut self, state: &[f64]) -> Result<()>;

    /// How hard the episodes are that [`reset`](Self::reset) begins.
    fn difficulty(&self) -> usize {
        1
    }

    /// Sets how hard they are.
    fn set_difficulty(&mut self, difficulty: usize) {
        let _ = difficulty;
    }

    /// Begins an episode at a state drawn uniformly from all states, with the budget of the current difficulty.
    /// Returns false, and does nothing, where the environment cannot.
    fn reset_uniform(&mut self, rng: &mut Rng) -> bool {
        let _ = rng;
        false
    }

    /// Cuts the budget of the episode just begun to that of the current difficulty, where it is larger.
    fn limit_budget(&mut self) {}

    /// The symmetries of the problem, without the identity.
    fn twists(&self) -> Vec<Twist> {
        Vec::new()
    }

    /// The image of the current state under twist `index`, by which claims about twists are tested.
    fn twisted_state(&self, index: usize) -> Option<Vec<f64>> {
        let _ = index;
        None
    }

    /// The action that undoes `action` wherever that changed something, if there always is the same one. Where each
    /// action has one, and difficulty 0 begins solved, walks away from the goal teach the way back
    /// ([`crate::env::walk`]).
    fn inverse(&self, action: usize) -> Option<usize> {
        let _ = action;
        None
    }

    /// The current state as text for people, several lines if need be.
    fn render(&self) -> String {
        let mut state = Vec::new();
        self.state(&mut state);
        format!("{state:?}")
    }

    /// What an action is called in printed solutions.
    fn action_name(&self, action: Action<'_>) -> String {
        match action {
            Action::Discrete(index) => index.to_string(),
            Action::Parts { discrete, continuous } => format!("{discrete:?} {continuous:?}"),
        }
    }
}

/// Where an episode begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start<'a> {
    /// By [`Environment::reset`] at this difficulty.
    Scramble {
        /// The difficulty.
        difficulty: usize,
    },
    /// By [`Environment::reset_uniform`] with the budget of this difficulty; by `reset` where it cannot.
    Uniform {
        /// The difficulty whose budget holds.
        difficulty: usize,
    },
    /// At a given state.
    State {
        /// The state.
        state: &'a [f64],
        /// The difficulty whose budget holds; `None`: the full budget.
        difficulty: Option<usize>,
    },
}

impl Start<'_> {
    /// Begins an episode of `env` here.
    ///
    /// # Errors
    /// If the state is refused.
    pub fn begin<E: Environment>(self, env: &mut E, rng: &mut Rng) -> Result<()> {
        match self {
            Self::Scramble { difficulty } => {
                env.set_difficulty(difficulty);
                env.reset(rng);
            }
            Self::Uniform { difficulty } => {
                env.set_difficulty(difficulty);
                if !env.reset_uniform(rng) {
                    env.reset(rng);
                }
            }
            Self::State { state, difficulty } => {
                env.set_state(state)?;
                if let Some(difficulty) = difficulty {
                    env.set_difficulty(difficulty);
                    env.limit_budget();
                }
            }
        }
        Ok(())
    }
}

/// A key of 64 well-mixed bits for a sequence of words, as [`Environment::state_key`] asks for: folded 128-bit products,
/// as wyhash has them.
#[inline]
pub fn key_of_words(words: impl Iterator<Item = u64>) -> u64 {
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let key = words.fold(0x9e37_79b9_7f4a_7c15, |key, word| {
        fold(key ^ word ^ 0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db)
    });
    fold(key ^ 0x8ebc_6af0_9c88_c6e3, 0x5899_65cc_7537_4cc3)
}

/// Reads a state's numbers as whole numbers below `limit`, without allocating.
///
/// Each item is an error, which says where, if its entry is not one.
pub fn whole_numbers(state: &[f64], limit: usize) -> impl Iterator<Item = Result<usize>> + '_ {
    state.iter().enumerate().map(move |(i, &v)| {
        if v.fract() == 0.0 && v >= 0.0 && v < limit as f64 {
            Ok(v as usize)
        } else {
            Err(Error::state(
                format!("whole numbers from 0 to {}", limit.saturating_sub(1)),
                format!("{v} at position {i}"),
            ))
        }
    })
}
