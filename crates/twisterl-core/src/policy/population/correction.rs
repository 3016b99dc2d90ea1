//! The correction that a member adds to the product of a layer: `x (W + s A B^T / sqrt(r))^T = x W^T + s / sqrt(r) (x
//! B) A^T`, of `O(r (inputs + outputs))` work where the product takes `O(inputs outputs)`. In an embedding `x B` is a
//! sum over the ones of a row, so that sparse observations stay sparse.

use crate::policy::layers::Activation;
use crate::policy::population::perturbation::{Form, Layout, Part};
use pulp::Arch;

/// The input of a layer.
#[derive(Clone, Copy)]
pub(super) enum Input<'a> {
    /// Sparse ones, and values, whose rows of weights come last.
    Sparse(&'a [u32], &'a [f32]),
    Values(&'a [f32]),
}

/// The correction of one member to one row.
#[derive(Clone, Copy)]
pub(super) struct Correction<'a> {
    /// `A^T`, rank x rows of the matrix.
    a: &'a [f32],
    /// `B^T`, rank x columns.
    b: &'a [f32],
    bias: &'a [f32],
    scale: f32,
    /// `scale / sqrt(rank)`
    matrix_scale: f32,
}

impl<'a> Correction<'a> {
    /// Returns the correction for a layer of these two tensors by the perturbation `scale` times `noise`.
    pub(super) fn of(
        [matrix, bias]: &[Part; 2],
        (noise, scale): (&'a [f32], f32),
        layout: &Layout,
    ) -> Self {
        let rows = match matrix.form {
            Form::LowRank { rows, .. } => rows,
            Form::Full => 0,
        };
        let (a, b) = noise[matrix.noise.clone()].split_at(layout.rank() * rows);
        let bias = &noise[bias.noise.clone()];
        Self { a, b, bias, scale, matrix_scale: scale * layout.factor() }
    }

    /// Adds the correction to `y` and applies the activation.
    #[inline]
    pub(super) fn apply(self, arch: Arch, input: Input<'_>, y: &mut [f32], activation: Activation) {
        arch.dispatch(
            #[inline(always)]
            || {
                let outputs = y.len();
                y.iter_mut().zip(self.bias).for_each(|(y, bias)| *y += self.scale * bias);
                // Matrices of linear layers are `[outputs, inputs]`, those of embeddings `[inputs, outputs]`.
                match input {
                    Input::Sparse(ones, values) => {
                        let inputs = self.a.len() * outputs / self.b.len().max(1);
                        for (a, b) in self.a.chunks_exact(inputs).zip(self.b.chunks_exact(outputs))
                        {
                            let behind = &a[inputs.saturating_sub(values.len())..];
                            let sum: f32 = ones.iter().filter_map(|&one| a.get(one as usize)).sum();
                            let values = behind.iter().zip(values).map(|(a, x)| a * x);
                            add(self.matrix_scale, sum + values.sum::<f32>(), b, y);
                        }
                    }
                    Input::Values(x) => {
                        let rank = self.a.chunks_exact(outputs).zip(self.b.chunks_exact(x.len()));
                        rank.for_each(|(a, b)| add(self.matrix_scale, dot(x, b), a, y));
                    }
                }
                if activation == Activation::Relu {
                    y.iter_mut().for_each(|y| *y = y.max(0.0));
                }
            },
        );
        if activation != Activation::Relu {
            activation.apply(y);
        }
    }
}

#[inline(always)]
fn add(scale: f32, factor: f32, from: &[f32], to: &mut [f32]) {
    let factor = scale * factor;
    to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
}

/// Returns the scalar product, accumulated in enough partial sums to fill the vector registers.
#[inline(always)]
fn dot(x: &[f32], y: &[f32]) -> f32 {
    const LANES: usize = 32;
    let (xs, x_rest) = x.as_chunks::<LANES>();
    let (ys, y_rest) = y.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (x, y) in xs.iter().zip(ys) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    let rest: f32 = x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}
