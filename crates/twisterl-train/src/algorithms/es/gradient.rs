//! The gradient that the fitness of a population implies: the weighted sum of its perturbations, which are drawn again
//! here, some pairs at a time.
//!
//! Sums run in the order of the pairs, by separate multiplications and additions, so that they are bit-identical for all
//! machines, vector instructions and numbers of threads.

use crate::gradient::ops::kernels::vectorised;
use rayon::prelude::*;
use twisterl_core::policy::population::perturbation::{Form, Layout};
use twisterl_core::rng::StreamKey;

/// The most pairs whose noise is held at once: a block of their columns fits into the first-level cache.
const PAIRS: usize = 64;
/// The most numbers of noise held at once, unless a pair of each half is longer.
const NUMBERS: usize = 1 << 24;
/// Columns whose sums are kept in registers.
const COLUMNS: usize = 64;
/// Rows of a matrix that a thread takes at a time.
const ROWS: usize = 16;

/// Returns the sum over the pairs `p` of `weights[p]` times perturbation `p` of `key`, as two sums, `[trained weights]`
/// each: over the pairs with even and with odd numbers.
pub fn estimate(layout: &Layout, key: StreamKey, weights: &[f32]) -> [Vec<f32>; 2] {
    let length = layout.noise_len();
    let mut halves = [vec![0.0; layout.weights_len()], vec![0.0; layout.weights_len()]];
    let chunk = PAIRS.min((NUMBERS / length.max(1)).next_multiple_of(2)).max(2);
    for (first, weights) in weights.chunks(chunk).enumerate().map(|(i, w)| (i * chunk, w)) {
        // Pairs whose members did equally well have no weight.
        let pairs = weights.par_iter().enumerate().filter(|(_, weight)| **weight != 0.0);
        let drawn = pairs.map(|(i, &weight)| {
            let mut noise = Vec::with_capacity(length);
            layout.draw(key.at((first + i) as u64), &mut noise);
            (i, weight, noise)
        });
        let drawn: Vec<(usize, f32, Vec<f32>)> = drawn.collect();
        for (half, sum) in halves.iter_mut().enumerate() {
            // Chunks begin at even pairs.
            let pairs = drawn.iter().filter(|(i, ..)| i % 2 == half);
            let pairs: Vec<_> = pairs.map(|(_, weight, noise)| (*weight, &noise[..])).collect();
            add(layout, &pairs, sum);
        }
    }
    halves
}

/// Adds perturbations, each given by its weight and its noise, to `sum`.
fn add(layout: &Layout, pairs: &[(f32, &[f32])], sum: &mut [f32]) {
    for part in layout.parts() {
        let sum = &mut sum[part.weights.clone()];
        let pairs = pairs.iter().map(|&(weight, noise)| (weight, &noise[part.noise.clone()]));
        match part.form {
            Form::Full => add_full(pairs, sum),
            Form::LowRank { rows, columns } => {
                let factor = layout.factor();
                let factors = pairs.flat_map(|(weight, noise)| {
                    let (a, b) = noise.split_at(layout.rank() * rows);
                    let ranks = a.chunks_exact(rows).zip(b.chunks_exact(columns));
                    ranks.map(move |(a, b)| (weight * factor, a, b))
                });
                add_low_rank(&factors.collect::<Vec<_>>(), columns, sum);
            }
        }
    }
}

/// Adds perturbations that are their noise.
fn add_full<'a>(pairs: impl Iterator<Item = (f32, &'a [f32])> + Clone + Sync, sum: &mut [f32]) {
    sum.par_chunks_mut(ROWS * COLUMNS).enumerate().for_each(|(i, sum)| {
        let (start, length) = (i * ROWS * COLUMNS, sum.len());
        let terms = pairs.clone().map(|(weight, noise)| (weight, &noise[start..start + length]));
        vectorised(
            #[inline(always)]
            || combine(sum, terms),
        );
    });
}

/// Adds the products `weight * a * b^T` of the factors `(weight, a, b)` to a matrix, `[rows, columns]`.
fn add_low_rank(factors: &[(f32, &[f32], &[f32])], columns: usize, sum: &mut [f32]) {
    sum.par_chunks_mut(ROWS * columns).enumerate().for_each(|(tile, sum)| {
        vectorised(
            #[inline(always)]
            || {
                for start in (0..columns).step_by(COLUMNS) {
                    let block = start..columns.min(start + COLUMNS);
                    for (i, sum) in sum.chunks_exact_mut(columns).enumerate() {
                        let terms = factors
                            .iter()
                            .map(|(weight, a, b)| (weight * a[tile * ROWS + i], &b[block.clone()]));
                        combine(&mut sum[block.clone()], terms);
                    }
                }
            },
        );
    });
}

/// Adds `c * row` for each term `(c, row)` to `sum`, in their order. All rows have the length of `sum`.
#[inline(always)]
fn combine<'a>(sum: &mut [f32], terms: impl Iterator<Item = (f32, &'a [f32])> + Clone) {
    let (blocks, rest) = sum.as_chunks_mut::<COLUMNS>();
    let whole = blocks.len() * COLUMNS;
    for (i, block) in blocks.iter_mut().enumerate() {
        let mut sums = *block;
        for (c, row) in terms.clone() {
            let row = &row[i * COLUMNS..(i + 1) * COLUMNS];
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += c * x);
        }
        *block = sums;
    }
    for (c, row) in terms {
        rest.iter_mut().zip(&row[whole..]).for_each(|(sum, x)| *sum += c * x);
    }
}

/// Returns the cosine of the angle between two vectors; 0 if one of them is 0.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let norms = product(a, a).sqrt() * product(b, b).sqrt();
    if norms > 0.0 { product(a, b) / norms } else { 0.0 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use twisterl_core::rng::Purpose;

    const KEY: StreamKey = StreamKey::new(4, Purpose::Perturb).iteration(9);

    #[test]
    fn it_is_the_weighted_sum_of_the_perturbations() {
        for rank in [0, 1, 3] {
            let layout = Layout::new([vec![37, 150], vec![150], vec![5, 37], vec![2, 3, 4]], rank);
            let weights: Vec<f32> = (0..150).map(|p| (p as f32 * 0.7).sin()).collect();
            let halves = estimate(&layout, KEY, &weights);
            let mut expected = [vec![0.0; layout.weights_len()], vec![0.0; layout.weights_len()]];
            for (pair, &weight) in weights.iter().enumerate() {
                let mut noise = Vec::new();
                layout.draw(KEY.at(pair as u64), &mut noise);
                layout.perturb(&noise, weight, &mut expected[pair % 2]).unwrap();
            }
            for (found, expected) in halves.iter().flatten().zip(expected.iter().flatten()) {
                assert!((found - expected).abs() < 1e-3, "rank {rank}: {found} {expected}");
            }
        }
    }

    #[test]
    fn no_number_of_threads_changes_a_bit() {
        let layout = Layout::new([vec![70, 130], vec![1000]], 2);
        let weights: Vec<f32> = (0..131).map(|p| (p as f32 * 0.3).cos()).collect();
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| estimate(&layout, KEY, &weights))
        };
        let one = on(1);
        assert!(one == on(2) && one == on(5));
    }

    #[test]
    fn cosines_are_those_of_the_angles() {
        assert!((cosine(&[1.0, 0.0], &[1.0, 1.0]) - 0.5f64.sqrt()).abs() < 1e-12);
        assert_eq!(cosine(&[1.0, 2.0], &[-2.0, 1.0]), 0.0);
        assert_eq!(cosine(&[0.0], &[1.0]), 0.0);
    }
}
