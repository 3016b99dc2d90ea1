//! Batches of environments that step in lock step.

use crate::env::{Environment, Start, Step, key_of_words};
use crate::rng::Rng;
use crate::space::{Action, Actions, Observations};
use crate::{Error, Result};
use std::slice::GetDisjointMutError;

/// The number of slots that step together. It is fixed, so that results do not depend on the number of threads.
pub const GROUP_SLOTS: usize = 64;

/// A batch of environments of one kind, addressed by slot. Loops inside are compiled for the concrete environment, and
/// dispatch is dynamic once a batch.
///
/// Slots are below [`len`](Self::len): methods may panic at others.
pub trait VecEnv: Send + Sync {
    /// The name of the environment, for messages.
    fn name(&self) -> &str;

    /// The number of slots.
    fn len(&self) -> usize;

    /// Returns true if there are no slots.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins an episode in `slot`.
    ///
    /// # Errors
    /// If the environment refuses the start, or fails.
    fn begin(&mut self, slot: usize, start: Start<'_>, rng: &mut Rng) -> Result<()>;

    /// Appends the observation of each of `slots` to `observations`, and its action mask to `masks`, `[slots, mask width]`.
    ///
    /// # Errors
    /// If the environment fails.
    fn observe(
        &mut self,
        slots: &[usize],
        observations: &mut Observations,
        masks: &mut Vec<bool>,
    ) -> Result<()>;

    /// Appends the action mask of each of `slots` to `masks`, `[slots, mask width]`.
    ///
    /// # Errors
    /// If the environment fails.
    fn masks(&mut self, slots: &[usize], masks: &mut Vec<bool>) -> Result<()> {
        self.observe(slots, &mut Observations::new(), masks)
    }

    /// Takes the action of row `i` of `actions` in `slots[i]` and appends its result to `steps`, one a slot.
    ///
    /// # Errors
    /// If the environment fails.
    fn step(&mut self, slots: &[usize], actions: &Actions, steps: &mut Vec<Step>) -> Result<()>;

    /// Returns true if the state of `slot` is solved.
    fn solved(&self, slot: usize) -> bool;

    /// Appends the state of `slot` to `out`.
    ///
    /// # Errors
    /// If the environment fails.
    fn state(&self, slot: usize, out: &mut Vec<f64>) -> Result<()>;

    /// Copies slot `from` to slot `to`, its budget included, for each pair `(from, to)` in order. Required by search.
    ///
    /// # Errors
    /// If the environment cannot be copied, which is the default.
    fn copy(&mut self, pairs: &[(usize, usize)]) -> Result<()> {
        let _ = pairs;
        Err(Error::config(
            "env_cls",
            "an environment that can be copied, for search",
            "one that cannot",
        ))
    }

    /// Returns a batch of copies of all slots, their budgets included.
    ///
    /// # Errors
    /// If the environment cannot be copied, which is the default.
    fn duplicate(&self) -> Result<Box<dyn VecEnv>> {
        Err(Error::config("env_cls", "an environment that can be copied", "one that cannot"))
    }

    /// Appends the key of the state of each of `slots` to `out`, see [`Environment::state_key`].
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

    /// Appends the key of the class of equivalent states that each of `slots` is in to `out`, see [`Environment::class_key`].
    ///
    /// # Errors
    /// If the environment fails.
    fn class_keys(&self, slots: &[usize], out: &mut Vec<u64>) -> Result<()> {
        self.keys(slots, out)
    }

    /// Returns an upper bound on the return of the rest of the episode in `slot`, see [`Environment::best_return`].
    fn best_return(&self, slot: usize) -> Option<f32> {
        let _ = slot;
        None
    }

    /// Returns the difficulty that a scramble in `slot` would have now, see [`Environment::difficulty`]; `None` if it is not
    /// known.
    fn difficulty(&self, slot: usize) -> Option<usize> {
        let _ = slot;
        None
    }

    /// Returns the image of the state of `slot` under twist `index`, for tests of the twists; `None` if there is none, which
    /// breaks the contract of an environment with twists. See [`Environment::twisted_state`].
    ///
    /// # Errors
    /// [`Error::Config`] if environments of this kind cannot tell; or if the environment fails.
    fn twisted_state(&self, slot: usize, index: usize) -> Result<Option<Vec<f64>>> {
        let _ = (slot, index);
        Ok(None)
    }

    /// Moves `slot` to a state from which the returned action leads back, see [`Environment::step_back`]; `None` without one.
    ///
    /// # Errors
    /// If the environment fails.
    fn step_back(&mut self, slot: usize, rng: &mut Rng) -> Result<Option<u32>> {
        let _ = (slot, rng);
        Ok(None)
    }

    /// Returns the state of the inverse problem of `slot`, see [`Environment::inverse_state`]; `None` if there is none, or if
    /// environments of this kind cannot tell.
    ///
    /// # Errors
    /// If the environment fails.
    fn inverse_state(&self, slot: usize) -> Result<Option<Vec<f64>>> {
        let _ = slot;
        Ok(None)
    }

    /// Returns the actions that solve the state of `slot`, given those that solve its inverse problem, see
    /// [`Environment::invert_solution`].
    ///
    /// # Errors
    /// If the environment fails.
    fn invert_solution(&self, slot: usize, actions: &[u32]) -> Result<Option<Vec<u32>>> {
        let _ = (slot, actions);
        Ok(None)
    }

    /// Returns the solution that the environment reports for the episode in `slot` in place of the actions taken, in numbers of
    /// its own; `None` if it reports none.
    ///
    /// # Errors
    /// If the environment fails.
    fn reported_solution(&self, slot: usize) -> Result<Option<Vec<u64>>> {
        let _ = slot;
        Ok(None)
    }

    /// Returns the state of `slot` as text for people.
    ///
    /// # Errors
    /// If the environment fails.
    fn render(&self, slot: usize) -> Result<String>;

    /// Frees what the environments hold outside of this program's memory, such as files. They are not used afterwards.
    ///
    /// # Errors
    /// If the environment fails.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }

    /// Returns the name of an action.
    fn action_name(&self, action: Action<'_>) -> String;
}

/// A batch of an environment written in Rust.
#[derive(Debug, Clone)]
pub struct EnvBatch<E> {
    prototype: E,
    envs: Vec<E>,
    mask_width: usize,
    /// The number of choices of each discrete component.
    choices: Vec<u32>,
}

impl<E: Environment> EnvBatch<E> {
    /// Returns a batch of `len` copies of `prototype`.
    pub fn new(prototype: &E, len: usize) -> Self {
        let space = prototype.action_space();
        Self {
            prototype: prototype.clone(),
            envs: vec![prototype.clone(); len],
            mask_width: space.mask_width(),
            choices: space.choices().map(|n| n as u32).collect(),
        }
    }

    /// Checks that every choice of `actions` is one of its component: environments index by it.
    #[inline]
    fn check_choices(&self, actions: &Actions) -> Result<()> {
        let refused = match &self.choices[..] {
            [] => None,
            // The usual case, without a division.
            [n] => actions.discrete.iter().find(|&choice| choice >= n).map(|choice| (choice, n)),
            choices => {
                let mut rows = actions.discrete.chunks_exact(choices.len());
                rows.find_map(|row| row.iter().zip(choices).find(|(choice, n)| choice >= n))
            }
        };
        match refused {
            None => Ok(()),
            Some((choice, n)) => Err(Error::action(format!("a choice below {n}"), choice)),
        }
    }
}

impl<E: Environment> VecEnv for EnvBatch<E> {
    fn name(&self) -> &str {
        E::NAME
    }

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

    #[inline]
    fn masks(&mut self, slots: &[usize], masks: &mut Vec<bool>) -> Result<()> {
        for &slot in slots {
            let start = masks.len();
            masks.resize(start + self.mask_width, true);
            self.envs[slot].action_mask(&mut masks[start..]);
        }
        Ok(())
    }

    #[inline]
    fn step(&mut self, slots: &[usize], actions: &Actions, steps: &mut Vec<Step>) -> Result<()> {
        self.check_choices(actions)?;
        for (i, &slot) in slots.iter().enumerate() {
            steps.push(self.envs[slot].step(actions.row(i)));
        }
        Ok(())
    }

    #[inline]
    fn solved(&self, slot: usize) -> bool {
        self.envs[slot].solved()
    }

    #[inline]
    fn state(&self, slot: usize, out: &mut Vec<f64>) -> Result<()> {
        self.envs[slot].state(out);
        Ok(())
    }

    #[inline]
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

    fn duplicate(&self) -> Result<Box<dyn VecEnv>> {
        Ok(Box::new(self.clone()))
    }

    #[inline]
    fn keys(&self, slots: &[usize], out: &mut Vec<u64>) -> Result<()> {
        let mut scratch = Vec::new();
        out.extend(slots.iter().map(|&slot| self.envs[slot].state_key(&mut scratch)));
        Ok(())
    }

    #[inline]
    fn class_keys(&self, slots: &[usize], out: &mut Vec<u64>) -> Result<()> {
        let mut scratch = Vec::new();
        out.extend(slots.iter().map(|&slot| self.envs[slot].class_key(&mut scratch)));
        Ok(())
    }

    fn best_return(&self, slot: usize) -> Option<f32> {
        self.envs[slot].best_return()
    }

    fn difficulty(&self, slot: usize) -> Option<usize> {
        Some(self.envs[slot].difficulty())
    }

    fn twisted_state(&self, slot: usize, index: usize) -> Result<Option<Vec<f64>>> {
        Ok(self.envs[slot].twisted_state(index))
    }

    fn step_back(&mut self, slot: usize, rng: &mut Rng) -> Result<Option<u32>> {
        Ok(self.envs[slot].step_back(rng).map(|action| action as u32))
    }

    fn inverse_state(&self, slot: usize) -> Result<Option<Vec<f64>>> {
        Ok(self.envs[slot].inverse_state())
    }

    fn invert_solution(&self, slot: usize, actions: &[u32]) -> Result<Option<Vec<u32>>> {
        Ok(self.envs[slot].invert_solution(actions))
    }

    fn render(&self, slot: usize) -> Result<String> {
        Ok(self.envs[slot].render())
    }

    fn action_name(&self, action: Action<'_>) -> String {
        self.prototype.action_name(action)
    }
}

/// A batch of an environment of any kind.
impl VecEnv for Box<dyn VecEnv> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn len(&self) -> usize {
        (**self).len()
    }

    fn begin(&mut self, slot: usize, start: Start<'_>, rng: &mut Rng) -> Result<()> {
        (**self).begin(slot, start, rng)
    }

    fn observe(
        &mut self,
        slots: &[usize],
        observations: &mut Observations,
        masks: &mut Vec<bool>,
    ) -> Result<()> {
        (**self).observe(slots, observations, masks)
    }

    fn masks(&mut self, slots: &[usize], masks: &mut Vec<bool>) -> Result<()> {
        (**self).masks(slots, masks)
    }

    fn step(&mut self, slots: &[usize], actions: &Actions, steps: &mut Vec<Step>) -> Result<()> {
        (**self).step(slots, actions, steps)
    }

    fn solved(&self, slot: usize) -> bool {
        (**self).solved(slot)
    }

    fn state(&self, slot: usize, out: &mut Vec<f64>) -> Result<()> {
        (**self).state(slot, out)
    }

    fn copy(&mut self, pairs: &[(usize, usize)]) -> Result<()> {
        (**self).copy(pairs)
    }

    fn duplicate(&self) -> Result<Box<dyn VecEnv>> {
        (**self).duplicate()
    }

    fn keys(&self, slots: &[usize], out: &mut Vec<u64>) -> Result<()> {
        (**self).keys(slots, out)
    }

    fn class_keys(&self, slots: &[usize], out: &mut Vec<u64>) -> Result<()> {
        (**self).class_keys(slots, out)
    }

    fn best_return(&self, slot: usize) -> Option<f32> {
        (**self).best_return(slot)
    }

    fn difficulty(&self, slot: usize) -> Option<usize> {
        (**self).difficulty(slot)
    }

    fn twisted_state(&self, slot: usize, index: usize) -> Result<Option<Vec<f64>>> {
        (**self).twisted_state(slot, index)
    }

    fn step_back(&mut self, slot: usize, rng: &mut Rng) -> Result<Option<u32>> {
        (**self).step_back(slot, rng)
    }

    fn inverse_state(&self, slot: usize) -> Result<Option<Vec<f64>>> {
        (**self).inverse_state(slot)
    }

    fn invert_solution(&self, slot: usize, actions: &[u32]) -> Result<Option<Vec<u32>>> {
        (**self).invert_solution(slot, actions)
    }

    fn reported_solution(&self, slot: usize) -> Result<Option<Vec<u64>>> {
        (**self).reported_solution(slot)
    }

    fn render(&self, slot: usize) -> Result<String> {
        (**self).render(slot)
    }

    fn close(&mut self) -> Result<()> {
        (**self).close()
    }

    fn action_name(&self, action: Action<'_>) -> String {
        (**self).action_name(action)
    }
}
