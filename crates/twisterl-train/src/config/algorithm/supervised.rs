//! The section `training` of algorithms that learn from examples.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The update of a policy by examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SupervisedTraining {
    /// Passes over the examples of an iteration.
    #[schemars(range(min = 1, max = 10_000))]
    pub num_epochs: usize,
    /// Weight of the value loss.
    #[schemars(range(min = 0, max = 1e6))]
    pub vf_coef: f64,
    /// Examples of an update; if not given, all of the iteration in one update per epoch.
    #[schemars(range(min = 1, max = 16_777_216))]
    pub minibatch_size: Option<usize>,
    /// Gradients are scaled down to this norm if they are longer; never if not given.
    #[schemars(range(max = 1e9), extend("exclusiveMinimum" = 0))]
    pub max_grad_norm: Option<f64>,
}

impl Default for SupervisedTraining {
    fn default() -> Self {
        Self { num_epochs: 10, vf_coef: 0.8, minibatch_size: None, max_grad_norm: None }
    }
}
