//! Gradient updates of the policy in training: epochs of minibatches.

use crate::Result;
use crate::algorithms::Iteration;
use crate::algorithms::policy_in_training::PolicyInTraining;
use crate::config::SupervisedTraining;
use crate::gradient::learner::{Learner, StepSize};
use crate::gradient::loss::{LossStatistics, Objective};
use crate::record::metrics::names;
use rand::seq::SliceRandom as _;
use serde_json::{Map, Value, json};
use twisterl_core::policy::network::Network;
use twisterl_core::rng::Purpose;

/// Makes the gradient updates of all algorithms that have a loss.
pub struct PolicyOptimizer {
    learner: Learner,
    seed: u64,
}

/// The use of the samples of an iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpdatePlan {
    /// Passes over the samples.
    pub epochs: usize,
    /// Samples of an optimizer step; all of them if `None`.
    pub minibatch_size: Option<usize>,
    /// The condition under which samples are shuffled.
    pub shuffle: Shuffle,
    /// Longer gradients are scaled down to this norm.
    pub max_grad_norm: Option<f64>,
    /// No further epoch is made once the approximate Kullback-Leibler divergence exceeds this.
    pub target_kl: Option<f64>,
}

impl UpdatePlan {
    /// The plan of supervised updates.
    pub fn supervised(training: &SupervisedTraining) -> Self {
        Self {
            epochs: training.num_epochs,
            minibatch_size: training.minibatch_size,
            shuffle: Shuffle::Always,
            max_grad_norm: training.max_grad_norm,
            target_kl: None,
        }
    }
}

/// The condition under which samples are shuffled before each epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shuffle {
    /// Always.
    Always,
    /// Only if minibatches have a size. In a single step the order of the samples affects only rounding.
    Minibatches,
}

/// The result of an update.
#[derive(Debug, Clone)]
pub struct Updated {
    /// The metrics of the last epoch, as the PyPI package `twisterl` reports them, and the learning rate.
    pub metrics: Map<String, Value>,
    /// Epochs made.
    pub epochs: usize,
}

impl PolicyOptimizer {
    /// Builds the optimizer of a network, for a run with this seed.
    ///
    /// # Errors
    /// If the network has a layer without a gradient.
    pub fn new(network: &Network, seed: u64) -> Result<Self> {
        Ok(Self { learner: Learner::new(network)?, seed })
    }

    /// Updates `policy` on the samples of `objective`.
    ///
    /// # Errors
    /// If the samples do not fit the network, the loss is no longer finite, or interruption was requested.
    pub fn update(
        &mut self,
        policy: &mut PolicyInTraining,
        objective: &impl Objective,
        plan: &UpdatePlan,
        iteration: &Iteration,
    ) -> Result<Updated> {
        let lr = policy.lr(iteration);
        let size =
            StepSize { lr: lr as f32, max_grad_norm: plan.max_grad_norm.map(|norm| norm as f32) };
        let mut order: Vec<u32> = (0..objective.rows() as u32).collect();
        let minibatch = plan.minibatch_size.unwrap_or(order.len()).max(1);
        let shuffled = plan.shuffle == Shuffle::Always || plan.minibatch_size.is_some();
        let (mut statistics, mut epochs) = (LossStatistics::default(), 0);
        while epochs < plan.epochs {
            if shuffled {
                let key = iteration.key(self.seed, Purpose::Shuffle).at(epochs as u64);
                order.shuffle(&mut key.stream());
            }
            statistics = LossStatistics::default();
            for indices in order.chunks(minibatch) {
                policy.interrupt().check()?;
                let state = policy.state_mut();
                statistics.merge(&self.learner.step(state, objective, indices, size)?);
            }
            epochs += 1;
            if plan.target_kl.is_some_and(|limit| statistics.approx_kl() > limit) {
                break;
            }
        }
        policy.publish(iteration)?;
        let mut metrics = objective.metrics(&statistics);
        metrics.insert(names::LR.into(), json!(lr));
        Ok(Updated { metrics, epochs })
    }
}
