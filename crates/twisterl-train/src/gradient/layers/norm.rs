//! The twin of `layer_norm`.

use super::linear::{like_rows, vectors};
use super::{Differentiable, Parameters};
use crate::gradient::ops::norm::Norm;
use candle_core::{Result, Tensor};
use twisterl_core::policy::layers::LayerNorm;

impl Differentiable for LayerNorm {
    fn apply(&self, x: &Tensor, parameters: &Parameters<'_>) -> Result<Tensor> {
        let width = x.dims().last().copied().unwrap_or(0);
        let norm = Norm { kind: self.clone(), sink: parameters.sink(0..2) };
        let (weight, bias) = (parameters.variable(0)?, parameters.variable(1)?);
        let y = vectors(x, width)?.contiguous()?.apply_op3(weight, bias, norm)?;
        like_rows(x, y, x.dims().get(1..).unwrap_or(&[]))
    }
}
