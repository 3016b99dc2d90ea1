//! The gradient of `positions`, from candle's own operations.

use crate::gradient::layers::{Differentiable, Parameters};
use candle_core::{Result, Tensor};
use twisterl_core::policy::layers::Positions;

impl Differentiable for Positions {
    fn apply(&self, x: &Tensor, parameters: &Parameters<'_>) -> Result<Tensor> {
        x.broadcast_add(&parameters.tensor(0)?)
    }
}
