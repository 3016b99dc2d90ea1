//! Paths that a search has found, and states it has seen.

use crate::env::state_key::KeyHasher;
use std::collections::HashSet;
use std::hash::BuildHasherDefault;

/// A sequence of actions from the start of a problem.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ActionPath {
    /// True if it solves the problem.
    pub(crate) solved: bool,
    /// Undiscounted sum of rewards.
    pub(crate) total: f32,
    pub(crate) actions: Vec<u32>,
}

impl ActionPath {
    /// Returns whether this path is better: solved before unsolved, then the higher return, then fewer actions.
    pub(crate) fn better_than(&self, other: &Self) -> bool {
        let fewer = |path: &Self| std::cmp::Reverse(path.actions.len());
        (self.solved, self.total, fewer(self)) > (other.solved, other.total, fewer(other))
    }
}

/// A set of keys of states, which are hashes already.
pub(crate) type Seen = HashSet<u64, BuildHasherDefault<KeyHasher>>;
