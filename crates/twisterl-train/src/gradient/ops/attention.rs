//! The inner part of self-attention as one op.

use super::kernels::vectorised;
use super::{Values, values};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use twisterl_core::policy::layers::{Head, attend, dot};

/// All heads of attention on the projections of tokens, `[rows, tokens, 3 * width]`, which hold query, key and value; the
/// result is `[rows, tokens, width]`.
#[derive(Debug, Clone, Copy)]
pub struct Attend {
    /// The number of heads.
    pub heads: usize,
}

impl Attend {
    /// Returns (tokens, width) of the projections.
    fn sizes(self, projected: &Shape) -> Result<(usize, usize)> {
        match projected.dims3()? {
            (_, tokens, triple)
                if tokens > 0 && triple > 0 && self.heads > 0 && triple % (3 * self.heads) == 0 =>
            {
                Ok((tokens, triple / 3))
            }
            _ => bail!("attend: {projected:?} does not fit {} heads", self.heads),
        }
    }

    fn heads(self, width: usize) -> impl Iterator<Item = Head> {
        (0..self.heads).map(move |head| Head { width, heads: self.heads, head })
    }
}

impl CustomOp1 for Attend {
    fn name(&self) -> &'static str {
        "attend"
    }

    fn cpu_fwd(&self, projected: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (tokens, width) = self.sizes(layout.shape())?;
        let projected = values("attend", projected, layout)?;
        let mut out = vec![0.0; projected.len() / 3];
        let mut weights = vec![0.0; tokens * tokens];
        vectorised(|| {
            let rows = projected.chunks_exact(3 * tokens * width);
            for (projected, out) in rows.zip(out.chunks_exact_mut(tokens * width)) {
                self.heads(width).for_each(|head| attend(projected, out, head, &mut weights));
            }
        });
        let rows = out.len() / (tokens * width);
        Ok((CpuStorage::F32(out), Shape::from((rows, tokens, width))))
    }

    fn bwd(&self, projected: &Tensor, _out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (tokens, width) = self.sizes(projected.shape())?;
        let gradient = gradient.contiguous()?;
        let (x, gradient) = (Values::of(projected), Values::of(&gradient));
        let (x, gradient) = (x.get()?, gradient.get()?);
        let mut dx = vec![0.0; x.len()];
        let mut work = Scratch {
            weights: vec![0.0; tokens * tokens],
            out: vec![0.0; tokens * width],
            scores: vec![0.0; tokens],
        };
        vectorised(|| {
            let rows =
                x.chunks_exact(3 * tokens * width).zip(gradient.chunks_exact(tokens * width));
            for ((x, dy), dx) in rows.zip(dx.chunks_exact_mut(3 * tokens * width)) {
                self.heads(width).for_each(|head| work.backward(x, dy, dx, head));
            }
        });
        Ok(Some(Tensor::from_vec(dx, projected.shape(), projected.device())?))
    }
}

/// Memory for the backward pass of one head in one row.
struct Scratch {
    /// `[tokens, tokens]`
    weights: Vec<f32>,
    /// `[tokens, width]`
    out: Vec<f32>,
    /// `[tokens]`
    scores: Vec<f32>,
}

impl Scratch {
    /// Adds the gradients of query, key and value to `dx`. The weights `p = softmax(s)` are computed again; with
    /// `dp[i, j] = dy[i] . v[j]`, `ds = p (dp - sum of p dp over the row)`.
    #[inline(always)]
    fn backward(&mut self, x: &[f32], dy: &[f32], dx: &mut [f32], head: Head) {
        attend(x, &mut self.out, head, &mut self.weights);
        let (width, tokens) = (head.width, self.scores.len());
        let part = |which: usize, token: usize| {
            let place = head.place(which);
            token * 3 * width + place.start..token * 3 * width + place.end
        };
        let rows = dy.chunks_exact(width).zip(self.weights.chunks_exact(tokens)).enumerate();
        for (i, (dy, weights)) in rows {
            let dy = &dy[head.place(0)];
            let mut mean = 0.0;
            for (j, (score, &p)) in self.scores.iter_mut().zip(weights).enumerate() {
                *score = dot(dy, &x[part(2, j)]);
                mean += p * *score;
                add_scaled(&mut dx[part(2, j)], dy, p);
            }
            for (j, (&dp, &p)) in self.scores.iter().zip(weights).enumerate() {
                let ds = p * (dp - mean) * head.scale();
                add_scaled(&mut dx[part(0, i)], &x[part(1, j)], ds);
                add_scaled(&mut dx[part(1, j)], &x[part(0, i)], ds);
            }
        }
    }
}

#[inline(always)]
fn add_scaled(to: &mut [f32], from: &[f32], scale: f32) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += scale * from;
    }
}
