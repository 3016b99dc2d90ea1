//! The gradient of `pool`, from candle's own operations.

use crate::gradient::layers::{Differentiable, Parameters};
use candle_core::{D, Result, Tensor};
use twisterl_core::policy::layers::{Pool, PoolBy};

impl Differentiable for Pool {
    fn apply(&self, x: &Tensor, _: &Parameters<'_>) -> Result<Tensor> {
        // `[rows, ..tokens, width]` to `[rows, tokens, width]`
        let x = x.reshape((x.dim(0)?, (), x.dim(D::Minus1)?))?;
        match self.by {
            PoolBy::Mean => x.mean(1),
            PoolBy::Sum => x.sum(1),
            // Equal tokens are common: the gradient is that of one of them, while `max` would count each.
            PoolBy::Max => x.gather(&x.argmax_keepdim(1)?, 1)?.squeeze(1),
        }
    }
}
