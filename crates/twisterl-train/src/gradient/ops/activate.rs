//! An activation as an op of its own, for functions whose derivative needs the input.

use super::{Values, values};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use twisterl_core::policy::layers::Activation;

/// `y = f(x)`, elementwise.
#[derive(Debug, Clone, Copy)]
pub struct Activate(pub Activation);

impl CustomOp1 for Activate {
    fn name(&self) -> &'static str {
        "activate"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut y = values("activate", x, layout)?.to_vec();
        self.0.apply(&mut y);
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        let (x_values, dy) = (Values::of(x), Values::of(&dy));
        let pairs = x_values.get()?.iter().zip(dy.get()?);
        let dx: Vec<f32> = pairs.map(|(&x, dy)| dy * self.0.derivative(x)).collect();
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}
