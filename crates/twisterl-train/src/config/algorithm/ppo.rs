//! The config of PPO.

use super::starts::check_shares;
use crate::Result;
use crate::config::limits::{MAX_STEPS, at_most};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The parameters of PPO. Defaults are those of the peer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PpoConfig {
    /// The collection of episodes.
    pub collecting: PpoCollecting,
    /// The update of the policy.
    pub training: PpoTraining,
}

/// The collection of episodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PpoCollecting {
    /// Whole episodes per iteration, if `num_envs` is not given.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub num_episodes: usize,
    /// Lambda of generalised advantage estimation.
    #[serde(rename = "lambda")]
    #[schemars(range(min = 0, max = 1))]
    pub gae_lambda: f64,
    /// Discount of rewards.
    #[schemars(range(min = 0, max = 1))]
    pub gamma: f64,
    /// Environments that make `rollout_length` steps per iteration; episodes continue from one iteration to the next. If
    /// not given, `num_episodes` whole episodes are played instead, as the peer does.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub num_envs: Option<usize>,
    /// Steps of each environment per iteration, if `num_envs` is given; at most 2^24 steps in all.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub rollout_length: usize,
    /// Factor of rewards before anything is learned from them.
    #[schemars(range(max = 1e9), extend("exclusiveMinimum" = 0))]
    pub reward_scale: f64,
    /// Divide rewards by the running standard deviation of the discounted sums of rewards in training.
    pub normalize_rewards: bool,
    /// Normalised rewards are clipped to this magnitude.
    #[schemars(range(max = 1e9), extend("exclusiveMinimum" = 0))]
    pub clip_rewards: f64,
    /// The longest episode; longer ones are truncated. If not given, episodes are as long as the environment allows, and at
    /// most 10,000 steps in environments written in Python; with `num_episodes`, at most 2^24 steps in all.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_steps: Option<usize>,
    /// The starts of episodes.
    pub starts: PpoStarts,
}

impl Default for PpoCollecting {
    fn default() -> Self {
        Self {
            num_episodes: 512 * 32,
            gae_lambda: 0.995,
            gamma: 0.995,
            num_envs: None,
            rollout_length: 32,
            reward_scale: 1.0,
            normalize_rewards: false,
            clip_rewards: 10.0,
            max_steps: None,
            starts: PpoStarts::default(),
        }
    }
}

/// The starts of training episodes: shares of each kind. The rest starts from scrambles of the current difficulty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PpoStarts {
    /// Share of uniformly random states, where the environment offers them.
    #[schemars(range(min = 0, max = 1))]
    pub uniform: f64,
    /// Share of scrambles of a difficulty drawn uniformly from 1 to the current one.
    #[schemars(range(min = 0, max = 1))]
    pub mixed: f64,
    /// Share of remembered states on which the greedy policy failed.
    #[schemars(range(min = 0, max = 1))]
    pub failures: f64,
    /// Failures remembered; new ones replace the oldest.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub failure_memory: usize,
    /// Uniformly random states on which the greedy policy is tried at each probe for failures.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub probe_states: usize,
    /// Iterations from one probe to the next.
    #[schemars(range(min = 1))]
    pub probe_every: u64,
}

impl Default for PpoStarts {
    fn default() -> Self {
        Self {
            uniform: 0.0,
            mixed: 0.0,
            failures: 0.0,
            failure_memory: 1000,
            probe_states: 2048,
            probe_every: 5,
        }
    }
}

/// The update of the policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PpoTraining {
    /// Passes over the samples of an iteration.
    #[schemars(range(min = 1, max = 10_000))]
    pub num_epochs: usize,
    /// Weight of the value loss.
    #[schemars(range(min = 0, max = 1e6))]
    pub vf_coef: f64,
    /// Weight of the entropy bonus.
    #[schemars(range(min = 0, max = 1e6))]
    pub ent_coef: f64,
    /// Weight of the entropy bonus at the end of the run, which it approaches linearly; constant if not given.
    #[schemars(range(min = 0, max = 1e6))]
    pub ent_coef_final: Option<f64>,
    /// Distance from 1 beyond which a change of the probability ratio no longer improves the objective.
    #[schemars(range(max = 1e6), extend("exclusiveMinimum" = 0))]
    pub clip_ratio: f64,
    /// Shift and scale the advantages of an iteration to mean 0 and standard deviation 1.
    pub normalize_advantage: bool,
    /// Samples of an update; if not given, all of the iteration in one update per epoch.
    #[schemars(range(min = 1, max = 16_777_216))]
    pub minibatch_size: Option<usize>,
    /// Gradients are scaled down to this norm if they are longer; never if not given.
    #[schemars(range(max = 1e9), extend("exclusiveMinimum" = 0))]
    pub max_grad_norm: Option<f64>,
    /// Ends the epochs of an iteration once the approximate KL divergence from the old policy exceeds this; never if not
    /// given.
    #[schemars(range(max = 1e9), extend("exclusiveMinimum" = 0))]
    pub target_kl: Option<f64>,
}

impl Default for PpoTraining {
    fn default() -> Self {
        Self {
            num_epochs: 10,
            vf_coef: 0.8,
            ent_coef: 0.01,
            ent_coef_final: None,
            clip_ratio: 0.1,
            normalize_advantage: false,
            minibatch_size: None,
            max_grad_norm: None,
            target_kl: None,
        }
    }
}

impl PpoConfig {
    pub(super) fn check(&self) -> Result<()> {
        let collecting = &self.collecting;
        let steps = collecting.num_envs.unwrap_or(0).saturating_mul(collecting.rollout_length);
        at_most("algorithm.collecting", "num_envs x rollout_length", steps, MAX_STEPS)?;
        let PpoStarts { uniform, mixed, failures, .. } = collecting.starts;
        check_shares("uniform + mixed + failures", uniform + mixed + failures)
    }
}
