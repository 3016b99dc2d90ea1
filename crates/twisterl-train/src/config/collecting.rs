//! The `algorithm.collecting` part of a config.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How episodes are collected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CollectingConfig {
    /// Upper bound on threads.
    #[schemars(range(min = 1, max = 4096))]
    pub num_cores: usize,
    /// Whole episodes an iteration, where `num_envs` is not given.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub num_episodes: usize,
    /// Lambda of generalised advantage estimation.
    #[serde(rename = "lambda")]
    #[schemars(range(min = 0, max = 1))]
    pub gae_lambda: f64,
    /// Discount of rewards.
    #[schemars(range(min = 0, max = 1))]
    pub gamma: f64,
    /// Environments that are stepped `rollout_length` times an iteration, episodes running on from one iteration to
    /// the next. If not given, `num_episodes` whole episodes are played instead, as the peer does.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub num_envs: Option<usize>,
    /// Steps of each environment an iteration, where `num_envs` is given; at most 2^24 steps in all.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub rollout_length: usize,
    /// Rewards are multiplied by this before anything is learned from them, for PPO.
    #[schemars(range(max = 1e9), extend("exclusiveMinimum" = 0))]
    pub reward_scale: f64,
    /// Divide rewards by the running standard deviation of the discounted sums of rewards in training, for PPO.
    pub normalize_rewards: bool,
    /// Normalised rewards are cut to this magnitude.
    #[schemars(range(max = 1e9), extend("exclusiveMinimum" = 0))]
    pub clip_rewards: f64,
    /// Where episodes start.
    pub starts: StartsConfig,
    /// Simulations a move, for AZ.
    #[schemars(range(min = 1, max = 65_536))]
    pub num_mcts_searches: usize,
    /// Simulations a move at the beginning of the run, for AZ, growing linearly to `num_mcts_searches` at its end; as many
    /// all the time if not given.
    #[schemars(range(min = 1, max = 65_536))]
    pub num_mcts_searches_start: Option<usize>,
    /// Share of the moves that are searched in full and learned from, for AZ (playout cap randomisation: Wu 2019); the
    /// others are made after `num_fast_searches` simulations.
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub full_searches: f64,
    /// Simulations of the moves that are not searched in full, for AZ.
    #[schemars(range(min = 1, max = 65_536))]
    pub num_fast_searches: usize,
    /// Share of an iteration's examples that is given out by how much the search corrected the policy, the rest evenly,
    /// for AZ (policy surprise weighting: Wu, "KataGoMethods", 2020).
    #[schemars(range(min = 0, max = 1))]
    pub surprise: f64,
    /// Exploration constant of the tree search, for AZ.
    #[serde(rename = "C")]
    #[schemars(range(min = 0, max = 1e6))]
    pub c: f64,
    /// Levels that a simulation of the tree search adds at once, for AZ.
    #[schemars(range(min = 1, max = 65_536))]
    pub max_expand_depth: usize,
    /// How actions are chosen in the tree, for AZ.
    pub selection: SelectionName,
    /// Moves of self-play are drawn in proportion to `visits^(1 / temperature)`, for AZ with `puct`; 0: the most visited.
    #[schemars(range(min = 0, max = 1e3))]
    pub temperature: f64,
    /// Share of Dirichlet noise in the policy at the root, for AZ with `puct`.
    #[schemars(range(min = 0, max = 1))]
    pub noise: f64,
    /// Visits that noise forces upon the actions of the root, for AZ with `puct` and noise: `sqrt(k * prior * visits)` of
    /// each that was tried; the policy learns from those that were earned (Wu 2019, where k is 2). 0: none.
    #[schemars(range(min = 0, max = 1e6))]
    pub forced_playouts: f64,
    /// Iterations whose games are learned from, for AZ: the last one and those before it.
    #[schemars(range(min = 1, max = 1000))]
    pub replay_iterations: usize,
    /// Read for the peer's sake, who does not use it either: the seed is that of the run.
    pub seed: u64,
    /// Walks an iteration, for BackwardScramble.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub num_walks: usize,
    /// Actions of a walk, before it is shortened; at most 2^24 in all walks of an iteration.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub walk_length: usize,
    /// Walks are shortened until no part of this many actions (that begins at a multiple of its half) is longer than it
    /// must be; 0: they are left as they are. The work grows with `b^(walk_window / 2)`, b the branching factor.
    #[schemars(range(max = 40))]
    pub walk_window: usize,
    /// What follows the walks, for BackwardScramble; nothing if not given.
    pub experts: Option<ExpertsConfig>,
}

impl CollectingConfig {
    /// The most simulations of a move at any time of the run.
    pub fn most_simulations(&self) -> usize {
        self.num_mcts_searches.max(self.num_mcts_searches_start.unwrap_or(0))
    }
}

/// How actions are chosen in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SelectionName {
    /// By value plus exploration (Silver et al. 2017).
    #[default]
    Puct,
    /// By policy improvement: best with few simulations (Danihelka et al. 2022).
    Gumbel,
}

/// Expert iteration (Anthony et al. 2017): a beam search with the policy solves random problems, and the policy learns
/// from its solutions instead of from walks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExpertsConfig {
    /// Share of the run that is learned from walks before.
    #[schemars(range(min = 0, max = 1))]
    pub after: f64,
    /// Uniformly random states to solve an iteration; scrambles of the current difficulty where the environment has
    /// none.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub num_problems: usize,
    /// Width of the beam.
    #[schemars(range(min = 1, max = 65_536))]
    pub beam: usize,
    /// States of the beam are ranked by the policy plus this many times the return: what one unit of reward is worth in
    /// units of log-probability; 0: by the policy alone, for half the work.
    #[schemars(range(min = 0, max = 1e6))]
    pub value_weight: f64,
    /// Solutions are shortened as walks are by `walk_window`.
    #[schemars(range(max = 40))]
    pub window: usize,
    /// Solutions remembered; new ones replace the oldest.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub memory: usize,
    /// Remembered solutions, drawn at random, that are learned from an iteration.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub num_solutions: usize,
}

impl Default for ExpertsConfig {
    fn default() -> Self {
        Self {
            after: 0.5,
            num_problems: 64,
            beam: 64,
            value_weight: 0.0,
            window: 16,
            memory: 20_000,
            num_solutions: 512,
        }
    }
}

impl Default for CollectingConfig {
    fn default() -> Self {
        Self {
            num_cores: 32,
            num_episodes: 512 * 32,
            gae_lambda: 0.995,
            gamma: 0.995,
            num_envs: None,
            rollout_length: 32,
            reward_scale: 1.0,
            normalize_rewards: false,
            clip_rewards: 10.0,
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
            seed: 123,
            num_walks: 256,
            walk_length: 100,
            walk_window: 0,
            experts: None,
        }
    }
}

/// Where training episodes start: shares of each kind. The rest starts from scrambles of the current difficulty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StartsConfig {
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
    /// Probe in every this many iterations.
    #[schemars(range(min = 1))]
    pub probe_every: u64,
}

impl Default for StartsConfig {
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
