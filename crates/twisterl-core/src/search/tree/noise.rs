//! Random noise at the root of a search.

use crate::math::{log, pow};
use crate::rng::{Rng, normal, open_uniform};

/// Samples a standard Gumbel variable.
pub(crate) fn gumbel(rng: &mut Rng) -> f32 {
    // 1 is excluded too, since its logarithm is 0.
    -log(-log(open_uniform(rng).min(1.0 - f64::EPSILON))) as f32
}

/// Samples a Gamma variable of this shape and scale 1 (Marsaglia and Tsang, "A simple method for generating gamma
/// variables", 2000), in double precision since small shapes give tiny numbers.
fn gamma(shape: f64, rng: &mut Rng) -> f64 {
    if shape < 1.0 {
        return gamma(shape + 1.0, rng) * pow(open_uniform(rng), 1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(rng);
        let root = 1.0 + c * x;
        let v = root * root * root;
        if v > 0.0 && log(open_uniform(rng)) < 0.5 * x * x + d - d * v + d * log(v) {
            return d * v;
        }
    }
}

/// Mixes `share` of a symmetric Dirichlet variable into the entries of `priors` that are not 0. Its parameters are
/// `concentration` divided by the number of these entries.
pub(crate) fn mix_dirichlet(priors: &mut [f32], share: f32, concentration: f32, rng: &mut Rng) {
    let count = priors.iter().filter(|&&p| p > 0.0).count();
    if count == 0 || concentration <= 0.0 {
        return;
    }
    let shape = f64::from(concentration) / count as f64;
    // Sampled twice, from the same position in the stream, so that nothing is allocated for the sum.
    let mut again = rng.clone();
    let sum: f64 = (0..count).map(|_| gamma(shape, rng)).sum();
    for prior in priors.iter_mut().filter(|p| **p > 0.0) {
        let part = if sum > 0.0 { gamma(shape, &mut again) / sum } else { 1.0 / count as f64 };
        *prior = (1.0 - share) * *prior + share * part as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};

    const DRAWS: usize = 40_000;

    fn moments(draw: impl Fn(&mut Rng) -> f64) -> (f64, f64) {
        let mut rng = stream(5, Purpose::Search, 0, 0);
        let draws: Vec<_> = (0..DRAWS).map(|_| draw(&mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / DRAWS as f64;
        (mean, draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / DRAWS as f64)
    }

    #[test]
    fn moments_match_the_closed_forms() {
        // Closed forms: Gumbel has mean 0.5772 and variance pi^2 / 6, Gamma has both equal to its shape, and a part of
        // a Dirichlet of n parameters a has mean 1/n and variance (n - 1) / (n^2 (n a + 1)).
        let (mean, variance) = moments(|rng| f64::from(gumbel(rng)));
        assert!((mean - 0.5772).abs() < 0.03 && (variance - 1.645).abs() < 0.08);
        for shape in [0.3, 1.0, 2.5] {
            let (mean, variance) = moments(|rng| gamma(shape, rng));
            assert!((mean - shape).abs() < 0.05 && (variance - shape).abs() < 0.15, "{shape}");
        }
        let (mean, variance) = moments(|rng| {
            let mut priors = [0.25, 0.25, 0.0, 0.25, 0.25];
            mix_dirichlet(&mut priors, 1.0, 2.0, rng);
            assert!((priors.iter().sum::<f32>() - 1.0).abs() < 1e-5 && priors[2] == 0.0);
            f64::from(priors[0])
        });
        assert!((mean - 0.25).abs() < 0.006 && (variance - 3.0 / 48.0).abs() < 0.005);
    }

    #[test]
    fn noise_replaces_only_its_share_of_the_prior() {
        let mut priors = [0.9, 0.1];
        mix_dirichlet(&mut priors, 0.25, 10.0, &mut stream(0, Purpose::Search, 0, 0));
        assert!(
            priors[0] > 0.675 && priors[1] > 0.075 && (priors[0] + priors[1] - 1.0).abs() < 1e-6
        );
    }
}
