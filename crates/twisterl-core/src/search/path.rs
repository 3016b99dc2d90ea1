//! What searches have found, and where they have been.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Where a search came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Path {
    pub(crate) solved: bool,
    /// Undiscounted sum of rewards.
    pub(crate) total: f32,
    pub(crate) actions: Vec<u32>,
}

impl Path {
    /// Solved before unsolved, then the higher return, then fewer actions.
    pub(crate) fn better_than(&self, other: &Self) -> bool {
        let fewer = |path: &Self| std::cmp::Reverse(path.actions.len());
        (self.solved, self.total, fewer(self)) > (other.solved, other.total, fewer(other))
    }
}

/// States seen, by keys that are hashes already.
pub(crate) type Seen = HashSet<u64, BuildHasherDefault<KeyHasher>>;

#[derive(Debug, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
