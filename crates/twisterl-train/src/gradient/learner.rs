//! Optimiser steps on minibatches: the parallel part of training, with results that do not depend on how parallel.

use crate::data::batch::{Cut, RowShape};
use crate::gradient::loss::{Loss, LossOp, Objective, Stats};
use crate::gradient::model::Model;
use crate::gradient::ops::Gradient;
use crate::gradient::ops::kernels::{sum_of_squares, vectorised};
use crate::gradient::optimizer::CHUNK;
pub use crate::gradient::optimizer::{AdamConfig, AdamState};
use crate::{Error, Result};
use rayon::prelude::*;
use std::sync::{MutexGuard, PoisonError};
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::policy::network::Network;

/// A network in training: its parameters, the optimiser's moments, and memory for gradients, all reused from step
/// to step.
#[derive(Debug)]
pub struct Learner {
    model: Model,
    shape: RowShape,
    parameters: Vec<f32>,
    config: AdamConfig,
    adam: AdamState,
    /// One gradient a shard, made when first needed.
    shards: Vec<Gradient>,
    gradient: Vec<f32>,
    interrupt: Interrupt,
}

impl Learner {
    /// Starts from `parameters`, in the order and layout of [`Network::parameters`].
    ///
    /// # Errors
    /// If the network is inconsistent or has continuous actions, or the parameters are not its.
    pub fn new(network: &Network, parameters: Vec<f32>, config: AdamConfig) -> Result<Self> {
        let model = Model::new(network, &parameters)?;
        Ok(Self {
            model,
            shape: RowShape::of(network)?,
            adam: AdamState::new(parameters.len()),
            gradient: vec![0.0; parameters.len()],
            parameters,
            config,
            shards: Vec::new(),
            interrupt: Interrupt::default(),
        })
    }

    /// From now on, `interrupt` makes steps fail.
    pub fn interrupt_by(&mut self, interrupt: &Interrupt) {
        self.interrupt = interrupt.clone();
    }

    /// The parameters.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The optimiser's state.
    pub fn adam(&self) -> &AdamState {
        &self.adam
    }

    /// Continues from a saved state.
    ///
    /// # Errors
    /// If a length is not the number of parameters.
    pub fn restore(&mut self, parameters: &[f32], adam: AdamState) -> Result<()> {
        let count = self.parameters.len();
        for (name, found) in [("adam.m", adam.m.len()), ("adam.v", adam.v.len())] {
            if found != count {
                let expected = format!("{count} values");
                return Err(twisterl_core::Error::weights(name, expected, found).into());
            }
        }
        self.model.load(parameters)?;
        self.parameters.copy_from_slice(parameters);
        self.adam = adam;
        Ok(())
    }

    /// One optimiser step on the samples `indices` of `objective`: gradient of the mean loss, clipped to `max_grad_norm` if
    /// given, Adam with learning rate `lr`. Runs on the current rayon pool; the result does not depend on its size.
    ///
    /// # Errors
    /// If a row does not fit the network, or the loss or its gradient is not finite; the parameters are then still
    /// those of before.
    pub fn step<O: Objective>(
        &mut self,
        objective: &O,
        indices: &[u32],
        max_grad_norm: Option<f32>,
        lr: f32,
    ) -> Result<<O::Loss as Loss>::Stats> {
        self.interrupt.check()?;
        objective.check(&self.shape)?;
        let cut = Cut::new(indices.len(), self.model.max_rows());
        while self.shards.len() < cut.shards {
            self.shards.push(Gradient::default());
        }
        let (this, count) = (&*self, self.parameters.len());
        let parts = (0..cut.shards).into_par_iter().zip(&self.shards).map(|(shard, gradient)| {
            reset(gradient, count);
            let mut stats = <O::Loss as Loss>::Stats::default();
            for rows in cut.shard(shard) {
                let rows = indices.get(rows).unwrap_or(&[]);
                stats.merge(&this.micro_batch(objective, rows, indices.len(), gradient)?);
            }
            Ok(stats)
        });
        let parts = parts.collect::<Vec<Result<_>>>();
        let mut stats = <O::Loss as Loss>::Stats::default();
        for part in parts {
            stats.merge(&part?);
        }
        finite("the loss", stats.total_loss())?;
        let norm = self.reduce(cut.shards).sqrt();
        finite("the gradient's norm", norm)?;
        stats.count_step(norm);
        // As PyTorch's clip_grad_norm_.
        let scale = max_grad_norm.map_or(1.0, |max| (max / (norm as f32 + 1e-6)).min(1.0));
        self.adam.step(&self.config, &mut self.parameters, &self.gradient, scale, f64::from(lr));
        self.model.load(&self.parameters)?;
        Ok(stats)
    }

    /// Forward and backward pass of some of `total` samples, whose share of the gradient is added to `gradient`.
    fn micro_batch<O: Objective>(
        &self,
        objective: &O,
        indices: &[u32],
        total: usize,
        gradient: &Gradient,
    ) -> Result<<O::Loss as Loss>::Stats> {
        let (observations, loss) = objective.gather(&self.shape, indices)?;
        let (logits, values) = self.model.forward(observations, Some(gradient))?;
        let (loss, outcome) = LossOp::apply(loss, 1.0 / total as f64, &logits, &values)?;
        loss.backward()?;
        Ok(outcome.get().map(|o| o.stats.clone()).unwrap_or_default())
    }

    /// Sums the first `shards` gradients in their order into `self.gradient`. Returns the sum of its squares.
    fn reduce(&mut self, shards: usize) -> f64 {
        let shards: Vec<MutexGuard<'_, Vec<f32>>> =
            self.shards.iter().take(shards).map(|s| lock(s)).collect();
        let shards: Vec<&[f32]> = shards.iter().map(|s| s.as_slice()).collect();
        let squares = self.gradient.par_chunks_mut(CHUNK).enumerate().map(|(i, sum)| {
            sum.fill(0.0);
            for shard in &shards {
                let part = shard.get(i * CHUNK..).unwrap_or(&[]);
                vectorised(|| sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += x));
            }
            sum_of_squares(sum)
        });
        squares.collect::<Vec<f64>>().into_iter().sum()
    }
}

/// A gradient left behind by a panic is as good as any: it is cleared before use.
fn lock(gradient: &Gradient) -> MutexGuard<'_, Vec<f32>> {
    gradient.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `count` zeros.
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
