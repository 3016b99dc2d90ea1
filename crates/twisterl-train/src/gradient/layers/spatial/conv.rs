//! The gradients of `conv1d` and `conv2d`: patches, and a dense layer on them.

use crate::gradient::layers::linear::{dense, like_rows, vectors};
use crate::gradient::layers::{Differentiable, Parameters, output_of, row_shape};
use crate::gradient::ops::gather::Gather;
use candle_core::{Error, Result, Tensor};
use twisterl_core::policy::layers::{Activation, Conv1d, Conv2d, Patches};

impl Differentiable for Conv1d {
    fn apply(&self, x: &Tensor, parameters: &Parameters<'_>) -> Result<Tensor> {
        let patches = self.patches(row_shape(x)?).map_err(Error::wrap)?;
        let y = convolve(x, patches, self.activation, self.bias, parameters)?;
        like_rows(x, y, &output_of(self, x)?)
    }
}

impl Differentiable for Conv2d {
    fn apply(&self, x: &Tensor, parameters: &Parameters<'_>) -> Result<Tensor> {
        let patches = self.patches(row_shape(x)?).map_err(Error::wrap)?;
        let y = convolve(x, patches, self.activation, self.bias, parameters)?;
        like_rows(x, y, &output_of(self, x)?)
    }
}

/// Applies a convolution. Returns `[rows * positions, channels]`.
fn convolve(
    x: &Tensor,
    patches: Patches,
    activation: Activation,
    has_bias: bool,
    parameters: &Parameters<'_>,
) -> Result<Tensor> {
    let weight = parameters.variable(0)?;
    let none;
    let bias = match has_bias {
        true => parameters.variable(1)?,
        false => {
            none = Tensor::zeros(weight.dim(0)?, x.dtype(), x.device())?;
            &none
        }
    };
    let sink = parameters.sink(0..1 + usize::from(has_bias));
    let x = vectors(&x.contiguous()?.apply_op1(Gather(patches.order))?, patches.patch)?;
    dense(&x, weight, bias, activation, sink)
}
