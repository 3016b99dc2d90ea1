//! The states that are one action away.

use crate::Result;
use crate::env::batch::VecEnv;
use crate::env::walk::slots::Slots;

/// The actions in a state and the states that they lead to.
#[derive(Debug, Default)]
pub(super) struct Branches {
    mask: Vec<bool>,
    /// The actions, `[branches]`.
    pub(super) actions: Vec<u32>,
    /// The slots of the states, `[branches]`.
    pub(super) slots: Vec<usize>,
    /// The keys of the states, `[branches]`.
    pub(super) keys: Vec<u64>,
}

impl Branches {
    /// Takes each allowed action in the state of `slot`, except for `back`, in a slot of its own.
    ///
    /// # Errors
    /// If the environment cannot be copied, or fails.
    pub(super) fn make<V: VecEnv>(
        &mut self,
        slots: &mut Slots<V>,
        slot: usize,
        back: Option<u32>,
    ) -> Result<()> {
        self.mask.clear();
        slots.batch.masks(&[slot], &mut self.mask)?;
        let allowed =
            (0u32..).zip(&self.mask).filter(|&(action, &allowed)| allowed && Some(action) != back);
        self.actions.clear();
        self.actions.extend(allowed.map(|(action, _)| action));
        slots.branch(slot, &self.actions, &mut self.slots, &mut self.keys)
    }
}
