//! The gradient of `linear`.

use super::activation::activate;
use super::{Differentiable, Parameters, output_of, row_shape};
use crate::gradient::ops::Sink;
use crate::gradient::ops::linear;
use candle_core::{Result, Tensor};
use twisterl_core::policy::layers::{Activation, Linear};

impl Differentiable for Linear {
    fn apply(&self, x: &Tensor, parameters: &Parameters<'_>) -> Result<Tensor> {
        let output = output_of(self, x)?;
        let inputs = self.width(row_shape(x)?);
        let x_vectors = vectors(x, inputs)?;
        let (weight, bias) = (parameters.variable(0)?, parameters.variable(1)?);
        let y = dense(&x_vectors, weight, bias, self.activation, parameters.sink(0..2))?;
        like_rows(x, y, &output)
    }
}

/// Reshapes `x` to `[vectors, width]`.
pub(in crate::gradient::layers) fn vectors(x: &Tensor, width: usize) -> Result<Tensor> {
    match x.dims() {
        [_, found] if *found == width => Ok(x.clone()),
        _ => x.reshape(((), width)),
    }
}

/// Reshapes `y`, which was computed from the rows of `x`, to `[rows, ..shape]`.
pub(in crate::gradient::layers) fn like_rows(
    x: &Tensor,
    y: Tensor,
    shape: &[usize],
) -> Result<Tensor> {
    let shape = [&[x.dim(0)?], shape].concat();
    if y.dims() == shape { Ok(y) } else { y.reshape(shape) }
}

/// Applies a dense layer to `x`, `[vectors, inputs]`.
pub(in crate::gradient::layers) fn dense(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    activation: Activation,
    sink: Option<Sink>,
) -> Result<Tensor> {
    let (fused, rest) = match activation {
        Activation::Gelu | Activation::Silu => (Activation::Identity, activation),
        fused => (fused, Activation::Identity),
    };
    activate(rest, &linear::Linear { activation: fused, sink }.apply(x, weight, bias)?)
}
