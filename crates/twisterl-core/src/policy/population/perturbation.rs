//! Random perturbations of a policy's weights. They are derived from a key where needed, never stored or sent.
//!
//! A matrix is perturbed by `A B^T / sqrt(r)` of rank `r` (EGGROLL: Sarkar et al., "Evolution strategies at the
//! hyperscale", 2025), whose entries have mean 0, variance 1 and no correlation, like those of a full-rank
//! perturbation. Hence for any function that is quadratic in the weights the mean of `E (f(W + s E) - f(W - s E)) / 2
//! s` is its gradient, whatever the rank.

use crate::policy::network::Network;
use crate::rng::StreamKey;
use crate::{Error, Result};
use rand::Rng as _;
use std::ops::Range;

/// The perturbed weights and the noise that perturbs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    rank: usize,
    parts: Vec<Part>,
    noise: usize,
    weights: usize,
}

/// One perturbed tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its range in the flat weights.
    pub weights: Range<usize>,
    /// The range of its noise.
    pub noise: Range<usize>,
    /// The form of its perturbation.
    pub form: Form,
}

/// The form of a perturbation of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Full rank: the noise itself.
    Full,
    /// Low rank: `A B^T / sqrt(rank)`, where the noise is `A^T`, `[rank, rows]`, followed by `B^T`, `[rank, columns]`.
    LowRank {
        /// The number of rows of the matrix.
        rows: usize,
        /// The number of columns of the matrix.
        columns: usize,
    },
}

impl Layout {
    /// Returns the layout for tensors of these shapes, laid out from offset 0. Tensors of two or more dimensions are
    /// treated as matrices with the first dimension as rows and perturbed with rank `rank` (0: full rank). All others
    /// are perturbed with full rank.
    pub fn new(shapes: impl IntoIterator<Item = Vec<usize>>, rank: usize) -> Self {
        let mut layout = Self { rank, parts: Vec::new(), noise: 0, weights: 0 };
        for shape in shapes {
            let size: usize = shape.iter().product();
            let (form, noise) = match shape[..] {
                [rows, _, ..] if rank > 0 => {
                    let columns = size.checked_div(rows).unwrap_or(0);
                    (Form::LowRank { rows, columns }, rank * (rows + columns))
                }
                _ => (Form::Full, size),
            };
            layout.parts.push(Part {
                weights: layout.weights..layout.weights + size,
                noise: layout.noise..layout.noise + noise,
                form,
            });
            layout.weights += size;
            layout.noise += noise;
        }
        layout
    }

    /// Returns the layout for the weights of a network that determine actions; the value head is not perturbed.
    pub fn of(network: &Network, rank: usize) -> Self {
        let acting = network.acting_parameter_count();
        let parts = network.parameters().into_iter().filter(|spec| spec.range.end <= acting);
        Self::new(parts.map(|spec| spec.shape), rank)
    }

    /// Returns the rank of perturbed matrices; 0: full rank.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Returns the tensors in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns the length of the noise of one perturbation.
    pub fn noise_len(&self) -> usize {
        self.noise
    }

    /// Returns the number of perturbed weights.
    pub fn weights_len(&self) -> usize {
        self.weights
    }

    /// Appends the noise of the perturbation with key `key` to `out`: independent, distributed as [`normal`].
    pub fn draw(&self, key: StreamKey, out: &mut Vec<f32>) {
        let mut rng = key.stream();
        out.extend((0..self.noise).map(|_| normal(rng.next_u64())));
    }

