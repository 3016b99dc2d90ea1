//! The twin of `pool`, from candle's own operations.

use crate::gradient::layers::{Differentiable, Parameters};
use candle_core::{Result, Tensor};
use twisterl_core::policy::layers::{Pool, PoolBy};

impl Differentiable for Pool {
    fn apply(&self, x: &Tensor, _: &Parameters<'_>) -> Result<Tensor> {
        // (rows, ..tokens, width)
        let width = x.dims().last().copied().unwrap_or(0);
        let x = x.flatten(1, x.rank().saturating_sub(2))?.reshape((x.dims()[0], (), width))?;
        match self.by {
            PoolBy::Mean => x.mean(1),
            PoolBy::Sum => x.sum(1),
            // Tokens that are equal are common: the gradient is that of one of them, where `max` would count each.
            PoolBy::Max => x.gather(&x.argmax_keepdim(1)?, 1)?.squeeze(1),
        }
    }
}
