//! The sections of `algorithm` that all algorithms share.

use super::evals::{EvalConfig, Evals, ROLLOUT_METRIC};
use super::limits::vanishes;
use crate::system::num_cores::NumCores;
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use twisterl_core::error::from_serde::shorten;
use twisterl_core::error::names::did_you_mean;

/// The parameters of a run whatever its algorithm.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SharedConfig {
    /// The device on which gradients are computed.
    pub device: Device,
    /// Bounds on the resources of collection.
    pub collecting: SharedCollecting,
    /// The curriculum.
    pub learning: LearningConfig,
    /// The optimiser.
    pub optimizer: OptimizerConfig,
    /// The evaluations by name, in the order in which they are made. Those given replace the default ones.
    #[schemars(with = "BTreeMap<String, EvalConfig>", extend("maxProperties" = 64))]
    pub evals: Evals,
    /// Metrics and checkpoints.
    pub logging: LoggingConfig,
}

/// The device on which gradients are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
}

/// The fields of `collecting` that all algorithms share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SharedCollecting {
    /// Upper bound on threads; 0, -1 and `null`: as many as there are processors. Results do not depend on it.
    pub num_cores: NumCores,
    /// Processes that step environments written in Python; 1: this process. Results do not depend on it.
    #[schemars(range(min = 1, max = 256))]
    pub workers: usize,
}

impl Default for SharedCollecting {
    fn default() -> Self {
        Self { num_cores: NumCores::default(), workers: 1 }
    }
}

/// The curriculum: the difficulty of training episodes goes up as they are solved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LearningConfig {
    /// The difficulty goes up when this share is solved.
    #[schemars(range(min = 0, max = 1))]
    pub diff_threshold: f64,
    /// The greatest difficulty; unbounded if not given.
    pub diff_max: Option<usize>,
    /// The success that is compared with the threshold: the name of an evaluation, or `rollout` for the training episodes
    /// that started at the current difficulty.
    pub diff_metric: String,
    /// The first difficulty; that of the environment's parameters if not given.
    #[schemars(range(max = 1_000_000))]
    pub diff_start: Option<usize>,
    /// The step by which the difficulty goes up.
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

impl LearningConfig {
    fn check(&self, evals: &Evals) -> Result<()> {
        let metric = &self.diff_metric;
        if metric != ROLLOUT_METRIC && evals.get(metric).is_none() {
            let names: Vec<_> = evals.keys().map(|name| format!("`{name}`")).collect();
            let known = evals.keys().map(String::as_str).chain([ROLLOUT_METRIC]);
            return Err(Error::config(
                "algorithm.learning.diff_metric",
                format!(
                    "`{ROLLOUT_METRIC}` or the name of one of algorithm.evals ({})",
                    names.join(", ")
                ),
                format!("{:?}{}", shorten(metric), did_you_mean(metric, known)),
            ));
        }
        if let (Some(start), Some(max)) = (self.diff_start, self.diff_max)
            && start > max
        {
            let path = "algorithm.learning.diff_start";
            return Err(Error::config(path, format!("at most diff_max, which is {max}"), start));
        }
        Ok(())
    }
}

/// The change of a value over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// None.
    Constant,
    /// In a straight line.
    Linear,
    /// Along half a cosine wave: slow at both ends.
    Cosine,
    /// By the same factor in every iteration, so that most of the run is spent at low values. Both ends must be above 0.
    Exponential,
}

/// The optimiser: Adam (Kingma and Ba 2015), with the meaning of `torch.optim.Adam`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OptimizerConfig {
    /// Learning rate.
    #[schemars(range(min = 0, max = 1e3))]
    pub lr: f64,
    /// Learning rate at the end of the run, which it approaches by `schedule`.
    #[schemars(range(min = 0, max = 1e3))]
    pub lr_final: Option<f64>,
    /// The change of the learning rate over the run; if not given, `linear` with `lr_final` and `constant` without.
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
    /// Decay per iteration of a running average of the weights, which is then evaluated and saved instead of the weights
    /// themselves; 0: no average.
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
    /// The change of the learning rate over the run.
    pub fn schedule(&self) -> Schedule {
        let default = if self.lr_final.is_some() { Schedule::Linear } else { Schedule::Constant };
        self.schedule.unwrap_or(default)
    }

    fn check(&self) -> Result<()> {
        let path = "algorithm.optimizer";
        if self.amsgrad {
            return Err(Error::config(format!("{path}.amsgrad"), "false", "true"));
        }
        for (name, rate) in [("lr", Some(self.lr)), ("lr_final", self.lr_final)] {
            if let Some(rate) = rate.filter(|&rate| rate != 0.0 && rate as f32 == 0.0) {
                return Err(vanishes(&format!("{path}.{name}"), format!("{rate:e}")).into());
            }
        }
        match (self.schedule(), self.lr_final) {
            (Schedule::Constant, Some(_)) => {
                let expected = "`linear`, `cosine` or `exponential` with lr_final";
                Err(Error::config(format!("{path}.schedule"), expected, "`constant`"))
            }
            (Schedule::Exponential, Some(last)) if self.lr <= 0.0 || last <= 0.0 => {
                let expected = "rates above 0 for an exponential schedule";
                let found = format!("{} and {last}", self.lr);
                Err(Error::config(format!("{path}.lr_final"), expected, found))
            }
            (Schedule::Linear | Schedule::Cosine | Schedule::Exponential, None) => {
                let expected = "the learning rate at which the schedule ends";
                Err(Error::config(format!("{path}.lr_final"), expected, "none"))
            }
            _ => Ok(()),
        }
    }
}

/// Metrics and checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LoggingConfig {
    /// Iterations from one record of metrics to the next; 0: none are logged.
    pub log_freq: u64,
    /// Iterations from one checkpoint to the next; 0: checkpoints do not depend on the number of iterations.
    pub checkpoint_freq: u64,
    /// Seconds from one checkpoint to the next; if not given, checkpoints do not depend on the time.
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

impl SharedConfig {
    /// Checks values that must fit each other.
    pub(super) fn check(&self) -> Result<()> {
        self.evals.check()?;
        self.learning.check(&self.evals)?;
        self.optimizer.check()
    }
}
