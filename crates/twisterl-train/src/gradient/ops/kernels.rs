//! The loops of the fused layers that are not dense products, in the widest vectors of the processor.

use candle_core::{Result, bail};
use pulp::{Arch, Simd, WithSimd};
use twisterl_core::policy::network::Activation;

/// Vector registers that hold sums over all terms.
const BLOCK: usize = 8;

/// Runs a plain loop compiled for the widest vectors of this processor.
pub(crate) fn vectorised<R>(run: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(run)
}

/// Adds linear combinations of the rows of a matrix to the rows of another:
/// `out[i] += sum of c * rows[j] over the terms (j, c) of terms(i)`, `[.., width]` both. All `j` are rows of the matrix.
///
/// This covers an embedding-bag and its gradient (sparse matrices times a dense one), bias gradients, and products with
/// so few outputs that a dense product would pack more than it multiplies. Sums stay in registers; one block of columns
/// is completed before the next, so that the rows in use stay in the first-level cache.
pub(crate) struct Combine<'a, F> {
    pub(crate) out: &'a mut [f32],
    pub(crate) rows: &'a [f32],
    pub(crate) width: usize,
    pub(crate) terms: F,
}

impl<F: Fn(usize) -> I, I: Iterator<Item = (usize, f32)>> Combine<'_, F> {
    /// Adds the combinations.
    pub(crate) fn run(self) {
        if self.width > 0 {
            Arch::new().dispatch(self);
        }
    }
}

impl<F: Fn(usize) -> I, I: Iterator<Item = (usize, f32)>> WithSimd for Combine<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { out, rows, width, terms } = self;
        let lanes = S::F32_LANES;
        let blocks = width / (BLOCK * lanes) * (BLOCK * lanes);
        let vectors = width / lanes * lanes;
        for column in (0..blocks).step_by(BLOCK * lanes) {
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                combine_block::<S, BLOCK>(simd, out, rows, column, terms(i));
            }
        }
        for column in (blocks..vectors).step_by(lanes) {
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                combine_block::<S, 1>(simd, out, rows, column, terms(i));
            }
        }
        for column in vectors..width {
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                for (row, c) in terms(i) {
                    out[column] += c * rows[row * width + column];
                }
            }
        }
    }
}

/// Computes `V` vectors of one row of [`Combine`], from `column` on.
#[inline(always)]
fn combine_block<S: Simd, const V: usize>(
    simd: S,
    out: &mut [f32],
    rows: &[f32],
    column: usize,
    terms: impl Iterator<Item = (usize, f32)>,
) {
    let (width, size) = (out.len(), V * S::F32_LANES);
    // `size` values are `V` vectors.
    let out = S::as_mut_simd_f32s(&mut out[column..column + size]).0;
    let out = &mut out.as_chunks_mut::<V>().0[0];
    let mut sums = *out;
    for (row, c) in terms {
        let start = row * width + column;
        let row = &S::as_simd_f32s(&rows[start..start + size]).0.as_chunks::<V>().0[0];
        let c = simd.splat_f32s(c);
        for (sum, &x) in sums.iter_mut().zip(row) {
            *sum = simd.mul_add_e_f32s(c, x, *sum);
        }
    }
    *out = sums;
}

/// Adds dot products: `out[i, j] += a[i] . b[j]` of the rows of `a` and `b`, `[.., width]` both. Fast for few rows `b`.
pub(crate) struct Dots<'a> {
    pub(crate) out: &'a mut [f32],
    pub(crate) a: &'a [f32],
    pub(crate) b: &'a [f32],
    pub(crate) width: usize,
}

impl Dots<'_> {
    /// Adds the products.
    pub(crate) fn run(self) {
        if self.width > 0 && !self.b.is_empty() {
            Arch::new().dispatch(self);
        }
    }
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { out, a, b, width } = self;
        for (out, a) in out.chunks_mut(b.len() / width).zip(a.chunks_exact(width)) {
            for (out, b) in out.iter_mut().zip(b.chunks_exact(width)) {
                *out += dot(simd, a, b);
            }
        }
    }
}

