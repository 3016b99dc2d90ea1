//! When the problems get harder.

use crate::config::{LearningConfig, ROLLOUT_METRIC};
use serde::{Deserialize, Serialize};

/// Training episodes at the current difficulty that the special metric `rollout` waits for before it judges.
const ROLLOUT_EPISODES: u64 = 200;

/// The difficulty of training episodes, which goes up as they are solved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curriculum {
    /// The current difficulty.
    pub difficulty: usize,
    /// Training episodes that began at it since it was last judged.
    episodes: u64,
    /// Those of them that were solved.
    solved: u64,
}

impl Curriculum {
    /// Begins at `learning.diff_start`, or else at the difficulty of the environment.
    pub fn new(config: &LearningConfig, env_difficulty: usize) -> Self {
        Self { difficulty: config.diff_start.unwrap_or(env_difficulty), episodes: 0, solved: 0 }
    }

    /// Takes note of training episodes that began at the current difficulty.
    pub fn observe(&mut self, episodes: u64, solved: u64) {
        self.episodes += episodes;
        self.solved += solved;
    }

    /// Moves on if the metric allows: `success` is that of the evaluation named by `learning.diff_metric`, `None`
    /// where it was not made in this iteration. Returns whether the difficulty changed.
    pub fn advance(
        &mut self,
        config: &LearningConfig,
        iteration: u64,
        success: Option<f64>,
    ) -> bool {
        let success = if config.diff_metric == ROLLOUT_METRIC {
            if self.episodes < ROLLOUT_EPISODES {
                return false;
            }
            let share = self.solved as f64 / self.episodes as f64;
            (self.episodes, self.solved) = (0, 0);
            Some(share)
        } else {
            success
        };
        let max = config.diff_max.unwrap_or(usize::MAX);
        let earned = success.is_some_and(|s| s >= config.diff_threshold);
        if !earned || iteration < config.diff_warmup || self.difficulty >= max {
            return false;
        }
        self.difficulty = self.difficulty.saturating_add(config.diff_step).min(max);
        (self.episodes, self.solved) = (0, 0);
        true
    }
}
