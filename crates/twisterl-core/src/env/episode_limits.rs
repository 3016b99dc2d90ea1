//! Limits on the length of episodes.

/// The lengths at which episodes are truncated where the user sets no other: an environment may never end one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpisodeLimits {
    /// Steps of an episode from which PPO collects transitions.
    pub rollout: usize,
    /// Steps of an episode that a policy plays without search.
    pub play: usize,
    /// Moves of an episode played by tree search, in self-play too, and the depth of a beam.
    pub search: usize,
    /// True if the environment declares that it limits no episode itself.
    pub endless: bool,
}

impl EpisodeLimits {
    /// The limits of environments written in Rust: bounds of the last resort, since these have budgets of their own.
    pub const NATIVE: Self =
        Self { rollout: 1_000_000, play: 100_000, search: 100_000, endless: false };
}
