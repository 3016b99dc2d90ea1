//! The gradient of `attention`.

use crate::gradient::layers::linear::{dense, like_rows, vectors};
use crate::gradient::layers::{Differentiable, Parameters, row_shape};
use crate::gradient::ops::attention::Attend;
use candle_core::{D, Result, Tensor};
use twisterl_core::policy::layers::{Activation, Attention};

impl Differentiable for Attention {
    fn apply(&self, x: &Tensor, parameters: &Parameters<'_>) -> Result<Tensor> {
        let (rows, width) = (x.dim(0)?, x.dim(D::Minus1)?);
        let project = |x: &Tensor, first: usize| {
            let (weight, bias) = (parameters.variable(first)?, parameters.variable(first + 1)?);
            dense(x, weight, bias, Activation::Identity, parameters.sink(first..first + 2))
        };
        let projected = project(&vectors(x, width)?, 0)?.reshape((rows, (), 3 * width))?;
        let mixed = projected.apply_op1(Attend { heads: self.heads })?;
        like_rows(x, project(&vectors(&mixed, width)?, 2)?, row_shape(x)?)
    }
}
