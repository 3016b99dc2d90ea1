//! The curriculum: the difficulty of training episodes, which increases as they are solved.

use crate::config::{LearningConfig, ROLLOUT_METRIC};
use serde::{Deserialize, Serialize};

/// The number of training episodes at the current difficulty after which the special metric `rollout` is evaluated.
const ROLLOUT_EPISODES: u64 = 200;

/// The difficulty of training episodes, with the counts from which the metric `rollout` is computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curriculum {
    /// The current difficulty.
    pub difficulty: usize,
    /// Training episodes that began at this difficulty since the metric was last evaluated.
    episodes: u64,
    /// The number of them that were solved.
    solved: u64,
}

impl Curriculum {
    /// Starts at `learning.diff_start`, or else at the difficulty of the environment.
    pub fn new(config: &LearningConfig, env_difficulty: usize) -> Self {
        Self { difficulty: config.diff_start.unwrap_or(env_difficulty), episodes: 0, solved: 0 }
    }

    /// Continues at another difficulty. Nothing changes if it is the current one.
    pub fn set(&mut self, difficulty: usize) {
        if difficulty != self.difficulty {
            *self = Self { difficulty, episodes: 0, solved: 0 };
        }
    }

    /// Counts training episodes that began at the current difficulty.
    pub fn observe(&mut self, episodes: u64, solved: u64) {
        self.episodes = self.episodes.saturating_add(episodes);
        self.solved = self.solved.saturating_add(solved);
    }

    /// Increases the difficulty if the metric reaches its threshold: `success` is that of the evaluation that
    /// `learning.diff_metric` names, `None` if this iteration did not make it. Returns whether the difficulty changed.
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
