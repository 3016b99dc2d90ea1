//! The gradient of `residual`.

use super::activation::activate;
use super::{Differentiable, Parameters, find, row_shape};
use candle_core::{Error, Result, Tensor};
use twisterl_core::policy::layers::Residual;

impl Differentiable for Residual {
    fn apply(&self, x: &Tensor, parameters: &Parameters<'_>) -> Result<Tensor> {
        let layers = self.placed(row_shape(x)?).map_err(Error::wrap)?;
        let (mut y, mut first) = (x.clone(), 0);
        for layer in &layers {
            let last = first + layer.parameters().len();
            let apply = find(layer.spec()).map_err(Error::wrap)?;
            y = apply(layer.spec(), &y, &parameters.part(first..last))?;
            first = last;
        }
        activate(self.activation, &(x + y)?)
    }
}
