//! Normally distributed numbers, whose means the network computes.
//!
//! With mean `m` and standard deviation `s` of a number `u`, and `z = (u - m) / s`:
//!
//! ```text
//! ln p(u) = -z^2 / 2 - ln s - ln(2 pi) / 2        H = 1/2 + ln(2 pi) / 2 + ln s
//! d ln p / d m = z / s        d ln p / d ln s = z^2 - 1        d H / d ln s = 1
//! ```
//!
//! A number with two finite bounds is measured from their middle in units of half their distance: -1 and 1 are the bounds.
//! Other numbers are in units of the environment. The action is clipped to the bounds; the density is that of the sample.

use super::{
    Distribution, Gradient, Parameters, ParametersMut, Sample, SampleMut, SampleScore, Slopes,
};
use crate::error::in_range;
use crate::evaluator::distribution::Choice;
use crate::math::exp;
use crate::rng::{Rng, normal};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// `ln(2 pi) / 2`
pub(super) const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;

/// The source of the log-deviations, the logarithms of standard deviations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStd {
    /// One learned number for each value, the same in all states.
    #[default]
    Shared,
    /// The network, for each state.
    State,
}

/// The description of a normal distribution in configs and policy files.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianSpec {
    /// The source of the log-deviations.
    pub log_std: LogStd,
    /// The log-deviation at the start of training, which is added to the parameters.
    pub log_std_init: f32,
    /// The lower bound of log-deviations.
    pub log_std_min: f32,
    /// The upper bound of log-deviations.
    pub log_std_max: f32,
}

impl Default for GaussianSpec {
    fn default() -> Self {
        Self { log_std: LogStd::Shared, log_std_init: 0.0, log_std_min: -5.0, log_std_max: 2.0 }
    }
}

impl GaussianSpec {
    /// Returns `Ok` if the bounds are in order, and within -20 to 20 so that no deviation over- or underflows.
    ///
    /// # Errors
    /// The first invalid field, with its path relative to the description.
    pub fn check(&self) -> Result<()> {
        let Self { log_std_init: init, log_std_min: min, log_std_max: max, .. } = *self;
        for (name, value) in [("log_std_init", init), ("log_std_min", min), ("log_std_max", max)] {
            in_range(name, value, -20.0..=20.0)?;
        }
        if min > max {
            return Err(Error::config("log_std_min", format!("at most log_std_max, {max}"), min));
        }
        in_range("log_std_init", init, min..=max)?;
        Ok(())
    }

    /// Returns the numbers of state-dependent and of shared parameters of `width` values.
    pub(super) fn widths(&self, width: usize) -> (usize, usize) {
        match self.log_std {
            LogStd::Shared => (width, width),
            LogStd::State => (width.saturating_mul(2), 0),
        }
    }
}

/// The means and deviations of `width` numbers, for both the clipped and the squashed distribution.
#[derive(Debug, Clone)]
pub(super) struct Normals {
    pub(super) spec: GaussianSpec,
    pub(super) width: usize,
}

/// The normal distribution of one number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Normal {
    pub(super) mean: f64,
    pub(super) log_std: f64,
}

impl Normal {
    pub(super) fn std(self) -> f64 {
        exp(self.log_std)
    }

    /// Returns the distance of `u` from the mean in standard deviations.
    pub(super) fn deviations(self, u: f32) -> f64 {
        (f64::from(u) - self.mean) / self.std()
    }

    pub(super) fn log_density(self, u: f32) -> f64 {
        let z = self.deviations(u);
        -0.5 * z * z - self.log_std - HALF_LN_TAU
    }

    pub(super) fn entropy(self) -> f64 {
        0.5 + HALF_LN_TAU + self.log_std
    }

    /// Returns a draw or the mean.
    pub(super) fn choose(self, choice: Choice, rng: &mut Rng) -> f32 {
        match choice {
            Choice::Greedy => self.mean as f32,
            Choice::Sample => (self.mean + self.std() * normal(rng)) as f32,
        }
    }
}

