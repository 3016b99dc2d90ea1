//! The config of learning from backward walks.

use super::SupervisedTraining;
use crate::Result;
use crate::config::evals::is_default;
use crate::config::limits::{MAX_STEPS, at_most};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twisterl_core::solve::Invert;

/// The parameters of learning from backward walks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BackwardScrambleConfig {
    /// The walks from solved states.
    pub collecting: BackwardScrambleCollecting,
    /// The update of the policy by the walks.
    pub training: SupervisedTraining,
}

/// The walks from solved states.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BackwardScrambleCollecting {
    /// Discount of rewards.
    #[schemars(range(min = 0, max = 1))]
    pub gamma: f64,
    /// Walks per iteration.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub num_walks: usize,
    /// Actions of a walk, before it is shortened; at most 2^24 in all walks of an iteration.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub walk_length: usize,
    /// Walks are shortened until no part of this many actions (that begins at a multiple of half of it) is longer than
    /// necessary; 0: they are not shortened. The work grows with `b^(walk_window / 2)`, b being the branching factor.
    #[schemars(range(max = 40))]
    pub walk_window: usize,
    /// The policy may take any action that begins a shortest path to the state that is this many steps nearer to the solved one
    /// on the walk; 0: only the action of the walk. The work grows with `b^(label_window / 2)`.
    #[schemars(range(max = 40))]
    pub label_window: usize,
    /// Learning from solutions of a search in the last part of the run; none if not given.
    pub experts: Option<ExpertsConfig>,
}

impl Default for BackwardScrambleCollecting {
    fn default() -> Self {
        Self {
            gamma: 0.995,
            num_walks: 256,
            walk_length: 100,
            walk_window: 0,
            label_window: 0,
            experts: None,
        }
    }
}

impl BackwardScrambleConfig {
    pub(super) fn check(&self) -> Result<()> {
        let collecting = &self.collecting;
        let steps = collecting.num_walks.saturating_mul(collecting.walk_length);
        at_most("algorithm.collecting", "num_walks x walk_length", steps, MAX_STEPS)
    }
}

/// Expert iteration (Anthony et al. 2017): a beam search with the policy solves random problems, and the policy learns
/// from its solutions instead of from walks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ExpertsConfig {
    /// Share of the run after which the policy learns from solutions instead of walks.
    #[schemars(range(min = 0, max = 1))]
    pub after: f64,
    /// Problems to solve per iteration: uniformly random states, or scrambles of the current difficulty where the
    /// environment offers none.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub num_problems: usize,
    /// Width of the beam.
    #[schemars(range(min = 1, max = 65_536))]
    pub beam: usize,
    /// States of the beam are ranked by the policy plus this many times the return, so it is the worth of one unit of
    /// reward in units of log-probability. 0: by the policy alone, which halves the work.
    #[schemars(range(min = 0, max = 1e6))]
    pub value_weight: f64,
    /// Solutions are shortened as walks are by `walk_window`.
    #[schemars(range(max = 40))]
    pub window: usize,
    /// As `label_window` of walks, for solutions. Where actions commute, 4 finds most of the actions on shortest paths.
    #[schemars(range(max = 40))]
    pub label_window: usize,
    /// Solutions remembered; new ones replace the oldest.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub memory: usize,
    /// Remembered solutions, drawn at random, that the policy learns from per iteration.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub num_solutions: usize,
    /// `both`: each problem and its inverse are solved, and the better solution is one of both, so that the policy learns
    /// from twice as many.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "String", extend("enum" = ["never", "both"], "default" = "never"))]
    pub invert: Invert,
}

impl Default for ExpertsConfig {
    fn default() -> Self {
        Self {
            after: 0.5,
            num_problems: 64,
            beam: 64,
            value_weight: 0.0,
            window: 16,
            label_window: 0,
            memory: 20_000,
            num_solutions: 512,
            invert: Invert::Never,
        }
    }
}
