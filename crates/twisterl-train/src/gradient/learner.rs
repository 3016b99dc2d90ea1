//! Gradient steps on minibatches, in parallel; the results do not depend on the number of threads.

use crate::data::batch::{Cut, RowShape};
use crate::gradient::loss::{LossOp, LossStatistics, Objective};
use crate::gradient::model::Model;
use crate::gradient::ops::Gradient;
use crate::gradient::ops::kernels::{sum_of_squares, vectorised};
use crate::gradient::optimizer::{CHUNK, TrainState};
use crate::{Error, Result};
use rayon::prelude::*;
use std::sync::{MutexGuard, PoisonError};
use twisterl_core::policy::network::Network;

/// Computes gradients of a network and makes optimizer steps along them. Holds the network on candle and the memory for
/// gradients, which all steps reuse; the weights are those of the [`TrainState`] that a step is given.
#[derive(Debug)]
pub struct Learner {
    model: Model,
    shape: RowShape,
    /// One gradient per shard, allocated when first needed.
    shards: Vec<Gradient>,
    gradient: Vec<f32>,
}

/// The size of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepSize {
    /// Learning rate.
    pub lr: f32,
    /// Longer gradients are scaled down to this norm.
    pub max_grad_norm: Option<f32>,
}

impl Learner {
    /// Builds the learner of a network.
    ///
    /// # Errors
    /// If the network is inconsistent, or has a layer without a gradient.
    pub fn new(network: &Network) -> Result<Self> {
        Ok(Self {
            model: Model::new(network)?,
            shape: RowShape::of(network)?,
            gradient: vec![0.0; network.parameter_count()],
            shards: Vec::new(),
        })
    }

    /// Makes one step of Adam along the gradient of the mean loss of the samples `indices` of `objective`. Runs on the
    /// current rayon pool; the result does not depend on its size.
    ///
    /// # Errors
    /// If the weights or a row do not fit the network, or the loss or its gradient is not finite; the state is then
    /// still that of before.
    pub fn step<O: Objective>(
        &mut self,
        state: &mut TrainState,
        objective: &O,
        indices: &[u32],
        size: StepSize,
    ) -> Result<LossStatistics> {
        objective.check(&self.shape)?;
        self.model.load(state.weights())?;
        let cut = Cut::new(indices.len(), self.model.max_rows());
        while self.shards.len() < cut.shards {
            self.shards.push(Gradient::default());
        }
        let (this, count) = (&*self, self.gradient.len());
        let parts = (0..cut.shards).into_par_iter().zip(&self.shards).map(|(shard, gradient)| {
            reset(gradient, count);
            let mut stats = LossStatistics::default();
            for rows in cut.shard(shard) {
                stats.merge(&this.micro_batch(
                    objective,
                    &indices[rows],
                    indices.len(),
                    gradient,
                )?);
            }
            Ok(stats)
        });
        let parts = parts.collect::<Vec<Result<_>>>();
        let mut stats = LossStatistics::default();
        for part in parts {
            stats.merge(&part?);
        }
        finite("the loss", stats.total_loss())?;
        let norm = self.reduce(cut.shards).sqrt();
        finite("the gradient's norm", norm)?;
        stats.count_step(norm);
        // As PyTorch's clip_grad_norm_.
        let scale = size.max_grad_norm.map_or(1.0, |max| (max / (norm as f32 + 1e-6)).min(1.0));
        state.adam_step(&self.gradient, scale, f64::from(size.lr));
        Ok(stats)
    }

    /// Runs the forward and backward pass of some of `total` samples, and adds their share of the gradient to `gradient`.
    fn micro_batch<O: Objective>(
        &self,
        objective: &O,
        indices: &[u32],
        total: usize,
        gradient: &Gradient,
    ) -> Result<LossStatistics> {
        let (observations, loss) = objective.gather(&self.shape, indices)?;
        let (logits, values) = self.model.forward(observations, Some(gradient))?;
        let (loss, output) = LossOp::apply(loss, 1.0 / total as f64, &logits, &values)?;
        loss.backward()?;
        output.statistics()
    }

    /// Sums the first `shards` gradients in their order into `self.gradient`. Returns the sum of its squares.
    fn reduce(&mut self, shards: usize) -> f64 {
        let shards: Vec<MutexGuard<'_, Vec<f32>>> =
            self.shards.iter().take(shards).map(|s| lock(s)).collect();
        let shards: Vec<&[f32]> = shards.iter().map(|s| s.as_slice()).collect();
        let squares = self.gradient.par_chunks_mut(CHUNK).enumerate().map(|(i, sum)| {
            sum.fill(0.0);
            for shard in &shards {
                // Each was resized to the length of the gradient.
                let part = &shard[i * CHUNK..];
                vectorised(|| sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += x));
            }
            sum_of_squares(sum)
        });
        squares.collect::<Vec<f64>>().into_iter().sum()
    }
}

/// Locks a gradient. One that a panic left behind can be used: it is cleared first.
fn lock(gradient: &Gradient) -> MutexGuard<'_, Vec<f32>> {
    gradient.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fills a gradient with `count` zeros.
fn reset(gradient: &Gradient, count: usize) {
    let mut gradient = lock(gradient);
    gradient.clear();
    gradient.resize(count, 0.0);
}

fn finite(quantity: &'static str, found: f64) -> Result<()> {
    if found.is_finite() { Ok(()) } else { Err(Error::diverged(quantity, found)) }
}

#[cfg(test)]
mod tests;
