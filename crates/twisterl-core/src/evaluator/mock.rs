//! An evaluator that is a function, for tests and for search without a network.

use super::{Evaluation, Evaluator};
use crate::space::Observations;
use crate::{Error, Result};

/// Judges each row by a function of its ones and its dense values, which writes the logits (all 0 before) and returns
/// the value.
#[derive(Debug, Clone)]
pub struct Mock<F> {
    width: usize,
    judge: F,
}

impl<F: Fn(&[u32], &[f32], &mut [f32]) -> f32 + Sync> Mock<F> {
    /// An evaluator of `width` action parameters a row.
    pub fn new(width: usize, judge: F) -> Self {
        Self { width, judge }
    }
}

impl Mock<fn(&[u32], &[f32], &mut [f32]) -> f32> {
    /// Finds every action equally likely and every state worth 0.
    pub fn uniform(width: usize) -> Self {
        Self::new(width, |_, _, _| 0.0)
    }
}

impl<F: Fn(&[u32], &[f32], &mut [f32]) -> f32 + Sync> Evaluator for Mock<F> {
    fn action_width(&self) -> usize {
        self.width
    }

    fn evaluate(&self, observations: &Observations, out: &mut Evaluation) -> Result<()> {
        if self.width == 0 {
            return Err(Error::config("policy", "at least one action output", 0));
        }
        out.actions.clear();
        out.actions.resize(observations.len() * self.width, 0.0);
        out.values.clear();
        for (row, logits) in out.actions.chunks_exact_mut(self.width).enumerate() {
            let (ones, dense) = (observations.ones(row), observations.values(row));
            out.values.push((self.judge)(ones, dense, logits));
        }
        Ok(())
    }
}
