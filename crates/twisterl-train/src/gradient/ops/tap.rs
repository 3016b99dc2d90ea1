//! The op at which candle's gradient of a parameter leaves the graph.

use super::{Sink, Values, values};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// `y = x`; the gradient is added to the sink instead of candle's gradient store.
#[derive(Debug, Clone)]
pub struct Tap(pub Sink);

impl CustomOp1 for Tap {
    fn name(&self) -> &'static str {
        "tap"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values("tap", x, layout)?.to_vec();
        Ok((CpuStorage::F32(x), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        let dy = Values::of(&dy);
        let dy = dy.get()?;
        self.0.add(x.elem_count(), |sum| {
            sum.iter_mut().zip(dy).for_each(|(sum, dy)| *sum += dy);
            Ok(())
        })?;
        Ok(None)
    }
}