/// Returns the dot product, from four vectors of partial sums that are added in a fixed order.
#[inline(always)]
fn dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_tail), (b, b_tail)) = (S::as_simd_f32s(a), S::as_simd_f32s(b));
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [simd.splat_f32s(0.0); 4];
    for (a, b) in a.iter().zip(b) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum = simd.mul_add_e_f32s(a, b, *sum);
        }
    }
    for ((sum, &a), &b) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum = simd.mul_add_e_f32s(a, b, *sum);
    }
    let [s0, s1, s2, s3] = sums;
    let sum = simd.add_f32s(simd.add_f32s(s0, s1), simd.add_f32s(s2, s3));
    let tail: f32 = a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum();
    simd.reduce_sum_f32s(sum) + tail
}

/// Returns the gradient before an activation, from its output `y` and the gradient `dy` after it.
///
/// # Errors
/// If the derivative is not a function of the output.
pub(crate) fn activation_gradient(
    activation: Activation,
    y: &[f32],
    dy: &[f32],
) -> Result<Vec<f32>> {
    let pairs = || y.iter().zip(dy);
    Ok(match activation {
        Activation::Identity => dy.to_vec(),
        Activation::Relu => {
            vectorised(|| pairs().map(|(&y, &dy)| if y > 0.0 { dy } else { 0.0 }).collect())
        }
        Activation::Tanh => vectorised(|| pairs().map(|(&y, &dy)| dy * (1.0 - y * y)).collect()),
        Activation::Gelu | Activation::Silu => {
            bail!("{activation:?}: expected an op that keeps its input")
        }
    })
}

/// Returns the sum of squares, from 16 partial sums that are added in a fixed order.
pub(crate) fn sum_of_squares(values: &[f32]) -> f64 {
    vectorised(|| {
        let (chunks, rest) = values.as_chunks::<16>();
        let mut sums = [0.0f64; 16];
        for chunk in chunks {
            for (sum, &x) in sums.iter_mut().zip(chunk) {
                *sum += f64::from(x) * f64::from(x);
            }
        }
        sums.iter().sum::<f64>() + rest.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(i: usize) -> f32 {
        ((i * 37) % 11) as f32 - 5.0
    }

    proptest! {
        #[test]
        fn combinations_are_sums_over_terms(
            width in 1usize..200,
            terms in proptest::collection::vec(proptest::collection::vec((0usize..12, -3i8..4), 0..6), 0..5),
        ) {
            let rows: Vec<f32> = (0..12 * width).map(value).collect();
            let mut out = vec![1.0; terms.len() * width];
            let list = |i: usize| terms[i].iter().map(|&(row, c)| (row, f32::from(c)));
            Combine { out: &mut out, rows: &rows, width, terms: list }.run();
            for (i, found) in out.iter().enumerate() {
                let sum: f32 = list(i / width).map(|(row, c)| c * rows[row * width + i % width]).sum();
                prop_assert_eq!(*found, 1.0 + sum);
            }
        }

        #[test]
        fn dots_are_sums_of_products(m in 0usize..4, n in 1usize..5, width in 1usize..200) {
            let a: Vec<f32> = (0..m * width).map(value).collect();
            let b: Vec<f32> = (0..n * width).map(|i| value(i + 5)).collect();
            let mut out = vec![1.0; m * n];
            Dots { out: &mut out, a: &a, b: &b, width }.run();
            for (i, found) in out.iter().enumerate() {
                let (a, b) = (&a[i / n * width..], &b[i % n * width..]);
                let sum: f32 = a.iter().zip(b).take(width).map(|(a, b)| a * b).sum();
                prop_assert_eq!(*found, 1.0 + sum);
            }
        }

        #[test]
        fn sum_of_squares_sums_squares(n in 0usize..100) {
            let values: Vec<f32> = (0..n).map(value).collect();
            let expected: f64 = values.iter().map(|&x| f64::from(x * x)).sum();
            prop_assert_eq!(sum_of_squares(&values), expected);
        }
    }

    #[test]
    fn rectifying_hides_no_nan() {
        let mut values = [f32::NAN, -1.0, 2.0];
        Activation::Relu.apply(&mut values);
        assert!(values[0].is_nan());
        assert_eq!(values[1..], [0.0, 2.0]);
    }
}
