//! The config of ES.

use super::StartsConfig;
use crate::config::Schedule;
use crate::config::limits::{MAX_STEPS, at_most};
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twisterl_core::rollout::CommonRandomNumbers;

/// The parameters of ES.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EsConfig {
    /// The starts of episodes.
    pub collecting: EsCollecting,
    /// The population and its update.
    pub es: EvolutionConfig,
}

/// The starts of episodes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EsCollecting {
    /// The starts of episodes.
    pub starts: StartsConfig,
}

impl EsConfig {
    pub(super) fn check(&self) -> Result<()> {
        let (path, es) = ("algorithm.es", &self.es);
        self.collecting.starts.check()?;
        if !es.population.is_multiple_of(2) {
            let expected = "an even number, since members come in pairs";
            return Err(Error::config(format!("{path}.population"), expected, es.population));
        }
        let episodes = es.population.saturating_mul(es.num_episodes);
        at_most(path, "population x num_episodes", episodes, MAX_STEPS)
    }
}

/// Evolution strategies (Salimans et al. 2017): a population of perturbed policies plays, and the weights move towards
/// those that did well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EvolutionConfig {
    /// Members of the population, two for each perturbation: one adds it, one subtracts it. An even number.
    #[schemars(range(min = 2, max = 1_048_576))]
    pub population: usize,
    /// Rank of the perturbation of each weight matrix; 0: full. With low ranks, a population plays nearly as fast as one
    /// policy if the network consists of embedding and linear layers. For all other networks, and with full rank, each
    /// member has weights of its own (`losses.shared_base` in the metrics shows which).
    #[schemars(range(max = 256))]
    pub rank: usize,
    /// Episodes of each member.
    #[schemars(range(min = 1, max = 65_536))]
    pub num_episodes: usize,
    /// The members that share starts and the random numbers by which actions are drawn.
    pub common: CommonName,
    /// Members take their most likely action instead of sampling.
    pub deterministic: bool,
    /// The longest episode; longer ones are truncated. If not given, episodes are as long as the environment allows, and at
    /// most 10,000 steps in environments written in Python.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_steps: Option<usize>,
    /// Standard deviation of the perturbation of each weight.
    #[schemars(range(max = 1e3), extend("exclusiveMinimum" = 0))]
    pub sigma: f64,
    /// Standard deviation at the end of the run, which it approaches by `sigma_schedule`; constant if not given.
    #[schemars(range(max = 1e3), extend("exclusiveMinimum" = 0))]
    pub sigma_final: Option<f64>,
    /// The change of the standard deviation over the run if `sigma_final` is given.
    pub sigma_schedule: Schedule,
    /// The fitness of an episode.
    pub fitness: Fitness,
    /// The transformation of the fitness of members before the weights learn from it.
    pub shaping: Shaping,
    /// The step of the weights along the estimated gradient.
    pub optimizer: EsOptimizer,
}

impl Default for EvolutionConfig {
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

/// The members that share random numbers.
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

/// The fitness of an episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fitness {
    /// The sum of its rewards.
    Return,
    /// 1 if it is solved, else 0.
    Success,
}

/// The transformation of fitness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shaping {
    /// Ranks from -0.5 to 0.5, ties sharing their mean: neither the scale of fitness nor outliers matter.
    CenteredRanks,
    /// Shifted and scaled to mean 0 and standard deviation 1.
    Standardized,
    /// None: the estimate is that of the gradient of the mean fitness.
    None,
}

/// The step of the weights along the estimated gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EsOptimizer {
    /// By Adam.
    Adam,
    /// In proportion to the gradient, with a momentum of `optimizer.betas[0]`.
    Sgd,
}
