//! The time limit of an episode.

use crate::Result;
use crate::env::Step;
use crate::error::in_range;

/// The largest time limit, in steps.
pub(super) const MAX_EPISODE_STEPS: usize = 1_000_000;

/// Counts the steps of an episode, and truncates it at the limit.
#[derive(Debug, Clone)]
pub(super) struct TimeLimit {
    made: usize,
    limit: usize,
}

impl TimeLimit {
    /// Returns a limit of `limit` steps, which the config gives as `path`.
    ///
    /// # Errors
    /// If the limit is out of range.
    pub(super) fn new(path: &str, limit: usize) -> Result<Self> {
        Ok(Self { made: 0, limit: in_range(path, limit, 1..=MAX_EPISODE_STEPS)? })
    }

    /// The limit, in steps.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Begins an episode.
    pub(super) fn restart(&mut self) {
        self.made = 0;
    }

    /// Counts a step, and returns it. A step that terminates is not truncated.
    #[inline]
    pub(super) fn count(&mut self, reward: f32, terminated: bool) -> Step {
        self.made = self.made.saturating_add(1);
        Step { reward, terminated, truncated: !terminated && self.made >= self.limit }
    }
}
