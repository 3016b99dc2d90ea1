//! The `algorithm.es` part of a config.

use super::Schedule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twisterl_core::rollout::CommonRandomNumbers;

/// Evolution strategies (Salimans et al. 2017): a population of perturbed policies plays, and the weights move towards
/// those that did well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EsConfig {
    /// Members of the population, two for each perturbation: one adds it, one subtracts it. An even number.
    #[schemars(range(min = 2, max = 1_048_576))]
    pub population: usize,
    /// Rank of the perturbation of each weight matrix; 0: full. A population with low ranks plays nearly as fast as
    /// one policy where the network is made of embedding and linear layers; for all other networks, and with full
    /// perturbations, each member has weights of its own (`losses.shared_base` in the metrics tells).
    #[schemars(range(max = 256))]
    pub rank: usize,
    /// Episodes of each member.
    #[schemars(range(min = 1, max = 65_536))]
    pub num_episodes: usize,
    /// Who plays from the same starts, and draws actions by the same random numbers.
    pub common: CommonName,
    /// Members take their most likely action instead of sampling.
    pub deterministic: bool,
    /// The longest episode; as long as the environment allows if not given.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_steps: Option<usize>,
    /// Standard deviation of the perturbation of each weight.
    #[schemars(range(max = 1e3), extend("exclusiveMinimum" = 0))]
    pub sigma: f64,
    /// Standard deviation at the end of the run, towards which it goes by `sigma_schedule`; constant if not given.
    #[schemars(range(max = 1e3), extend("exclusiveMinimum" = 0))]
    pub sigma_final: Option<f64>,
    /// How the standard deviation changes over the run where `sigma_final` is given.
    pub sigma_schedule: Schedule,
    /// What an episode is worth.
    pub fitness: Fitness,
    /// What the fitness of members is turned into before the weights learn from it.
    pub shaping: Shaping,
    /// How the weights follow the estimated gradient.
    pub optimizer: EsOptimizer,
}

impl Default for EsConfig {
    fn default() -> Self {
        Self {
            population: 512,
            rank: 1,
            num_episodes: 8,
            common: CommonName::Pair,
            deterministic: true,
            max_steps: None,
            sigma: 0.05,
            sigma_final: None,
            sigma_schedule: Schedule::Linear,
            fitness: Fitness::Return,
            shaping: Shaping::CenteredRanks,
            optimizer: EsOptimizer::Adam,
        }
    }
}

/// Who has random numbers in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommonName {
    /// The two members of a perturbation.
    Pair,
    /// The whole population.
    Population,
}

impl From<CommonName> for CommonRandomNumbers {
    fn from(name: CommonName) -> Self {
        match name {
            CommonName::Pair => Self::Pair,
            CommonName::Population => Self::Population,
        }
    }
}

/// What an episode is worth to ES.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fitness {
    /// The sum of its rewards.
    Return,
    /// 1 if it is solved, else 0.
    Success,
}

/// What ES makes of fitness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shaping {
    /// Ranks from -0.5 to 0.5, equal ones sharing their mean: neither the scale of fitness nor outliers count.
    CenteredRanks,
    /// Shifted and scaled to mean 0 and standard deviation 1.
    Standardized,
    /// Nothing: the estimate is that of the gradient of the mean fitness.
    None,
}

/// How ES moves the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EsOptimizer {
    /// By Adam.
    Adam,
    /// In proportion to the gradient, with a momentum of `optimizer.betas[0]`.
    Sgd,
}