impl Normals {
    pub(super) fn widths(&self) -> (usize, usize) {
        self.spec.widths(self.width)
    }

    /// Returns the distribution of number `i`.
    pub(super) fn of(&self, parameters: Parameters<'_>, i: usize) -> Normal {
        let raw = match self.spec.log_std {
            LogStd::Shared => parameters.shared[i],
            LogStd::State => parameters.head[self.width + i],
        };
        let GaussianSpec { log_std_init, log_std_min, log_std_max, .. } = self.spec;
        let log_std = f64::from(log_std_init) + f64::from(raw);
        Normal {
            mean: f64::from(parameters.head[i]),
            log_std: log_std.clamp(f64::from(log_std_min), f64::from(log_std_max)),
        }
    }

    /// Writes the gradient with respect to mean and log-deviation of number `i`. At a bound of the log-deviation, a gradient
    /// that points outwards is dropped.
    pub(super) fn write(
        &self,
        parameters: Parameters<'_>,
        i: usize,
        (mean, log_std): (f64, f64),
        gradient: &mut Gradient<'_>,
    ) {
        let now = self.of(parameters, i).log_std;
        let outwards = (now <= f64::from(self.spec.log_std_min) && log_std > 0.0)
            || (now >= f64::from(self.spec.log_std_max) && log_std < 0.0);
        let log_std = if outwards { 0.0 } else { log_std };
        gradient.head[i] = mean;
        match self.spec.log_std {
            LogStd::Shared => gradient.shared[i] = log_std,
            LogStd::State => gradient.head[self.width + i] = log_std,
        }
    }
}

/// Numbers of a diagonal normal distribution, whose actions are clipped to their bounds.
///
/// The parameters are the means, followed by the log-deviations if these depend on the state.
#[derive(Debug, Clone)]
pub struct Gaussian {
    normals: Normals,
    low: Vec<f32>,
    high: Vec<f32>,
}

impl Gaussian {
    /// Returns the distribution of numbers within these bounds, `[width]`.
    ///
    /// # Errors
    /// If `spec` is invalid.
    pub fn new(low: &[f32], high: &[f32], spec: GaussianSpec) -> Result<Self> {
        spec.check()?;
        let normals = Normals { spec, width: low.len() };
        Ok(Self { normals, low: low.to_vec(), high: high.to_vec() })
    }
}

impl Distribution for Gaussian {
    fn parameters(&self) -> usize {
        self.normals.widths().0
    }

    fn shared(&self) -> usize {
        self.normals.widths().1
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
            log_prob += normal.log_density(u);
            sample.values.push(u);
        }
        log_prob as f32
    }

    fn act(&self, values: &[f32], action: &mut Vec<f32>) {
        for ((&u, &low), &high) in values.iter().zip(&self.low).zip(&self.high) {
            let unit = (high - low) / 2.0;
            let u = if unit.is_finite() { low + unit * (u + 1.0) } else { u };
            action.push(u.clamp(low, high));
        }
    }

    fn score(&self, parameters: Parameters<'_>, sample: Sample<'_>, _: &mut [f64]) -> SampleScore {
        let mut score = SampleScore::default();
        for (i, &u) in sample.values.iter().enumerate() {
            let normal = self.normals.of(parameters, i);
            score.log_prob += normal.log_density(u);
            score.entropy += normal.entropy();
        }
        score
    }

    fn gradient(
        &self,
        parameters: Parameters<'_>,
        sample: Sample<'_>,
        _: &[f64],
        slopes: Slopes,
        mut gradient: Gradient<'_>,
    ) {
        for (i, &u) in sample.values.iter().enumerate() {
            let normal = self.normals.of(parameters, i);
            let z = normal.deviations(u);
            let mean = slopes.log_prob * z / normal.std();
            let log_std = slopes.log_prob * (z * z - 1.0) + slopes.entropy;
            self.normals.write(parameters, i, (mean, log_std), &mut gradient);
        }
    }
}
