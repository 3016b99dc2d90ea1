//! The gradient of `layer_norm`.

use super::linear::{like_rows, vectors};
use super::{Differentiable, Parameters, row_shape};
use crate::gradient::ops::norm::Norm;
use candle_core::{D, Result, Tensor};
use twisterl_core::policy::layers::LayerNorm;

impl Differentiable for LayerNorm {
    fn apply(&self, x: &Tensor, parameters: &Parameters<'_>) -> Result<Tensor> {
        let width = x.dim(D::Minus1)?;
        let norm = Norm { kind: self.clone(), sink: parameters.sink(0..2) };
        let (weight, bias) = (parameters.variable(0)?, parameters.variable(1)?);
        let y = vectors(x, width)?.contiguous()?.apply_op3(weight, bias, norm)?;
        like_rows(x, y, row_shape(x)?)
    }
}
