//! The config of AlphaZero.

use super::{StartsConfig, SupervisedTraining};
use crate::Result;
use crate::config::limits::{MAX_NODES, at_most, tree_growth};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The parameters of AlphaZero. Defaults are those of the peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AlphaZeroConfig {
    /// Self-play by tree search.
    pub collecting: AlphaZeroCollecting,
    /// The update of the policy by what the searches found.
    pub training: SupervisedTraining,
}

impl Default for AlphaZeroConfig {
    fn default() -> Self {
        let training = SupervisedTraining { vf_coef: 1.0, ..SupervisedTraining::default() };
        Self { collecting: AlphaZeroCollecting::default(), training }
    }
}

/// Self-play by tree search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AlphaZeroCollecting {
    /// Games per iteration.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub num_episodes: usize,
    /// Discount of rewards.
    #[schemars(range(min = 0, max = 1))]
    pub gamma: f64,
    /// The longest game; longer ones are truncated. If not given, games are as long as the environment allows, and at most
    /// 1,000 moves in environments written in Python.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_steps: Option<usize>,
    /// The starts of games.
    pub starts: StartsConfig,
    /// Simulations per move.
    #[schemars(range(min = 1, max = 65_536))]
    pub num_mcts_searches: usize,
    /// Simulations per move at the beginning of the run, from which they grow linearly to `num_mcts_searches` at its end;
    /// constant if not given.
    #[schemars(range(min = 1, max = 65_536))]
    pub num_mcts_searches_start: Option<usize>,
    /// Share of the moves that are searched in full and learned from (playout cap randomisation: Wu 2019); the others are
    /// made after `num_fast_searches` simulations.
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub full_searches: f64,
    /// Simulations of the moves that are not searched in full.
    #[schemars(range(min = 1, max = 65_536))]
    pub num_fast_searches: usize,
    /// Share of an iteration's examples that is distributed by how much the search corrected the policy; the rest is
    /// distributed evenly (policy surprise weighting: Wu, "KataGoMethods", 2020).
    #[schemars(range(min = 0, max = 1))]
    pub surprise: f64,
    /// Exploration constant of the tree search.
    #[serde(rename = "C")]
    #[schemars(range(min = 0, max = 1e6))]
    pub c: f64,
    /// Levels that a simulation of the tree search adds at once.
    #[schemars(range(min = 1, max = 65_536))]
    pub max_expand_depth: usize,
    /// The selection of actions in the tree.
    pub selection: SelectionName,
    /// Moves of self-play are drawn in proportion to `visits^(1 / temperature)`, with `puct`; 0: the most visited.
    #[schemars(range(min = 0, max = 1e3))]
    pub temperature: f64,
    /// Share of Dirichlet noise in the policy at the root, with `puct`.
    #[schemars(range(min = 0, max = 1))]
    pub noise: f64,
    /// Visits that noise forces on the actions of the root, with `puct` and noise: `sqrt(k * prior * visits)` of each
    /// action that was tried. The policy learns from the visits without forced ones (Wu 2019, where k is 2). 0: none.
    #[schemars(range(min = 0, max = 1e6))]
    pub forced_playouts: f64,
    /// Iterations whose games are learned from: the last one and those before it.
    #[schemars(range(min = 1, max = 1000))]
    pub replay_iterations: usize,
}

impl Default for AlphaZeroCollecting {
    fn default() -> Self {
        Self {
            num_episodes: 512,
            gamma: 0.995,
            max_steps: None,
            starts: StartsConfig::default(),
            num_mcts_searches: 1000,
            num_mcts_searches_start: None,
            full_searches: 1.0,
            num_fast_searches: 4,
            surprise: 0.0,
            c: 1.41,
            max_expand_depth: 1,
            selection: SelectionName::Puct,
            temperature: 1.0,
            noise: 0.0,
            forced_playouts: 0.0,
            replay_iterations: 1,
        }
    }
}

impl AlphaZeroCollecting {
    /// The most simulations of a move at any time of the run.
    pub fn most_simulations(&self) -> usize {
        self.num_mcts_searches.max(self.num_mcts_searches_start.unwrap_or(0))
    }
}

impl AlphaZeroConfig {
    pub(super) fn check(&self) -> Result<()> {
        let path = "algorithm.collecting";
        let collecting = &self.collecting;
        collecting.starts.check()?;
        let simulations = collecting.most_simulations();
        let growth = tree_growth(path, simulations, collecting.max_expand_depth)?;
        let nodes = collecting.num_episodes.saturating_mul(growth);
        at_most(path, "num_episodes x num_mcts_searches x max_expand_depth", nodes, MAX_NODES)
    }
}

/// The selection of actions in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SelectionName {
    /// By value plus exploration (Silver et al. 2017).
    #[default]
    Puct,
    /// By policy improvement: best with few simulations (Danihelka et al. 2022).
    Gumbel,
}
