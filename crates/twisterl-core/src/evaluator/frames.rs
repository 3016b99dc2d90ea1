//! A batch of observations in canonical form, and the way back.

use crate::space::Observations;
use crate::space::symmetry::{Canonical, Twist};

/// The twist that maps each row of a batch to its canonical form. Memory is reused from call to call.
#[derive(Debug, Clone, Default)]
pub(super) struct Frames {
    canonical: Canonical,
    /// The index of the twist of each row, `None` for the identity, `[rows]`.
    twists: Vec<Option<usize>>,
    mask: Vec<bool>,
}

impl Frames {
    /// Replaces each row and its mask by their canonical images. `masks` is `[rows, actions]`.
    pub(super) fn apply(
        &mut self,
        twists: &[Twist],
        observations: &mut Observations,
        masks: &mut [bool],
    ) {
        self.twists.clear();
        let Some(width) = twists.first().map(|twist| twist.action.len()) else { return };
        for row in 0..observations.len() {
            let mask = &mut masks[row * width..(row + 1) * width];
            self.twists.push(self.canonical.replace(twists, observations.ones_mut(row), mask));
        }
    }

    /// Replaces the mask of a row by its preimage under `twist`.
    pub(super) fn mask_back(&mut self, twist: &Twist, mask: &mut [bool]) {
        self.mask.clear();
        self.mask.extend_from_slice(mask);
        for (allowed, &to) in mask.iter_mut().zip(&twist.action) {
            *allowed = self.mask[to as usize]; // a permutation of the actions
        }
    }

    /// Returns the twist that maps row `row` to its canonical form, `None` for the identity.
    pub(super) fn of<'t>(&self, twists: &'t [Twist], row: usize) -> Option<&'t Twist> {
        if twists.is_empty() {
            return None;
        }
        self.twists[row].map(|index| &twists[index])
    }

    /// Returns the action in the state of row `row` that becomes `action` in its canonical form.
    pub(super) fn original(&self, twists: &[Twist], row: usize, action: u32) -> u32 {
        match self.of(twists, row) {
            None => action,
            // A permutation has each action once.
            Some(twist) => twist.action.iter().take_while(|&&to| to != action).count() as u32,
        }
    }
}
