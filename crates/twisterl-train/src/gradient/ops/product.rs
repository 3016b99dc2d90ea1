//! The dense matrix product, single-threaded.
//!
//! Candle's own product reads the number of processors from the system at every call and distributes the work over
//! threads; the learner is parallel over shards already. This module calls the `gemm` crate, which candle uses as well,
//! without parallelism, and is the only place of the crate with `unsafe`.

use candle_core::{Result, bail};

/// A matrix view of a slice, possibly transposed.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Views `values`, row-major, as `[rows, columns]`.
    ///
    /// # Errors
    /// If there are not exactly that many.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Result<Self> {
        if rows.checked_mul(columns) != Some(values.len()) {
            bail!("product: expected {rows} x {columns} values, found {}", values.len());
        }
        Ok(Self { values, rows, columns, row_stride: columns, column_stride: 1 })
    }

    /// Returns the transposed matrix.
    #[must_use]
    pub fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// Adds a product: `out += a b`, with `out` row-major.
///
/// # Errors
/// If the shapes do not fit each other.
#[allow(unsafe_code, reason = "gemm has an interface of pointers; see the proof below")]
pub fn add_product(out: &mut [f32], a: Matrix<'_>, b: Matrix<'_>) -> Result<()> {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    if k != b.rows || m.checked_mul(n) != Some(out.len()) {
        let (rows, columns, found) = (b.rows, b.columns, out.len());
        bail!("product: {m} x {k} times {rows} x {columns} does not fit {found} values");
    }
    // SAFETY: gemm reads `a[i, j]` at `i * row_stride + j * column_stride` for i < rows, j < columns, likewise `b`,
    // and reads and writes `out[i, j]` at `i * n + j`. `Matrix` is only made by `new`, which checked that its slice
    // holds rows x columns values for the strides (columns, 1), and by `t`, which swaps both sides, so that all
    // these places lie within the slices; `out` has m * n values, checked above. `out` is borrowed mutably, hence
    // overlaps neither `a` nor `b`. No slice is longer than isize::MAX bytes, so the strides fit an isize.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            true,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// Row-major transpose of a `rows x columns` matrix.
    fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
        (0..columns).flat_map(|j| (0..rows).map(move |i| values[i * columns + j])).collect()
    }

    proptest! {
        #[test]
        fn adds_the_sum_over_the_shared_dimension(m in 0usize..40, n in 0usize..40, k in 0usize..40) {
            let value = |i: usize| ((i * 37) % 11) as f32 - 5.0;
            let a: Vec<f32> = (0..m * k).map(value).collect();
            let b: Vec<f32> = (0..k * n).map(|i| value(i + 3)).collect();
            let expected: Vec<f32> = (0..m * n)
                .map(|i| 1.0 + (0..k).map(|l| a[i / n * k + l] * b[l * n + i % n]).sum::<f32>())
                .collect();
            let (at, bt) = (transposed(&a, m, k), transposed(&b, k, n));
            for (a, b) in [
                (Matrix::new(&a, m, k).unwrap(), Matrix::new(&b, k, n).unwrap()),
                (Matrix::new(&at, k, m).unwrap().t(), Matrix::new(&bt, n, k).unwrap().t()),
            ] {
                let mut out = vec![1.0; m * n];
                add_product(&mut out, a, b).unwrap();
                prop_assert_eq!(&out, &expected);
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_errors() {
        let values = [0.0; 6];
        assert!(Matrix::new(&values, 2, 4).is_err());
        assert!(Matrix::new(&values, usize::MAX, 2).is_err());
        let a = Matrix::new(&values, 2, 3).unwrap();
        assert!(add_product(&mut [0.0; 4], a, a).is_err());
        assert!(add_product(&mut [0.0; 5], a, a.t()).is_err());
        assert!(add_product(&mut [0.0; 4], a, a.t()).is_ok());
    }
}
