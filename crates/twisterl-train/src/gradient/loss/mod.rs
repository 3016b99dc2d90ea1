//! What training minimises: losses with their gradients in closed form, as candle ops on (logits, values).

pub mod imitation;
pub mod ppo;

use crate::data::batch::RowShape;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use serde_json::{Map, Value, json};
use std::sync::{Arc, OnceLock};
use twisterl_core::space::Observations;

/// Samples and what is to be learned from them.
pub trait Objective: Sync {
    /// The loss of some of the samples.
    type Loss: Loss + 'static;

    /// Whether the samples fit a network whose rows have this shape.
    ///
    /// # Errors
    /// Names the array that does not.
    fn check(&self, shape: &RowShape) -> crate::Result<()>;

    /// The observations of the samples `indices`, and their loss.
    ///
    /// # Errors
    /// If there is no such sample, or one that cannot be.
    fn gather(
        &self,
        shape: &RowShape,
        indices: &[u32],
    ) -> crate::Result<(Observations, Self::Loss)>;
}

/// A loss that is a sum over rows.
pub trait Loss: Send + Sync {
    /// What is reported of it.
    type Stats: Stats;

    /// Value and gradients for `logits` (rows x action parameters) and `values` (rows), each row's share of them multiplied by
    /// `weight`; statistics are not.
    ///
    /// # Errors
    /// If the shapes do not fit the loss.
    fn evaluate(
        &self,
        logits: &[f32],
        values: &[f32],
        weight: f64,
    ) -> Result<LossOutput<Self::Stats>>;
}

/// Sums over rows, from which the means that are reported come. Adding them up in a fixed order makes them
/// independent of the number of threads.
pub trait Stats: Default + Clone + Send + Sync {
    /// Adds those of further rows.
    fn merge(&mut self, other: &Self);

    /// Mean of the whole loss.
    fn total_loss(&self) -> f64;

    /// Counts an optimiser step whose gradient had this norm before clipping.
    fn count_step(&mut self, grad_norm: f64);
}

/// What an evaluation of a loss gives.
#[derive(Debug)]
pub struct LossOutput<S> {
    /// Sums over the rows.
    pub stats: S,
    /// The weighted loss.
    pub loss: f64,
    /// Its gradient by the logits.
    pub logits_gradient: Vec<f32>,
    /// Its gradient by the values.
    pub values_gradient: Vec<f32>,
}

/// Where the outcome of a [`LossOp`] is found after its forward pass.
pub type LossOutputCell<S> = Arc<OnceLock<LossOutput<S>>>;

/// A loss of some rows as a candle op.
pub struct LossOp<L: Loss> {
    loss: L,
    /// Each row's weight: 1 / the number of rows of the whole minibatch.
    weight: f64,
    /// Filled by the forward pass: the gradient comes out of it nearly for free, so the backward pass only hands it on.
    outcome: LossOutputCell<L::Stats>,
}

impl<L: Loss + 'static> LossOp<L> {
    /// The loss of `logits` (rows, action parameters) and `values` (rows, 1): a scalar, the sum over the rows times `weight`, and
    /// where its statistics are found.
    ///
    /// # Errors
    /// If the shapes do not fit the loss.
    pub fn apply(
        loss: L,
        weight: f64,
        logits: &Tensor,
        values: &Tensor,
    ) -> Result<(Tensor, LossOutputCell<L::Stats>)> {
        let outcome = Arc::new(OnceLock::new());
        let op = Self { loss, weight, outcome: Arc::clone(&outcome) };
        Ok((logits.apply_op2(values, op)?, outcome))
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
        let outcome = self.loss.evaluate(logits, values, self.weight)?;
        let loss = outcome.loss as f32;
        if self.outcome.set(outcome).is_err() {
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
        let Some(outcome) = self.outcome.get() else { bail!("loss: no forward pass went before") };
        let upstream = gradient.to_scalar::<f32>()?;
        let scaled = |gradient: &[f32], like: &Tensor| {
            let gradient: Vec<f32> = gradient.iter().map(|g| g * upstream).collect();
            Tensor::from_vec(gradient, like.shape(), like.device()).map(Some)
        };
        Ok((scaled(&outcome.logits_gradient, logits)?, scaled(&outcome.values_gradient, values)?))
    }
}

/// Named means, in order.
fn means<const N: usize>(means: [(&str, f64); N]) -> Map<String, Value> {
    means.map(|(name, mean)| (name.to_owned(), json!(mean))).into_iter().collect()
}
