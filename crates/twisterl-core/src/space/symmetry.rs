//! Symmetries of an environment ("twists"): permutations of observations and actions under which it is unchanged.

use crate::space::Observations;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The use that a policy makes of the symmetries of its environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Symmetry {
    /// None.
    #[default]
    None,
    /// The network sees the canonical form of each state: the image (under the twists and the identity) whose sorted ones
    /// come first in lexicographic order. Its action is mapped back. The policy is symmetric by construction, and the network
    /// learns one state of each set of images. For sparse observations and one discrete action.
    Canonical,
}

/// One symmetry. If `s` is a state and `s'` its image, then bit `i` of the observation of `s` is bit `observation[i]` of the
/// observation of `s'`, and action `a` in `s` has the effect of action `action[a]` in `s'`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Twist {
    /// The image of each bit and value of the observation, `[bits + values]`, the bits first.
    pub observation: Vec<u32>,
    /// The image of each action, `[actions]`.
    pub action: Vec<u32>,
}

impl Twist {
    /// Returns the place of the image of value `index` among `values` values, which follow the bits; `None` if the image is no
    /// value.
    pub fn value_image(&self, index: usize, values: usize) -> Option<usize> {
        let bits = self.observation.len().checked_sub(values)?;
        let image = *self.observation.get(bits + index)? as usize;
        image.checked_sub(bits).filter(|&image| image < values)
    }

    /// Returns true if the observation and all actions stay as they are.
    pub fn is_identity(&self) -> bool {
        is_identity(&self.observation) && is_identity(&self.action)
    }

    /// Returns `Ok` if both parts are permutations, of `bits` and of `actions` entries.
    ///
    /// # Errors
    /// The part that is not.
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

/// Returns true if a map leaves all numbers where they are.
pub(super) fn is_identity(map: &[u32]) -> bool {
    (0..).zip(map).all(|(index, &image)| index == image)
}

/// Brings sparse observations into canonical form ([`Symmetry::Canonical`]). Memory is reused from call to call.
#[derive(Debug, Clone, Default)]
pub struct Canonical {
    image: Vec<u32>,
    first: Vec<u32>,
    mask: Vec<bool>,
}

impl Canonical {
    /// Replaces row `row` of `observations` and its mask by their canonical images. Returns the twist that maps them there,
    /// `None` for the identity.
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
        self.replace(twists, observations.ones_mut(row), mask).map(|index| &twists[index])
    }

    /// Replaces one row and its mask by their canonical images. Returns the index of the twist that maps them there.
    pub(crate) fn replace(
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
                continue; // an index is out of range, which the evaluator reports
            }
            self.image.sort_unstable();
            if self.image < self.first {
                std::mem::swap(&mut self.image, &mut self.first);
                frame = Some(index);
            }
        }
        let twist = &twists[frame?];
        ones.copy_from_slice(&self.first);
        self.mask.clear();
        self.mask.extend_from_slice(mask);
        for (&allowed, &to) in self.mask.iter().zip(&twist.action) {
            mask[to as usize] = allowed; // a permutation of the actions
        }
        frame
    }
}
