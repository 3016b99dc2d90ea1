//! The limits of the machine, to which rates are compared.

use super::{Work, noise};
use crate::gradient::ops::product::{Matrix, add_product};
use rayon::prelude::*;

/// The side of the matrices of [`products`]: three of them almost fit the second-level cache.
const SIDE: usize = 512;
/// The length of the vectors of [`triad`]: more than any cache holds.
const LONG: usize = 1 << 24;
/// Values that a thread computes at a time.
const CHUNK: usize = 1 << 16;

/// Dense products in single precision, each thread of the current pool on matrices of its own: the peak of `gemm` on this
/// processor. In floating-point operations.
pub fn products() -> Work {
    let threads = rayon::current_num_threads();
    let matrix = |of: usize| (0..SIDE * SIDE).map(|i| noise(i + of)).collect::<Vec<f32>>();
    let (a, b) = (matrix(0), matrix(1));
    let mut outs = vec![vec![0.0; SIDE * SIDE]; threads];
    let flops = 2 * SIDE.pow(3) * threads;
    let name = format!("products of {SIDE} x {SIDE} matrices");
    let work = Work::new(name, (flops, "FLOP"), move || {
        outs.par_iter_mut().try_for_each(|out| {
            out.fill(0.0);
            let (a, b) = (Matrix::new(&a, SIDE, SIDE)?, Matrix::new(&b, SIDE, SIDE)?);
            add_product(out, a, b)
        })?;
        Ok(())
    });
    Work { flops: flops as f64, ..work }
}

/// `a = b + s c` on long vectors (McCalpin's STREAM triad), distributed over the threads of the current pool. In bytes read
/// and written, without those that a cache reads only to overwrite them.
pub fn triad() -> Work {
    let (mut a, b, c) = (vec![0.0f32; LONG], vec![1.0f32; LONG], vec![2.0f32; LONG]);
    let bytes = 3 * size_of::<f32>() * LONG;
    let work = Work::new("triad of long vectors", (bytes, "bytes"), move || {
        let parts = a.par_chunks_mut(CHUNK).zip(b.par_chunks(CHUNK)).zip(c.par_chunks(CHUNK));
        parts.for_each(|((a, b), c)| {
            for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
                *a = b + 3.0 * c;
            }
        });
        Ok(())
    });
    Work { bytes: bytes as f64, ..work }
}
