//! The gradients of `flatten`, `reshape` and `transpose`.

use crate::gradient::layers::linear::like_rows;
use crate::gradient::layers::{Differentiable, Parameters, output_of, row_shape};
use crate::gradient::ops::gather::Gather;
use candle_core::{Result, Tensor};
use twisterl_core::policy::layers::{Flatten, Reshape, Transpose};

impl Differentiable for Flatten {
    fn apply(&self, x: &Tensor, _: &Parameters<'_>) -> Result<Tensor> {
        like_rows(x, x.clone(), &output_of(self, x)?)
    }
}

impl Differentiable for Reshape {
    fn apply(&self, x: &Tensor, _: &Parameters<'_>) -> Result<Tensor> {
        like_rows(x, x.clone(), &output_of(self, x)?)
    }
}

impl Differentiable for Transpose {
    fn apply(&self, x: &Tensor, _: &Parameters<'_>) -> Result<Tensor> {
        let order = self.order(row_shape(x)?);
        like_rows(x, x.contiguous()?.apply_op1(Gather(order))?, &output_of(self, x)?)
    }
}
