//! The losses that training minimises, with their gradients in closed form, as candle ops on (logits, values).

pub mod imitation;
pub mod ppo;
mod statistics;

pub use self::statistics::LossStatistics;

use crate::data::batch::RowShape;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use serde_json::{Map, Value};
use std::sync::{Arc, OnceLock};
use twisterl_core::space::Observations;

/// Samples with their loss.
pub trait Objective: Sync {
    /// The loss of some of the samples.
    type Loss: Loss + 'static;

    /// The number of samples.
    fn rows(&self) -> usize;

    /// Checks that the samples fit a network whose rows have this shape.
    ///
    /// # Errors
    /// Names the array that does not.
    fn check(&self, shape: &RowShape) -> crate::Result<()>;

    /// Gathers the observations of the samples `indices`, and their loss. The samples must have passed
    /// [`check`](Self::check).
    ///
    /// # Errors
    /// If there is no such sample, or one of them is invalid.
    fn gather(
        &self,
        shape: &RowShape,
        indices: &[u32],
    ) -> crate::Result<(Observations, Self::Loss)>;

    /// The metrics of this objective, from the statistics of its loss.
    fn metrics(&self, statistics: &LossStatistics) -> Map<String, Value>;
}

/// A loss that is a sum over rows.
pub trait Loss: Send + Sync {
    /// Computes value and gradients for `logits`, `[rows, action parameters]`, and `values`, `[rows]`. Each row's share
    /// is multiplied by `weight`, except in the statistics.
    ///
    /// # Errors
    /// If the shapes do not fit the loss.
    fn evaluate(&self, logits: &[f32], values: &[f32], weight: f64) -> Result<LossOutput>;
}

/// The result of a loss.
#[derive(Debug)]
pub struct LossOutput {
    /// Sums over the rows.
    pub statistics: LossStatistics,
    /// The weighted loss.
    pub loss: f64,
    /// Its gradient by the logits, `[rows, action parameters]`.
    pub logits_gradient: Vec<f32>,
    /// Its gradient by the values, `[rows]`.
    pub values_gradient: Vec<f32>,
}

/// Holds the output of a [`LossOp`] once its forward pass has run.
#[derive(Debug, Clone, Default)]
pub struct LossOutputCell(Arc<OnceLock<LossOutput>>);

impl LossOutputCell {
    /// The output.
    ///
    /// # Errors
    /// If there was no forward pass.
    pub fn get(&self) -> Result<&LossOutput> {
        match self.0.get() {
            Some(output) => Ok(output),
            None => bail!("loss: expected a forward pass first"),
        }
    }

    /// The statistics of the output.
    ///
    /// # Errors
    /// If there was no forward pass.
    pub fn statistics(&self) -> crate::Result<LossStatistics> {
        Ok(self.get()?.statistics)
    }
}

/// A loss of some rows as a candle op.
pub struct LossOp<L: Loss> {
    loss: L,
    /// Each row's weight: 1 / the number of rows of the whole minibatch.
    weight: f64,
    /// Filled by the forward pass, which computes the gradient at little cost: the backward pass only scales it.
    output: LossOutputCell,
}

impl<L: Loss + 'static> LossOp<L> {
    /// Returns the loss of `logits`, `[rows, action parameters]`, and `values`, `[rows, 1]`: a scalar, the sum over the
    /// rows times `weight`, and the cell that holds its output.
    ///
    /// # Errors
    /// If the shapes do not fit the loss.
    pub fn apply(
        loss: L,
        weight: f64,
        logits: &Tensor,
        values: &Tensor,
    ) -> Result<(Tensor, LossOutputCell)> {
        let output = LossOutputCell::default();
        let op = Self { loss, weight, output: output.clone() };
        Ok((logits.apply_op2(values, op)?, output))
    }
}

impl<L: Loss> CustomOp2 for LossOp<L> {
    fn name(&self) -> &'static str {
        "loss"
    }

    fn cpu_fwd(
        &self,
        logits: &CpuStorage,
        logits_layout: &Layout,
        values: &CpuStorage,
        values_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let logits = crate::gradient::ops::values("loss", logits, logits_layout)?;
        let values = crate::gradient::ops::values("loss", values, values_layout)?;
        let output = self.loss.evaluate(logits, values, self.weight)?;
        let loss = output.loss as f32;
        if self.output.0.set(output).is_err() {
            bail!("loss: an op object is for one forward pass")
        }
        Ok((CpuStorage::F32(vec![loss]), Shape::from(())))
    }

    fn bwd(
        &self,
        logits: &Tensor,
        values: &Tensor,
        _loss: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let output = self.output.get()?;
        let upstream = gradient.to_scalar::<f32>()?;
        let scaled = |gradient: &[f32], like: &Tensor| {
            let gradient: Vec<f32> = gradient.iter().map(|g| g * upstream).collect();
            Tensor::from_vec(gradient, like.shape(), like.device()).map(Some)
        };
        Ok((scaled(&output.logits_gradient, logits)?, scaled(&output.values_gradient, values)?))
    }
}