    /// Adds `scale` times the perturbation of `noise` to `weights`.
    ///
    /// # Errors
    /// If `weights` is too short or `noise` does not have [`noise_len`](Self::noise_len) values.
    pub fn perturb(&self, noise: &[f32], scale: f32, weights: &mut [f32]) -> Result<()> {
        if noise.len() != self.noise || weights.len() < self.weights {
            let expected = format!("{} numbers for {} weights", self.noise, self.weights);
            let found = format!("{} for {}", noise.len(), weights.len());
            return Err(Error::weights("perturbation", expected, found));
        }
        for part in &self.parts {
            let (noise, weights) = (&noise[part.noise.clone()], &mut weights[part.weights.clone()]);
            match part.form {
                Form::Full => {
                    weights.iter_mut().zip(noise).for_each(|(weight, e)| *weight += scale * e);
                }
                Form::LowRank { rows, columns } => {
                    let scale = scale * self.factor();
                    let (a, b) = noise.split_at(self.rank * rows);
                    for (a, b) in a.chunks_exact(rows).zip(b.chunks_exact(columns)) {
                        for (row, a) in weights.chunks_exact_mut(columns).zip(a) {
                            let a = scale * a;
                            row.iter_mut().zip(b).for_each(|(weight, b)| *weight += a * b);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns `1 / sqrt(rank)`.
    pub fn factor(&self) -> f32 {
        (self.rank.max(1) as f32).sqrt().recip()
    }
}

/// Returns a standard normal variable computed from 64 random bits, identical on every machine: the number of ones
/// among 32 bits plus a uniform variable, with mean 16 and variance 8 + 1/12. By the central limit theorem the
/// distribution function is within 0.001 of the normal one; mean 0, variance 1 and symmetry are exact, values end at
/// 5.8.
pub fn normal(bits: u64) -> f32 {
    const DEVIATION: f32 = 2.843_120_4;
    let ones = ((bits >> 32) as u32).count_ones() as f32 - 16.0;
    let uniform = ((bits as u32 >> 8) as f32 + 0.5) / (1u32 << 24) as f32 - 0.5;
    (ones + uniform) / DEVIATION
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    fn key(seed: u64, iteration: u64, index: u64) -> StreamKey {
        StreamKey { seed, purpose: Purpose::Perturb, iteration, index }
    }

    fn draws(count: usize) -> Vec<f32> {
        let mut noise = Vec::new();
        Layout::new([vec![count]], 0).draw(key(3, 5, 7), &mut noise);
        noise
    }

    #[test]
    fn numbers_are_standard_normal() {
        let noise = draws(1_000_000);
        let moment = |power| noise.iter().map(|x| f64::from(*x).powi(power)).sum::<f64>() / 1e6;
        // Five standard errors of a million draws. The fourth moment is 3 less 2/32 of the binomial part, nearly.
        assert!(moment(1).abs() < 0.005 && (moment(2) - 1.0).abs() < 0.0075);
        assert!(moment(3).abs() < 0.02 && (moment(4) - 2.94).abs() < 0.06, "{}", moment(4));
        // The normal distribution function, from tables.
        for (at, below) in [(-2.0, 0.022_75), (-1.0, 0.158_66), (0.5, 0.691_46), (3.0, 0.998_65)] {
            let found = noise.iter().filter(|x| **x < at).count() as f64 / 1e6;
            assert!((found - below).abs() < 0.003, "{at}: {found}");
        }
    }

    #[test]
    fn the_extremes_are_finite_and_symmetric() {
        for bits in [0, 1 << 40, 0xffff_0000_0000_1234] {
            assert!((normal(bits) + normal(!bits)).abs() < 1e-6, "{bits:x}");
        }
        assert!(normal(u64::MAX) < 5.81 && normal(0) > -5.81);
    }

    #[test]
    fn a_perturbation_depends_on_its_whole_key_and_on_nothing_else() {
        let layout = Layout::new([vec![3, 4], vec![4]], 1);
        let draw = |key| {
            let mut noise = Vec::new();
            layout.draw(key, &mut noise);
            noise
        };
        let base = draw(key(1, 2, 3));
        assert_eq!(base, draw(key(1, 2, 3)));
        for other in [key(0, 2, 3), key(1, 0, 3), key(1, 2, 0)] {
            assert_ne!(base, draw(other));
        }
    }

    #[test]
    fn a_low_rank_perturbation_is_the_product_of_its_factors() {
        // Two rows, three columns, rank 2: A = [1 3; 2 4], B = [1 4; 2 5; 3 6], and a bias of two.
        let layout = Layout::new([vec![2, 3], vec![2]], 2);
        let noise = [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        assert_eq!((layout.noise_len(), layout.weights_len()), (12, 8));
        let mut weights = vec![0.0; 9];
        layout.perturb(&noise, 2f32.sqrt(), &mut weights).unwrap();
        let product = [13.0, 17.0, 21.0, 18.0, 24.0, 30.0];
        for (weight, expected) in weights.iter().zip(product) {
            assert!((weight - expected).abs() < 1e-5, "{weights:?}");
        }
        assert!((weights[6] - 7.0 * 2f32.sqrt()).abs() < 1e-5 && weights[8] == 0.0);
        assert!(layout.perturb(&noise[1..], 1.0, &mut weights).is_err());
        assert!(layout.perturb(&noise, 1.0, &mut weights[..7]).is_err());
    }

    #[test]
    fn entries_are_uncorrelated_with_variance_one_at_every_rank() {
        for rank in [0, 1, 3] {
            let layout = Layout::new([vec![2, 2]], rank);
            let mut moments = [[0.0f64; 4]; 4];
            for index in 0..40_000 {
                let (mut noise, mut e) = (Vec::new(), [0.0f32; 4]);
                layout.draw(key(1, 0, index), &mut noise);
                layout.perturb(&noise, 1.0, &mut e).unwrap();
                for i in 0..4 {
                    (0..4).for_each(|j| moments[i][j] += f64::from(e[i] * e[j]) / 40_000.0);
                }
            }
            // Four standard errors: squares of products of two normals have a variance of 8.
            for (i, row) in moments.iter().enumerate() {
                for (j, &found) in row.iter().enumerate() {
                    let expected = f64::from(u8::from(i == j));
                    assert!((found - expected).abs() < 0.06, "rank {rank}, {i} {j}: {found}");
                }
            }
        }
    }
}
