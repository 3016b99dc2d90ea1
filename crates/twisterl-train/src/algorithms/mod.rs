//! What the trainer knows of a learning algorithm.

pub mod alphazero;
pub mod backward_scramble;
pub mod es;
pub mod expert_iteration;
pub mod failure_memory;
pub mod policy_optimizer;
pub mod ppo;
mod weight_average;

use crate::Result;
use crate::record::snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::policy::executor::Executor;
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::rollout::Episode;

/// What an algorithm is told about the iteration it makes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Iteration {
    /// Its number, from 0.
    pub number: u64,
    /// The difficulty of the curriculum.
    pub difficulty: usize,
    /// How much of the run is done, from 0 to 1, for schedules; 0 where the run has no end.
    pub progress: f64,
}

impl Iteration {
    /// Returns the key of this iteration's streams for `purpose`.
    pub fn key(&self, seed: u64, purpose: Purpose) -> StreamKey {
        StreamKey::new(seed, purpose).iteration(self.number)
    }
}

/// What one iteration gave.
#[derive(Debug, Clone, Default)]
pub struct IterationOutput {
    /// Environment steps made.
    pub env_steps: u64,
    /// Training episodes that ended.
    pub episodes: Vec<Episode>,
    /// Losses and diagnostics by name.
    pub losses: Map<String, Value>,
    /// Seconds by phase.
    pub seconds: Map<String, Value>,
}

/// A learning algorithm: it collects, updates, and can be saved between iterations.
pub trait Algorithm: Send {
    /// The current weights, in the order of `Network::parameters`.
    fn parameters(&self) -> &[f32];

    /// The current policy, ready for inference.
    fn executor(&self) -> &Executor;

    /// From now on, `interrupt` makes iterations fail midway. What has changed until then stays.
    fn interrupt_by(&mut self, interrupt: &Interrupt);

    /// Collects with the current weights, then updates them.
    ///
    /// # Errors
    /// If the environment fails or the update is no longer finite.
    fn iterate(&mut self, iteration: &Iteration) -> Result<IterationOutput>;

    /// What it takes to go on exactly from here.
    fn snapshot(&self) -> Snapshot;

    /// Goes back to a snapshot, whose weights are `parameters`.
    ///
    /// # Errors
    /// If the snapshot does not fit.
    fn restore(&mut self, parameters: &[f32], snapshot: &Snapshot) -> Result<()>;
}
