//! The twin of `attention`.

use crate::gradient::layers::linear::{dense, like_rows, vectors};
use crate::gradient::layers::{Differentiable, Parameters};
use crate::gradient::ops::attention::Attend;
use candle_core::{Result, Tensor};
use twisterl_core::policy::layers::{Activation, Attention};

impl Differentiable for Attention {
    fn apply(&self, x: &Tensor, parameters: &Parameters<'_>) -> Result<Tensor> {
        let rows = x.dims().first().copied().unwrap_or(0);
        let width = x.dims().last().copied().unwrap_or(0);
        let project = |x: &Tensor, first: usize| {
            let (weight, bias) = (parameters.variable(first)?, parameters.variable(first + 1)?);
            dense(x, weight, bias, Activation::Identity, parameters.sink(first..first + 2))
        };
        let projected = project(&vectors(x, width)?, 0)?.reshape((rows, (), 3 * width))?;
        let mixed = projected.apply_op1(Attend { heads: self.heads })?;
        like_rows(x, project(&vectors(&mixed, width)?, 2)?, x.dims().get(1..).unwrap_or(&[]))
    }
}
