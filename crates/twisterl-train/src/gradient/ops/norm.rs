//! Layer normalisation as one op.

use super::kernels::vectorised;
use super::{Sink, Values, parameter_gradients, values};
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use twisterl_core::policy::layers::LayerNorm;

/// `y = (x - mean) / deviation * w + b` of each vector of `x`, `[vectors, width]`, with `w` and `b`, `[width]`.
#[derive(Debug, Clone)]
pub struct Norm {
    /// The layer.
    pub kind: LayerNorm,
    /// The sink for the gradients of `w` and `b`.
    pub sink: Option<Sink>,
}

/// Returns the width, if all shapes agree.
fn width(x: &Shape, weight: &Shape, bias: &Shape) -> Result<usize> {
    match (x.dims2()?.1, weight.dims(), bias.dims()) {
        (width, &[w], &[b]) if w == width && b == width && width > 0 => Ok(width),
        _ => bail!("layer-norm: x {x:?}, weight {weight:?} and bias {bias:?} do not fit"),
    }
}

impl CustomOp3 for Norm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let width = width(x_layout.shape(), weight_layout.shape(), bias_layout.shape())?;
        let x = values("layer-norm", x, x_layout)?;
        let weight = values("layer-norm", weight, weight_layout)?;
        let bias = values("layer-norm", bias, bias_layout)?;
        let mut y = Vec::with_capacity(x.len());
        for x in x.chunks_exact(width) {
            let (mean, scale) = self.kind.moments(x);
            let parameters = weight.iter().zip(bias);
            y.extend(x.iter().zip(parameters).map(|(x, (w, b))| (x - mean) * scale * w + b));
        }
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    /// With `n = (x - mean) / deviation` and `g = dy w`: `dx = (g - mean(g) - n mean(g n)) / deviation`.
    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let width = width(x.shape(), weight.shape(), bias.shape())?;
        let dy = dy.contiguous()?;
        let (x_values, w, dy) = (Values::of(x), Values::of(weight), Values::of(&dy));
        let (x_values, w, dy) = (x_values.get()?, w.get()?, dy.get()?);
        let mut dx = vec![0.0; x_values.len()];
        let (dw, db) = parameter_gradients(self.sink.as_ref(), weight, bias, |dw, db| {
            vectorised(|| {
                let rows = x_values.chunks_exact(width).zip(dy.chunks_exact(width));
                for ((x, dy), dx) in rows.zip(dx.chunks_exact_mut(width)) {
                    let (mean, scale) = self.kind.moments(x);
                    let (mut sum, mut weighted) = (0.0, 0.0);
                    for i in 0..width {
                        let (n, g) = ((x[i] - mean) * scale, dy[i] * w[i]);
                        dw[i] += dy[i] * n;
                        db[i] += dy[i];
                        sum += g;
                        weighted += g * n;
                    }
                    let (sum, weighted) = (sum / width as f32, weighted / width as f32);
                    for i in 0..width {
                        let (n, g) = ((x[i] - mean) * scale, dy[i] * w[i]);
                        dx[i] = (g - sum - n * weighted) * scale;
                    }
                }
            });
            Ok(())
        })?;
        Ok((Some(Tensor::from_vec(dx, x.shape(), x.device())?), dw, db))
    }
}
