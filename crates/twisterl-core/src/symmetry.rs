//! Symmetries of a problem ("twists"): permutations of observations and actions under which it is unchanged.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

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
