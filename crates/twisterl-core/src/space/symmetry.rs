//! Symmetries of a problem ("twists"): permutations of observations and actions under which it is unchanged.

use crate::space::Observations;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// What a policy does with the symmetries of its problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Symmetry {
    /// Nothing.
    #[default]
    None,
    /// It sees of each state only that image (under the twists and the identity) whose ones come first in
    /// lexicographic order, and its action is taken back. It is then symmetric by construction, and the network has
    /// only one of each set of images to learn. For sparse observations and one discrete action.
    Canonical,
}

/// One symmetry. If `s` is a state and `s'` its image, then bit `i` of the observation of `s` is bit
/// `observation[i]` of that of `s'`, and action `a` in `s` does what action `action[a]` does in `s'`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Twist {
    /// Where each bit (or value) of the observation goes.
    pub observation: Vec<u32>,
    /// Where each action goes.
    pub action: Vec<u32>,
}

impl Twist {
    /// Whether both parts are permutations of the given sizes.
    ///
    /// # Errors
    /// Says which part is not.
    pub fn check(&self, bits: usize, actions: usize) -> Result<()> {
        for (name, map, size) in
            [("observation", &self.observation, bits), ("action", &self.action, actions)]
        {
            let mut seen = vec![false; size];
            let fits = map.len() == size
                && map.iter().all(|&i| {
                    seen.get_mut(i as usize).is_some_and(|s| !std::mem::replace(s, true))
                });
            if !fits {
                return Err(Error::config(
                    format!("twist.{name}"),
                    format!("a permutation of 0 to {}", size.saturating_sub(1)),
                    format!("{} entries that are none", map.len()),
                ));
            }
        }
        Ok(())
    }
}

/// Brings sparse observations into canonical form, see [`Symmetry::Canonical`]. Memory is reused between calls.
#[derive(Debug, Clone, Default)]
pub struct Canonical {
    image: Vec<u32>,
    first: Vec<u32>,
    mask: Vec<bool>,
    /// For each row the twist that led to its canonical form; `None`: it was there already.
    frames: Vec<Option<usize>>,
}

impl Canonical {
    /// Replaces each row and its mask by their canonical images.
    pub(crate) fn apply(
        &mut self,
        twists: &[Twist],
        observations: &mut Observations,
        masks: &mut [bool],
    ) {
        self.frames.clear();
        let Some(width) = twists.first().map(|t| t.action.len()) else { return };
        for (row, mask) in (0..observations.len()).zip(masks.chunks_mut(width.max(1))) {
            let frame = self.canonical(twists, observations.ones_mut(row), mask);
            self.frames.push(frame);
        }
    }

    /// Replaces row `row` of `observations` and its mask by their canonical images. Returns the twist that led there;
    /// `None`: they are as they were.
    pub fn apply_row<'t>(
        &mut self,
        twists: &'t [Twist],
        observations: &mut Observations,
        row: usize,
        mask: &mut [bool],
    ) -> Option<&'t Twist> {
        if twists.is_empty() {
            return None;
        }
        self.canonical(twists, observations.ones_mut(row), mask).and_then(|index| twists.get(index))
    }

    /// Replaces one row and its mask by their canonical images. Returns the twist that led there.
    fn canonical(
        &mut self,
        twists: &[Twist],
        ones: &mut [u32],
        mask: &mut [bool],
    ) -> Option<usize> {
        self.first.clear();
        self.first.extend_from_slice(ones);
        self.first.sort_unstable();
        let mut frame = None;
        for (index, twist) in twists.iter().enumerate() {
            self.image.clear();
            let image = |&one: &u32| twist.observation.get(one as usize).copied();
            self.image.extend(ones.iter().filter_map(image));
            if self.image.len() < ones.len() {
                continue; // an index out of range: the evaluator will name it
            }
            self.image.sort_unstable();
            if self.image < self.first {
                std::mem::swap(&mut self.image, &mut self.first);
                frame = Some(index);
            }
        }
        let twist = frame.and_then(|index| twists.get(index))?;
        ones.copy_from_slice(&self.first);
        self.mask.clear();
        self.mask.extend_from_slice(mask);
        for (&allowed, &to) in self.mask.iter().zip(&twist.action) {
            if let Some(place) = mask.get_mut(to as usize) {
                *place = allowed;
            }
        }
        frame
    }

    /// Undoes what `twist` did to the mask of a row.
    pub(crate) fn mask_back(&mut self, twist: &Twist, mask: &mut [bool]) {
        self.mask.clear();
        self.mask.extend_from_slice(mask);
        for (allowed, &to) in mask.iter_mut().zip(&twist.action) {
            *allowed = self.mask[to as usize]; // a permutation of the actions
        }
    }

    /// The twist that led row `row` to its canonical form; `None`: it was there already.
    pub(crate) fn frame<'t>(&self, twists: &'t [Twist], row: usize) -> Option<&'t Twist> {
        self.frames.get(row).copied().flatten().and_then(|index| twists.get(index))
    }

    /// What the action chosen for the canonical form of `row` is in the state itself.
    pub(crate) fn original(&self, twists: &[Twist], row: usize, action: u32) -> u32 {
        self.frame(twists, row)
            .and_then(|twist| twist.action.iter().position(|&to| to == action))
            .map_or(action, |a| a as u32)
    }
}
