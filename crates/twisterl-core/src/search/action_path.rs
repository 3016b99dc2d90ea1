//! What searches have found, and where they have been.

use crate::env::state_key::KeyHasher;
use std::collections::HashSet;
use std::hash::BuildHasherDefault;

/// Where a search came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ActionPath {
    pub(crate) solved: bool,
    /// Undiscounted sum of rewards.
    pub(crate) total: f32,
    pub(crate) actions: Vec<u32>,
}

impl ActionPath {
    /// Solved before unsolved, then the higher return, then fewer actions.
    pub(crate) fn better_than(&self, other: &Self) -> bool {
        let fewer = |path: &Self| std::cmp::Reverse(path.actions.len());
        (self.solved, self.total, fewer(self)) > (other.solved, other.total, fewer(other))
    }
}

/// States seen, by keys that are hashes already.
pub(crate) type Seen = HashSet<u64, BuildHasherDefault<KeyHasher>>;
