//! The `algorithm` part of a config.

use super::collecting::CollectingConfig;
use super::es::EsConfig;
use super::evals::{EvalConfig, Evals};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The name by which `learning.diff_metric` asks for the success of training episodes instead of an evaluation.
pub const ROLLOUT_METRIC: &str = "rollout";

/// The learning algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub enum AlgorithmClass {
    /// Proximal policy optimisation.
    #[default]
    Ppo,
    /// AlphaZero: learning from tree search.
    AlphaZero,
    /// Learning to undo walks away from solved states.
    BackwardScramble,
    /// Evolution strategies: learning from how well random perturbations of the weights do.
    Es,
}

impl TryFrom<String> for AlgorithmClass {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match super::explain::short_name(&name) {
            "PPO" => Ok(Self::Ppo),
            "AZ" => Ok(Self::AlphaZero),
            "BackwardScramble" => Ok(Self::BackwardScramble),
            "ES" => Ok(Self::Es),
            _ => Err(format!("expected PPO, AZ, BackwardScramble or ES, found {name:?}")),
        }
    }
}

/// Fills in the defaults of AZ where they are others than those of PPO; both are the peer's.
pub(super) fn fill_defaults(config: &mut Value) {
    let name = config.get("algorithm_cls").and_then(Value::as_str).unwrap_or_default();
    if AlgorithmClass::try_from(name.to_owned()) != Ok(AlgorithmClass::AlphaZero) {
        return;
    }
    let defaults =
        [("collecting", "num_episodes", json!(512)), ("training", "vf_coef", json!(1.0))];
    let Some(config) = config.as_object_mut() else { return };
    let algorithm = config.entry("algorithm").or_insert_with(|| json!({}));
    for (part, key, value) in defaults {
        let Some(algorithm) = algorithm.as_object_mut() else { return };
        let part = algorithm.entry(part).or_insert_with(|| json!({}));
        if let Some(part) = part.as_object_mut() {
            part.entry(key).or_insert(value);
        }
    }
}

impl From<AlgorithmClass> for String {
    fn from(class: AlgorithmClass) -> Self {
        match class {
            AlgorithmClass::Ppo => "PPO".into(),
            AlgorithmClass::AlphaZero => "AZ".into(),
            AlgorithmClass::BackwardScramble => "BackwardScramble".into(),
            AlgorithmClass::Es => "ES".into(),
        }
    }
}

/// Where gradients are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// On the processor.
    #[default]
    Cpu,
}

/// Parameters of the algorithm and of what surrounds it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AlgorithmConfig {
    /// Where gradients are computed.
    pub device: Device,
    /// How episodes are collected.
    pub collecting: CollectingConfig,
    /// How the policy is updated.
    pub training: TrainingConfig,
    /// What ES does instead of both.
    pub es: EsConfig,
    /// How problems get harder.
    pub learning: LearningConfig,
    /// The optimiser.
    pub optimizer: OptimizerConfig,
    /// The evaluations by name, in the order in which they are made. Those given replace the default ones.
    #[schemars(with = "BTreeMap<String, EvalConfig>", extend("maxProperties" = 64))]
    pub evals: Evals,
    /// What is logged and saved, and how often.
    pub logging: LoggingConfig,
}

/// How the policy is updated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// Passes over the samples of an iteration.
    #[schemars(range(min = 1, max = 10_000))]
    pub num_epochs: usize,
    /// Weight of the value loss.
    #[schemars(range(min = 0, max = 1e6))]
    pub vf_coef: f64,
    /// Weight of the entropy bonus.
    #[schemars(range(min = 0, max = 1e6))]
    pub ent_coef: f64,
    /// Weight of the entropy bonus at the end of the run, towards which it goes linearly; constant if not given.
    #[schemars(range(min = 0, max = 1e6))]
    pub ent_coef_final: Option<f64>,
    /// How far the probability ratio may move from 1 before it stops to pay.
    #[schemars(range(max = 1e6), extend("exclusiveMinimum" = 0))]
    pub clip_ratio: f64,
    /// Shift and scale the advantages of an iteration to mean 0 and standard deviation 1.
    pub normalize_advantage: bool,
    /// Samples of an update; all of the iteration, in one update an epoch, if not given.
    #[schemars(range(min = 1, max = 16_777_216))]
    pub minibatch_size: Option<usize>,
    /// Longer gradients are cut to this norm; never if not given.
    #[schemars(range(max = 1e9), extend("exclusiveMinimum" = 0))]
    pub max_grad_norm: Option<f64>,
    /// No further epoch once the approximate KL divergence from the old policy exceeds this; never if not given.
    #[schemars(range(max = 1e9), extend("exclusiveMinimum" = 0))]
    pub target_kl: Option<f64>,
}

