//! An evaluator that is a function, for tests and for search without a network.

use super::{Evaluation, Evaluator};
use crate::Result;
use crate::evaluator::distribution::ActionDistribution;
use crate::space::Observations;

/// Judges each row by a function of its ones and its dense values, which writes the logits (all 0 before) and returns
/// the value.
#[derive(Debug, Clone)]
pub struct Mock<F> {
    distribution: ActionDistribution,
    judge: F,
}

impl<F: Fn(&[u32], &[f32], &mut [f32]) -> f32 + Sync> Mock<F> {
    /// An evaluator for one choice among `width`, at least 1.
    pub fn new(width: usize, judge: F) -> Self {
        Self::of(ActionDistribution::categorical(width), judge)
    }

    /// An evaluator for actions of this distribution.
    pub fn of(distribution: ActionDistribution, judge: F) -> Self {
        Self { distribution, judge }
    }
}

impl Mock<fn(&[u32], &[f32], &mut [f32]) -> f32> {
    /// Finds every action equally likely and every state worth 0.
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
        for (row, logits) in out.actions.chunks_exact_mut(width.max(1)).enumerate() {
            let (ones, dense) = (observations.ones(row), observations.values(row));
            out.values.push((self.judge)(ones, dense, logits));
        }
        Ok(())
    }
}
