//! A function as an evaluator, for tests and for search without a network.

use super::{Evaluation, Evaluator};
use crate::Result;
use crate::evaluator::distribution::ActionDistribution;
use crate::space::Observations;

/// Evaluates each row by a function of its ones and its dense values, which writes the action parameters (0 before) and
/// returns the value.
#[derive(Debug, Clone)]
pub struct Mock<F> {
    distribution: ActionDistribution,
    function: F,
}

impl<F: Fn(&[u32], &[f32], &mut [f32]) -> f32 + Sync> Mock<F> {
    /// Returns an evaluator for one choice among `width`, at least 1.
    pub fn new(width: usize, function: F) -> Self {
        Self::of(ActionDistribution::categorical(width), function)
    }

    /// Returns an evaluator for actions of `distribution`.
    pub fn of(distribution: ActionDistribution, function: F) -> Self {
        Self { distribution, function }
    }
}

impl Mock<fn(&[u32], &[f32], &mut [f32]) -> f32> {
    /// Returns an evaluator with equal logits and values of 0.
    pub fn uniform(width: usize) -> Self {
        Self::new(width, |_, _, _| 0.0)
    }
}

impl<F: Fn(&[u32], &[f32], &mut [f32]) -> f32 + Sync> Evaluator for Mock<F> {
    fn distribution(&self) -> &ActionDistribution {
        &self.distribution
    }

    fn evaluate(&self, observations: &Observations, out: &mut Evaluation) -> Result<()> {
        let width = self.distribution.width();
        out.actions.clear();
        out.actions.resize(observations.len() * width, 0.0);
        out.values.clear();
        for row in 0..observations.len() {
            let (ones, dense) = (observations.ones(row), observations.values(row));
            let parameters = &mut out.actions[row * width..(row + 1) * width];
            out.values.push((self.function)(ones, dense, parameters));
        }
        Ok(())
    }
}
