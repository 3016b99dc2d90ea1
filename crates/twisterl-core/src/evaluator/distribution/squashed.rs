//! Normally distributed numbers, squashed to finite bounds by the hyperbolic tangent (Haarnoja et al. 2018, "Soft
//! actor-critic", appendix C).
//!
//! A sample is the number `u` before squashing; its action is `a = middle + half tanh(u)`. The density is that of `a`:
//!
//! ```text
//! ln p(a) = ln N(u; m, s) - ln half - j(u)       j(u) = ln(1 - tanh(u)^2) = 2 (ln 2 - u - softplus(-2 u))
//! H = H(N) + ln half + E j(u)                    d E j / d m = -2 E tanh(u)    d E j / d ln s = -2 s E[z tanh(u)]
//! ```
//!
//! At a given sample, the derivatives of `ln p(a)` with respect to the parameters are those of the normal density, since `j`
//! does not depend on them. The expectations are integrals over `z = (u - m) / s`, computed by the trapezoidal rule, whose
//! error falls exponentially with the step (Trefethen and Weideman 2014, "The exponentially convergent trapezoidal rule"):
//! the poles of `tanh` are `pi / (2 s)` away from the real line, so that a step of `1 / (2 max(s, 1))` leaves an error below
//! 1e-8.

use super::bernoulli::softplus;
use super::gaussian::{HALF_LN_TAU, Normal, Normals};
use super::{
    Distribution, GaussianSpec, Gradient, Parameters, ParametersMut, Sample, SampleMut,
    SampleScore, Slopes,
};
use crate::evaluator::distribution::Choice;
use crate::math::{exp, log, tanh, tanhf};
use crate::rng::Rng;
use crate::{Error, Result};

/// The largest upper bound of log-deviations. Integrals take steps in proportion to the deviation, and at far smaller
/// deviations nearly all actions are one bound or the other.
const MAX_LOG_STD: f32 = 4.0;
/// The limits of the integrals, in deviations: less than 1e-11 of the mass lies beyond.
const REACH: f64 = 7.0;

/// Numbers of a diagonal normal distribution, squashed to their bounds.
///
/// The parameters are the means before squashing, followed by the log-deviations if these depend on the state. A greedy choice
/// takes the image of the mean, which is the median.
#[derive(Debug, Clone)]
pub struct SquashedGaussian {
    normals: Normals,
    low: Vec<f32>,
    high: Vec<f32>,
}

impl SquashedGaussian {
    /// Returns the distribution of numbers within these bounds, `[width]`.
    ///
    /// # Errors
    /// If a bound is infinite, or `spec` is invalid.
    pub fn new(low: &[f32], high: &[f32], spec: GaussianSpec) -> Result<Self> {
        spec.check()?;
        if spec.log_std_max > MAX_LOG_STD {
            let expected = format!("at most {MAX_LOG_STD} for squashed_gaussian");
            return Err(Error::config("log_std_max", expected, spec.log_std_max));
        }
        if let Some((low, high)) = low.iter().zip(high).find(|(l, h)| !(*h - *l).is_finite()) {
            let expected = "finite bounds of actions, to which squashed_gaussian can be scaled";
            return Err(Error::config("type", expected, format!("{low} to {high}")));
        }
        let normals = Normals { spec, width: low.len() };
        Ok(Self { normals, low: low.to_vec(), high: high.to_vec() })
    }

    /// Returns the logarithm of half the distance between the bounds of number `i`.
    fn log_half(&self, i: usize) -> f64 {
        log((f64::from(self.high[i]) - f64::from(self.low[i])) / 2.0)
    }
}

impl Distribution for SquashedGaussian {
    fn parameters(&self) -> usize {
        self.normals.widths().0
    }

    fn shared(&self) -> usize {
        self.normals.widths().1
    }

    /// The derivatives of `E j` with respect to mean and log-deviation of each number.
    fn scratch(&self) -> usize {
        2 * self.normals.width
    }

    fn choose(
        &self,
        parameters: ParametersMut<'_>,
        choice: Choice,
        rng: &mut Rng,
        sample: SampleMut<'_>,
    ) -> f32 {
        let mut log_prob = 0.0;
        for i in 0..self.normals.width {
            let normal = self.normals.of(parameters.read(), i);
            let u = normal.choose(choice, rng);
            log_prob += normal.log_density(u) - log_slope(f64::from(u)) - self.log_half(i);
            sample.values.push(u);
        }
        log_prob as f32
    }

    fn act(&self, values: &[f32], action: &mut Vec<f32>) {
        for ((&u, &low), &high) in values.iter().zip(&self.low).zip(&self.high) {
            action.push((low + (high - low) / 2.0 * (tanhf(u) + 1.0)).clamp(low, high));
        }
    }

    fn score(
        &self,
        parameters: Parameters<'_>,
        sample: Sample<'_>,
        scratch: &mut [f64],
    ) -> SampleScore {
        let mut score = SampleScore::default();
        let numbers = sample.values.iter().zip(scratch.as_chunks_mut::<2>().0).enumerate();
        for (i, (&u, slopes)) in numbers {
            let normal = self.normals.of(parameters, i);
            let (expected, by_mean, by_log_std) = expected_log_slope(normal);
            *slopes = [by_mean, by_log_std];
            score.log_prob += normal.log_density(u) - log_slope(f64::from(u)) - self.log_half(i);
            score.entropy += normal.entropy() + expected + self.log_half(i);
        }
        score
    }

    fn gradient(
        &self,
        parameters: Parameters<'_>,
        sample: Sample<'_>,
        scratch: &[f64],
        slopes: Slopes,
        mut gradient: Gradient<'_>,
    ) {
        let numbers = sample.values.iter().zip(scratch.as_chunks::<2>().0).enumerate();
        for (i, (&u, &[by_mean, by_log_std])) in numbers {
            let normal = self.normals.of(parameters, i);
            let z = normal.deviations(u);
            let mean = slopes.log_prob * z / normal.std() + slopes.entropy * by_mean;
            let log_std = slopes.log_prob * (z * z - 1.0) + slopes.entropy * (1.0 + by_log_std);
            self.normals.write(parameters, i, (mean, log_std), &mut gradient);
        }
    }
}

/// Returns `ln(1 - tanh(u)^2)` without cancellation.
fn log_slope(u: f64) -> f64 {
    2.0 * (std::f64::consts::LN_2 - u - softplus(-2.0 * u))
}

/// Returns the expectation of [`log_slope`], and its derivatives with respect to mean and log-deviation.
fn expected_log_slope(normal: Normal) -> (f64, f64, f64) {
    let std = normal.std();
    let step = 0.5 / std.max(1.0);
    let points = (REACH / step).ceil() as i32;
    let (mut value, mut by_mean, mut by_log_std) = (0.0, 0.0, 0.0);
    for i in -points..=points {
        let z = f64::from(i) * step;
        let weight = step * exp(-0.5 * z * z - HALF_LN_TAU);
        let u = normal.mean + std * z;
        value += weight * log_slope(u);
        let tanh = weight * tanh(u);
        by_mean -= 2.0 * tanh;
        by_log_std -= 2.0 * std * z * tanh;
    }
    (value, by_mean, by_log_std)
}
