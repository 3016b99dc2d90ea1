//! The contract between an environment and everything that plays it.

pub mod batch;
pub mod check;
pub mod episode_limits;
pub mod no_backtracking;
pub(crate) mod state_key;
pub mod walk;
pub mod written;

use crate::rng::{Purpose, Rng, StreamKey};
use crate::space::symmetry::Twist;
use crate::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The result of one step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Step {
    /// Reward of the transition just made.
    pub reward: f32,
    /// The episode reached a final state, solved or lost. The value of that state is 0.
    pub terminated: bool,
    /// A budget is exhausted and cuts the episode. The value of the state reached stands for the missing rewards.
    pub truncated: bool,
}

impl Step {
    /// Returns true if the episode is over.
    pub fn done(&self) -> bool {
        self.terminated || self.truncated
    }
}

/// A problem that agents act in.
///
/// An environment is deterministic except for [`reset`](Self::reset) and [`reset_uniform`](Self::reset_uniform), which take
/// a generator: the same start and the same actions give the same episode. It does not panic for any action of its action
/// space, masked ones included. [`check_env`](crate::env::check::check_env) tests an environment against this contract.
pub trait Environment: Clone + Send + Sync + 'static {
    /// The name in configs (`env_cls`), without the module path that configs may write before it.
    const NAME: &'static str;

    /// The parameters, the `env` object of a config.
    type Params: Serialize + DeserializeOwned + Clone + Send + Sync;

    /// The parameters that [`Params`](Self::Params) does not serialize where they have their defaults, so that files stay as
    /// they were before there were such parameters: name and default, as lists of parameters show them.
    const UNWRITTEN_DEFAULTS: &'static [(&'static str, &'static str)] = &[];

    /// Builds an environment.
    ///
    /// # Errors
    /// If a parameter is out of range; paths are relative to `env`.
    fn new(params: &Self::Params) -> Result<Self>;

    /// The observation space.
    fn observation_space(&self) -> ObservationSpace;

    /// The action space.
    fn action_space(&self) -> ActionSpace;

    /// Begins an episode of the current difficulty.
    fn reset(&mut self, rng: &mut Rng);

    /// Takes one action, which is an element of the action space.
    fn step(&mut self, action: Action<'_>) -> Step;

    /// Writes the observation of the current state.
    fn observe(&self, row: &mut ObservationRow<'_>);

    /// Clears the entries of choices that are not allowed in the current state. `mask`, `[ActionSpace::mask_width]`, comes in
    /// all true. At least one choice of each discrete component stays allowed.
    fn action_mask(&self, mask: &mut [bool]) {
        let _ = mask;
    }

    /// Returns true if the current state is solved.
    fn solved(&self) -> bool {
        false
    }

    /// Returns true if [`solved`](Self::solved) tells success from failure, so that figures show the share of episodes that is
    /// solved. Without it they show returns until an episode is solved. An environment whose difficulty can be set need not
    /// say so.
    fn measures_success(&self) -> bool {
        false
    }

    /// Appends the current state to `out` as a flat list of numbers (integers up to 2^53 are exact).
    fn state(&self, out: &mut Vec<f64>);

    /// Returns a key of the current state, by which searches recognise states: equal states have equal keys, and the keys of
    /// different states should be 64 well-mixed bits. `scratch` is working memory of the default, a hash of
    /// [`state`](Self::state).
    fn state_key(&self, scratch: &mut Vec<f64>) -> u64 {
        scratch.clear();
        self.state(scratch);
        key_of_words(scratch.iter().map(|number| number.to_bits()))
    }

    /// Returns a key of the class of equivalent states that the current one is in; by default it is alone. Equivalent states
    /// have the same best return, and the states that actions make of one are equivalent to those that they make of another, at
    /// the same rewards, though not by the same actions. Beams keep one state of each class.
    fn class_key(&self, scratch: &mut Vec<f64>) -> u64 {
        self.state_key(scratch)
    }

    /// Returns an upper bound on the undiscounted return of the rest of the episode, `None` if none is known. Solvers prune
    /// branches that cannot beat the best solution.
    fn best_return(&self) -> Option<f32> {
        None
    }

    /// Begins an episode at a given state, with the full budget.
    ///
    /// # Errors
    /// If the environment can never be in this state.
    fn set_state(&mut self, state: &[f64]) -> Result<()>;

    /// The difficulty of the episodes that [`reset`](Self::reset) begins.
    fn difficulty(&self) -> usize {
        1
    }

    /// Sets the difficulty.
    fn set_difficulty(&mut self, difficulty: usize) {
        let _ = difficulty;
    }

    /// Begins an episode at a state drawn uniformly from all states, with the budget of the current difficulty. Returns false
    /// and changes nothing if the environment does not support it.
    fn reset_uniform(&mut self, rng: &mut Rng) -> bool {
        let _ = rng;
        false
    }

    /// Lowers the budget of the episode just begun to that of the current difficulty.
    fn limit_budget(&mut self) {}

    /// The symmetries of the problem, without the identity.
    fn twists(&self) -> Vec<Twist> {
        Vec::new()
    }

    /// Returns the image of the current state under twist `index`, for tests of the twists.
    fn twisted_state(&self, index: usize) -> Option<Vec<f64>> {
        let _ = index;
        None
    }

    /// Returns the action that undoes `action` in every state in which `action` changes something, `None` if there is no
    /// such action. If each action has an inverse, an episode of difficulty 0 must begin solved; random walks away from
    /// solved states can then teach the way back ([`crate::env::walk`]).
    fn inverse(&self, action: usize) -> Option<usize> {
        let _ = action;
        None
    }

    /// Moves to a state from which an action leads to the current one, drawn at random, and returns this action; `None` if
    /// none was found, after which the environment stays where it was. Random walks away from solved states take such steps
    /// back where no action undoes another one, and ask for them from states of difficulty 0, which must be solved then. The
    /// default has none, so that walks need the [`inverse`](Self::inverse) of each action.
    fn step_back(&mut self, rng: &mut Rng) -> Option<usize> {
        let _ = rng;
        None
    }

    /// Returns the state of the inverse problem, `None` if there is none: a problem whose solutions are solutions of the current
    /// state from the other end ([`invert_solution`](Self::invert_solution)), with the same number of actions and the same
    /// return. In a group whose identity is the solved state, it is the inverse element.
    fn inverse_state(&self) -> Option<Vec<f64>> {
        None
    }

    /// Returns the actions that solve the current state, given those that solve its
    /// [`inverse_state`](Self::inverse_state). By default, they are the inverses of the actions in reverse order; `None` if an
    /// action has none.
    fn invert_solution(&self, actions: &[u32]) -> Option<Vec<u32>> {
        let inverse = |&action: &u32| self.inverse(action as usize).map(|inverse| inverse as u32);
        actions.iter().rev().map(inverse).collect()
    }

    /// Returns the current state as text for people, in one or more lines.
    fn render(&self) -> String {
        let mut state = Vec::new();
        self.state(&mut state);
        format!("{state:?}")
    }

    /// Returns the name of an action in printed solutions.
    fn action_name(&self, action: Action<'_>) -> String {
        match action {
            Action::Discrete(index) => index.to_string(),
            Action::Parts { discrete, continuous } => format!("{discrete:?} {continuous:?}"),
        }
    }
}

/// The ways in which the episodes of an environment may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StartKinds {
    /// The difficulty can be set, so that a curriculum can raise it.
    pub curriculum: bool,
    /// From states drawn uniformly from all states ([`Environment::reset_uniform`]).
    pub uniform: bool,
}

