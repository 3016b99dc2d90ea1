//! The limits of the machine, to compare rates with.

use super::{Workload, noise};
use crate::gradient::ops::product::{Matrix, add_product};
use rayon::prelude::*;

/// Rows and columns of the matrices of [`products`]: three of them about fit the L2 cache, and a product takes long enough
/// to be measured.
const SIDE: usize = 512;
/// Values of each vector of [`triad`]: more than any cache holds.
const LONG: usize = 1 << 24;
/// Values that a thread processes at a time.
const CHUNK: usize = 1 << 16;

/// Creates the workload of single-precision matrix products, with separate matrices for each thread of the current pool:
/// the maximum arithmetic rate of `gemm` on this processor. The unit is floating-point operations.
pub fn products() -> Workload {
    let threads = rayon::current_num_threads();
    let matrix = |offset: usize| (0..SIDE * SIDE).map(|i| noise(i + offset)).collect::<Vec<f32>>();
    let (a, b) = (matrix(0), matrix(1));
    let mut outs = vec![vec![0.0; SIDE * SIDE]; threads];
    let flops = 2 * SIDE.pow(3) * threads;
    let name = format!("products of {SIDE} x {SIDE} matrices");
    let workload = Workload::new(name, (flops, "FLOP"), move || {
        outs.par_iter_mut().try_for_each(|out| {
            out.fill(0.0);
            let (a, b) = (Matrix::new(&a, SIDE, SIDE)?, Matrix::new(&b, SIDE, SIDE)?);
            add_product(out, a, b)
        })?;
        Ok(())
    });
    workload.with_flops(flops as f64)
}

/// Creates the workload of `a = b + s c` on long vectors (McCalpin's STREAM triad), which the threads of the current pool
/// share: the maximum memory bandwidth. The unit is bytes read and written, without those that a cache reads only to
/// overwrite.
pub fn triad() -> Workload {
    let (mut a, b, c) = (vec![0.0f32; LONG], vec![1.0f32; LONG], vec![2.0f32; LONG]);
    let bytes = 3 * size_of::<f32>() * LONG;
    let workload = Workload::new("triad of long vectors", (bytes, "bytes"), move || {
        let parts = a.par_chunks_mut(CHUNK).zip(b.par_chunks(CHUNK)).zip(c.par_chunks(CHUNK));
        parts.for_each(|((a, b), c)| {
            for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
                *a = b + 3.0 * c;
            }
        });
        Ok(())
    });
    workload.with_bytes(bytes as f64)
}
