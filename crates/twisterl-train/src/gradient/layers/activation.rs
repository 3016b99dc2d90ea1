//! The gradient of `activation`.

use super::{Differentiable, Parameters};
use crate::gradient::ops;
use candle_core::{Result, Tensor};
use twisterl_core::policy::layers::{Activate, Activation};

impl Differentiable for Activate {
    fn apply(&self, x: &Tensor, _: &Parameters<'_>) -> Result<Tensor> {
        activate(self.function, x)
    }
}

/// Returns `f(x)`, elementwise.
pub(super) fn activate(function: Activation, x: &Tensor) -> Result<Tensor> {
    match function {
        Activation::Identity => Ok(x.clone()),
        other => x.contiguous()?.apply_op1(ops::activate::Activate(other)),
    }
}