impl Default for TrainingConfig {
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

/// How problems get harder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LearningConfig {
    /// The share solved from which on the difficulty goes up.
    #[schemars(range(min = 0, max = 1))]
    pub diff_threshold: f64,
    /// The greatest difficulty; none if not given.
    pub diff_max: Option<usize>,
    /// Which share solved counts: the name of an evaluation, or `rollout` for that of the training episodes that
    /// started at the current difficulty.
    pub diff_metric: String,
    /// The first difficulty; that of the environment's parameters if not given.
    #[schemars(range(max = 1_000_000))]
    pub diff_start: Option<usize>,
    /// By how much the difficulty goes up.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub diff_step: usize,
    /// Iterations before it may go up for the first time.
    pub diff_warmup: u64,
}

impl Default for LearningConfig {
    fn default() -> Self {
        Self {
            diff_threshold: 0.85,
            diff_max: None,
            diff_metric: "ppo_deterministic".into(),
            diff_start: None,
            diff_step: 1,
            diff_warmup: 0,
        }
    }
}

/// How a value changes over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// In a straight line.
    Linear,
    /// Along half a cosine wave: slowly first and last.
    Cosine,
    /// By the same factor in every iteration: most of the run is spent at low values. Both ends must be above 0.
    Exponential,
}

/// The optimiser: Adam (Kingma and Ba 2015), with the meaning of `torch.optim.Adam`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Learning rate.
    #[schemars(range(min = 0, max = 1e3))]
    pub lr: f64,
    /// Learning rate at the end of the run, towards which it goes by `schedule`.
    #[schemars(range(min = 0, max = 1e3))]
    pub lr_final: Option<f64>,
    /// How the learning rate changes over the run; `linear` where `lr_final` is given, `constant` elsewhere.
    pub schedule: Option<Schedule>,
    /// Decay of the running means of the gradient and of its square.
    #[schemars(inner(range(min = 0, max = 0.999_999)))]
    pub betas: [f64; 2],
    /// Added to the root of the second mean.
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub eps: f64,
    /// Weight of an L2 penalty, added to the gradient.
    #[schemars(range(min = 0, max = 1e3))]
    pub weight_decay: f64,
    /// Only `false`.
    pub amsgrad: bool,
    /// Decay, an iteration, of a running average of the weights, which is what is then evaluated and saved; 0: the
    /// weights themselves are.
    #[schemars(range(min = 0, max = 0.999_999))]
    pub averaging: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            lr: 3e-4,
            lr_final: None,
            schedule: None,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.0,
            amsgrad: false,
            averaging: 0.0,
        }
    }
}

impl OptimizerConfig {
    /// How the learning rate changes over the run.
    pub fn schedule(&self) -> Schedule {
        let default = if self.lr_final.is_some() { Schedule::Linear } else { Schedule::Constant };
        self.schedule.unwrap_or(default)
    }
}

/// What is logged and saved, and how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoggingConfig {
    /// Log metrics in every this many iterations; 0: never.
    pub log_freq: u64,
    /// Save a checkpoint in every this many iterations; 0: never for their number.
    pub checkpoint_freq: u64,
    /// Save a checkpoint after this many seconds; never for the time if not given.
    #[schemars(range(max = 1e9), extend("exclusiveMinimum" = 0))]
    pub checkpoint_seconds: Option<f64>,
    /// Write TensorBoard events.
    pub tensorboard: bool,
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self { log_freq: 1, checkpoint_freq: 10, checkpoint_seconds: None, tensorboard: true }
    }
}
