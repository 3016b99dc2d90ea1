//! Many environments stepped in lock step behind one dynamic call a batch.

use crate::env::{Environment, Start, Step, key_of_words};
use crate::rng::Rng;
use crate::space::{Action, Actions, Observations};
use crate::{Error, Result};
use std::slice::GetDisjointMutError;

/// The number of slots that step together. Fixed, so that results do not depend on the number of threads.
pub const GROUP_SLOTS: usize = 64;

/// The longest episode that is played where nothing else sets a bound.
pub const MAX_EPISODE_STEPS: usize = 100_000;

/// A batch of environments of one kind, addressed by slot. Loops inside are compiled for the concrete environment, and
/// dispatch is dynamic once a batch.
///
/// Slots are below [`len`](Self::len): methods may panic at others.
pub trait VecEnv: Send + Sync {
    /// The number of slots.
    fn len(&self) -> usize;

    /// Whether there are no slots.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins an episode in `slot`.
    ///
    /// # Errors
    /// If the start is refused, or the environment fails.
    fn begin(&mut self, slot: usize, start: Start<'_>, rng: &mut Rng) -> Result<()>;

    /// Appends the observation and the action mask of each of `slots`.
    ///
    /// # Errors
    /// If the environment fails.
    fn observe(
        &mut self,
        slots: &[usize],
        observations: &mut Observations,
        masks: &mut Vec<bool>,
    ) -> Result<()>;

    /// Makes the move of row `i` of `actions` in `slots[i]` and appends what it gave to `steps`.
    ///
    /// # Errors
    /// If the environment fails.
    fn step(&mut self, slots: &[usize], actions: &Actions, steps: &mut Vec<Step>) -> Result<()>;

    /// Whether the problem in `slot` is solved.
    fn solved(&self, slot: usize) -> bool;

    /// Appends the state of `slot`.
    ///
    /// # Errors
    /// If the environment fails.
    fn state(&self, slot: usize, out: &mut Vec<f64>) -> Result<()>;

    /// Makes slot `to` what slot `from` is, its budget included, for each pair `(from, to)` in order. Search needs it.
    ///
    /// # Errors
    /// If the environment cannot, which is the default.
    fn copy(&mut self, pairs: &[(usize, usize)]) -> Result<()> {
        let _ = pairs;
        Err(Error::config(
            "env_cls",
            "an environment that can be copied, for search",
            "one that cannot",
        ))
    }

    /// Appends a key of the state of each of `slots`, see [`Environment::state_key`].
    ///
    /// # Errors
    /// If the environment fails.
    fn keys(&self, slots: &[usize], out: &mut Vec<u64>) -> Result<()> {
        let mut state = Vec::new();
        for &slot in slots {
            state.clear();
            self.state(slot, &mut state)?;
            out.push(key_of_words(state.iter().map(|number| number.to_bits())));
        }
        Ok(())
    }

    /// An upper bound on the return that the rest of the episode in `slot` can bring, where one is known.
    fn best_return(&self, slot: usize) -> Option<f32> {
        let _ = slot;
        None
    }

    /// The state of `slot` as text for people.
    ///
    /// # Errors
    /// If the environment fails.
    fn render(&self, slot: usize) -> Result<String>;

    /// What an action is called.
    fn action_name(&self, action: Action<'_>) -> String;
}

/// The batch of a native environment.
#[derive(Debug, Clone)]
pub struct EnvBatch<E> {
    prototype: E,
    envs: Vec<E>,
    mask_width: usize,
}

impl<E: Environment> EnvBatch<E> {
    /// `len` copies of `prototype`.
    pub fn new(prototype: &E, len: usize) -> Self {
        Self {
            prototype: prototype.clone(),
            envs: vec![prototype.clone(); len],
            mask_width: prototype.action_space().mask_width(),
        }
    }
}

impl<E: Environment> VecEnv for EnvBatch<E> {
    fn len(&self) -> usize {
        self.envs.len()
    }

    fn begin(&mut self, slot: usize, start: Start<'_>, rng: &mut Rng) -> Result<()> {
        start.begin(&mut self.envs[slot], rng)
    }

    fn observe(
        &mut self,
        slots: &[usize],
        observations: &mut Observations,
        masks: &mut Vec<bool>,
    ) -> Result<()> {
        for &slot in slots {
            let env = &self.envs[slot];
            observations.push_with(|row| env.observe(row));
            let start = masks.len();
            masks.resize(start + self.mask_width, true);
            env.action_mask(&mut masks[start..]);
        }
        Ok(())
    }

    fn step(&mut self, slots: &[usize], actions: &Actions, steps: &mut Vec<Step>) -> Result<()> {
        for (i, &slot) in slots.iter().enumerate() {
            steps.push(self.envs[slot].step(actions.row(i)));
        }
        Ok(())
    }

    fn solved(&self, slot: usize) -> bool {
        self.envs[slot].solved()
    }

    fn state(&self, slot: usize, out: &mut Vec<f64>) -> Result<()> {
        self.envs[slot].state(out);
        Ok(())
    }

    fn copy(&mut self, pairs: &[(usize, usize)]) -> Result<()> {
        for &(from, to) in pairs {
            match self.envs.get_disjoint_mut([from, to]) {
                Ok([from, to]) => to.clone_from(from),
                Err(GetDisjointMutError::OverlappingIndices) => {}
                Err(GetDisjointMutError::IndexOutOfBounds) => {
                    return Err(Error::internal(format!("no slot {from} or no slot {to}")));
                }
            }
        }
        Ok(())
    }

    fn keys(&self, slots: &[usize], out: &mut Vec<u64>) -> Result<()> {
        let mut scratch = Vec::new();
        out.extend(slots.iter().map(|&slot| self.envs[slot].state_key(&mut scratch)));
        Ok(())
    }

    fn best_return(&self, slot: usize) -> Option<f32> {
        self.envs[slot].best_return()
    }

    fn render(&self, slot: usize) -> Result<String> {
        Ok(self.envs[slot].render())
    }

    fn action_name(&self, action: Action<'_>) -> String {
        self.prototype.action_name(action)
    }
}