impl StartKinds {
    /// Returns those of an environment written in Rust.
    pub fn of<E: Environment>(prototype: &E) -> Self {
        let mut tried = prototype.clone();
        let difficulty = prototype.difficulty();
        // The greatest difficulty may be set already.
        let curriculum =
            [difficulty.saturating_add(1), difficulty.saturating_sub(1)].into_iter().any(|other| {
                tried.set_difficulty(other);
                tried.difficulty() != difficulty
            });
        let uniform = tried.reset_uniform(&mut StreamKey::new(0, Purpose::Start).stream());
        Self { curriculum, uniform }
    }
}

/// The start of an episode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start<'a> {
    /// [`Environment::reset`] at this difficulty.
    Scramble {
        /// The difficulty.
        difficulty: usize,
    },
    /// [`Environment::reset_uniform`] with the budget of this difficulty, or `reset` if that is not supported.
    Uniform {
        /// The difficulty whose budget applies.
        difficulty: usize,
    },
    /// A given state.
    State {
        /// The state.
        state: &'a [f64],
        /// The difficulty whose budget applies; `None` for the full budget.
        difficulty: Option<usize>,
    },
}

impl Start<'_> {
    /// Begins an episode of `env` at this start.
    ///
    /// # Errors
    /// If the environment refuses the state.
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

/// Returns a key of 64 well-mixed bits for a sequence of words ([`Environment::state_key`]): folded 128-bit products, as in
/// wyhash.
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

/// Reads the numbers of a state as whole numbers below `limit`, without allocating. An item is an error with the position
/// if its number is not a whole number below `limit`.
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
