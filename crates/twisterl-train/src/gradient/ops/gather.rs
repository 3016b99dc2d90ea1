//! The values of each row in another order, some of them repeatedly: patches of convolutions, transposed axes.

use super::{Values, values};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use std::sync::Arc;

/// `y[row, i] = x[row, order[i]]`, or 0 where `order[i]` is past the end of the row, which is padding; `x` is `[rows, ..]`,
/// `y` is `[rows, places]`.
#[derive(Debug, Clone)]
pub struct Gather(pub Arc<[u32]>);

/// Returns the number of rows, and of values in each.
fn sizes(shape: &Shape) -> Result<(usize, usize)> {
    match *shape.dims() {
        [rows, ref axes @ ..] => Ok((rows, axes.iter().product())),
        [] => bail!("gather: expected rows, found a scalar"),
    }
}

impl CustomOp1 for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = sizes(layout.shape())?;
        let x = values("gather", x, layout)?;
        let mut y = Vec::with_capacity(rows * self.0.len());
        for row in x.chunks_exact(width.max(1)) {
            y.extend(self.0.iter().map(|&i| row.get(i as usize).copied().unwrap_or(0.0)));
        }
        Ok((CpuStorage::F32(y), Shape::from((rows, self.0.len()))))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        if !x.track_op() {
            return Ok(None);
        }
        let (_, width) = sizes(x.shape())?;
        let dy = dy.contiguous()?;
        let dy = Values::of(&dy);
        let mut dx = vec![0.0; x.elem_count()];
        let rows = dy.get()?.chunks_exact(self.0.len().max(1));
        for (dx, dy) in dx.chunks_exact_mut(width.max(1)).zip(rows) {
            for (&i, dy) in self.0.iter().zip(dy) {
                // Padding has no gradient.
                if let Some(dx) = dx.get_mut(i as usize) {
                    *dx += dy;
                }
            }
        }
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}
