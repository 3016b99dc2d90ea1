//! The learning algorithms, and the trait by which the trainer calls them.

pub mod alphazero;
pub mod backward_scramble;
pub mod es;
pub mod expert_iteration;
pub mod failure_memory;
mod phase_timer;
pub mod policy_in_training;
pub mod policy_optimizer;
pub mod ppo;
pub mod spread;
mod weight_average;

use crate::algorithms::policy_in_training::PolicyInTraining;
use crate::algorithms::spread::Spread;
use crate::record::snapshot::Snapshot;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::rollout::Episode;

/// The field that bounds the length of training episodes of PPO and AlphaZero.
const MAX_STEPS_FIELD: &str = "algorithm.collecting.max_steps";

/// The iteration that an algorithm makes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Iteration {
    /// Its number, from 0.
    pub number: u64,
    /// The difficulty of the curriculum.
    pub difficulty: usize,
    /// The completed share of the run, from 0 to 1, for schedules; 0 if the run has no end.
    pub progress: f64,
}

impl Iteration {
    /// Returns the key of this iteration's streams for `purpose`.
    pub fn key(&self, seed: u64, purpose: Purpose) -> StreamKey {
        StreamKey::new(seed, purpose).iteration(self.number)
    }
}

/// The largest magnitude of a return whose square is far from the limit of single precision.
const MAX_RETURN: f32 = 1e18;

/// Returns the error of an update: by its cause, if that is one of the `returns` that it learned from.
fn by_returns(error: Error, returns: &[f32]) -> Error {
    // Batches refuse what is not finite before there is a loss.
    let config = matches!(error, Error::Core(twisterl_core::Error::Config { .. }));
    let caused = config || matches!(error, Error::Diverged { .. });
    // A NaN is not within the limit either.
    let beyond = returns
        .iter()
        .find(|value| !(-MAX_RETURN..=MAX_RETURN).contains(*value))
        .filter(|_| caused);
    beyond.map_or(error, |value| {
        Error::rewards_too_large("the return of a state", format!("{value:e}"))
    })
}

/// The result of one iteration.
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

/// A learning algorithm. The trainer owns the policy in training and lends it to the algorithm, which owns only its own
/// state.
pub trait Algorithm: Send {
    /// Collects with the acting policy, here or, with `spread`, by workers, then updates the policy.
    ///
    /// # Errors
    /// If the environment fails, the update is not finite, or interruption was requested. Changes made until then
    /// remain.
    fn iterate(
        &mut self,
        policy: &mut PolicyInTraining,
        iteration: &Iteration,
        spread: Option<&Spread<'_>>,
    ) -> Result<IterationOutput>;

    /// Returns the algorithm's own state, from which a run continues bit-identically.
    fn snapshot(&self) -> Snapshot;

    /// Continues from a snapshot, with `policy` restored already. Returns the number of episodes under way that the
    /// environment did not repeat, and which therefore begin afresh.
    ///
    /// # Errors
    /// If the snapshot does not fit.
    fn restore(&mut self, policy: &PolicyInTraining, snapshot: &Snapshot) -> Result<usize>;

    /// Returns the path of the config field that bounds the length of training episodes, and the limit that holds because
    /// the field is not set.
    fn default_limit(&self) -> Option<(&'static str, usize)> {
        None
    }
}
