//! Running averages of the weights (Polyak and Juditsky 1992): the policy that is evaluated and saved, while training
//! continues with the weights themselves.
//!
//! At a high learning rate the weights fluctuate around a good policy; their average does not.

use crate::Result;
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::scaling::Scaling;

/// An exponential moving average of the weights, with its executor.
#[derive(Debug, Clone)]
pub struct WeightAverage {
    decay: f64,
    weights: Vec<f32>,
    executor: Executor,
}

impl WeightAverage {
    /// Starts at `weights`, whose executor is `executor`. Returns `None` if the decay is 0.
    pub fn new(decay: f64, weights: &[f32], executor: &Executor) -> Option<Self> {
        let average = || Self { decay, weights: weights.to_vec(), executor: executor.clone() };
        (decay > 0.0).then(average)
    }

    /// Adds the weights after iteration `number` (from 0). The decay rises to its value over the first iterations, so
    /// that the random initial weights lose their influence early.
    ///
    /// # Errors
    /// If the number of weights is not that of the network.
    pub fn update(&mut self, weights: &[f32], number: u64) -> Result<()> {
        let rising = (1.0 + number as f64) / (10.0 + number as f64);
        let share = (1.0 - self.decay.min(rising)) as f32;
        for (average, &weight) in self.weights.iter_mut().zip(weights) {
            *average += share * (weight - *average);
        }
        self.executor.load(&self.weights)?;
        Ok(())
    }

    /// Continues from a saved average.
    ///
    /// # Errors
    /// If the number of weights is not that of the network.
    pub fn restore(&mut self, weights: &[f32]) -> Result<()> {
        self.executor.load(weights)?;
        self.weights.copy_from_slice(weights);
        Ok(())
    }

    /// See [`Executor::rescale`].
    ///
    /// # Errors
    /// If the scaling is not for the observations of the network.
    pub fn rescale(&mut self, scaling: &Scaling) -> Result<()> {
        Ok(self.executor.rescale(scaling)?)
    }

    /// The averages, `[weights]`.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The policy with these weights, ready for inference.
    pub fn executor(&self) -> &Executor {
        &self.executor
    }
}
