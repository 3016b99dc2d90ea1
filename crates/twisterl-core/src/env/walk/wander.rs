//! Random steps away from a solved state.

use super::Walker;
use crate::env::Start;
use crate::env::batch::VecEnv;
use crate::rng::Rng;
use crate::{Error, Result};
use rand::RngExt;

/// The most steps back that are drawn in a state, of which the walk takes the first that leads to a new state.
const DRAWS: usize = 8;

impl<V: VecEnv> Walker<V> {
    /// Begins a path at a solved state, and returns its slot.
    fn begin_solved(&mut self, rng: &mut Rng) -> Result<usize> {
        self.begin();
        let at = self.slots.take()?;
        let batch = &mut self.slots.batch;
        batch.begin(at, Start::Scramble { difficulty: 0 }, rng)?;
        self.path.states.push(at);
        if !batch.solved(at) {
            let rule = "an environment with backward walks is solved at difficulty 0";
            return Err(Error::contract(batch.name(), rule, "a state that is not solved"));
        }
        Ok(at)
    }

    /// Fills the path with a random walk, which undoes its last action only where no other action is allowed.
    pub(super) fn wander(&mut self, length: usize, rng: &mut Rng) -> Result<()> {
        let mut at = self.begin_solved(rng)?;
        let mut back = None;
        for _ in 0..length {
            self.mask.clear();
            self.slots.batch.masks(&[at], &mut self.mask)?;
            let choices = (0u32..).zip(&self.mask).filter(|&(_, &allowed)| allowed);
            self.allowed.clear();
            self.allowed.extend(choices.map(|(action, _)| action));
            if self.allowed.len() > 1 {
                self.allowed.retain(|&action| Some(action) != back);
            }
            if self.allowed.is_empty() {
                break; // a dead end
            }
            let action = self.allowed[rng.random_range(0..self.allowed.len())];
            at = self.advance(at, action)?;
            back = Some(self.inverses[action as usize]);
            self.path.actions.push(action);
        }
        Ok(())
    }

    /// Fills the path with drawn steps back, none of which leads to a state that the walk has been in.
    pub(super) fn step_back(&mut self, length: usize, rng: &mut Rng) -> Result<()> {
        let mut at = self.begin_solved(rng)?;
        self.seen.clear();
        self.is_new(at)?;
        for _ in 0..length {
            let Some((next, action)) = self.drawn(at, rng)? else { break };
            self.path.states.push(next);
            self.path.actions.push(action);
            at = next;
        }
        Ok(())
    }

    /// Returns the slot of a new state that an action leads to slot `at` from, with this action; `None` if none is found.
    fn drawn(&mut self, at: usize, rng: &mut Rng) -> Result<Option<(usize, u32)>> {
        for _ in 0..DRAWS {
            let next = self.slots.copy_of(at)?;
            let action = self.slots.batch.step_back(next, rng)?;
            match action {
                Some(action) if self.is_new(next)? => return Ok(Some((next, action))),
                _ => self.slots.give_back([next]),
            }
        }
        Ok(None)
    }

    /// Returns true unless the walk has been in the state of a slot.
    fn is_new(&mut self, slot: usize) -> Result<bool> {
        let mut keys = Vec::with_capacity(1);
        self.slots.batch.keys(&[slot], &mut keys)?;
        Ok(keys.into_iter().all(|key| self.seen.insert(key)))
    }
}
