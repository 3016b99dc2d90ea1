//! Real numbers, each normally distributed around a mean that the network computes.
//!
//! With mean `m` and standard deviation `s` of each number `u`, and `z = (u - m) / s`:
//!
//! ```text
//! ln p(u) = -z^2 / 2 - ln s - ln(2 pi) / 2        H = 1/2 + ln(2 pi) / 2 + ln s
//! d ln p / d m = z / s        d ln p / d ln s = z^2 - 1        d H / d ln s = 1
//! ```
//!
//! A number with two finite bounds is in units of half their distance, around their middle: -1 and 1 are the bounds. All
//! others are in units of the environment. What lies beyond a bound becomes the bound on its way to the environment; the
//! density stays that of the number drawn.

use super::{
    Distribution, Gradient, Parameters, ParametersMut, Sample, SampleMut, SampleScore, Slopes,
};
use crate::evaluator::distribution::Choice;
use crate::rng::{Rng, normal};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// `ln(2 pi) / 2`
pub(super) const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;

/// Where the logarithms of standard deviations come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStd {
    /// One number for each value, learned, the same in all states.
    #[default]
    Shared,
    /// From the network, for each state.
    State,
}

/// A normal distribution as configs and policies describe it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianSpec {
    /// Where the logarithms of standard deviations come from.
    pub log_std: LogStd,
    /// What is added to them: where training begins.
    pub log_std_init: f32,
    /// Their lower bound.
    pub log_std_min: f32,
    /// Their upper bound.
    pub log_std_max: f32,
}

impl Default for GaussianSpec {
    fn default() -> Self {
        Self { log_std: LogStd::Shared, log_std_init: 0.0, log_std_min: -5.0, log_std_max: 2.0 }
    }
}

impl GaussianSpec {
    /// Whether the bounds are in order and the numbers small enough that no deviation over- or underflows.
    ///
    /// # Errors
    /// Names the field, relative to the description.
    pub fn check(&self) -> Result<()> {
        let Self { log_std_init: init, log_std_min: min, log_std_max: max, .. } = *self;
        for (name, value) in [("log_std_init", init), ("log_std_min", min), ("log_std_max", max)] {
            if !(-20.0..=20.0).contains(&value) {
                return Err(Error::config(name, "-20 to 20", value));
            }
        }
        if min > max {
            return Err(Error::config("log_std_min", format!("at most log_std_max, {max}"), min));
        }
        if !(min..=max).contains(&init) {
            return Err(Error::config("log_std_init", format!("{min} to {max}"), init));
        }
        Ok(())
    }

    /// The numbers of parameters in each row and of shared ones, for `width` values.
    pub(super) fn widths(&self, width: usize) -> (usize, usize) {
        match self.log_std {
            LogStd::Shared => (width, width),
            LogStd::State => (width.saturating_mul(2), 0),
        }
    }
}

/// The means and deviations of some numbers: what normal distributions have in common, squashed or not.
#[derive(Debug, Clone)]
pub(super) struct Normals {
    pub(super) spec: GaussianSpec,
    pub(super) width: usize,
}

/// One number's distribution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Normal {
    pub(super) mean: f64,
    pub(super) log_std: f64,
}

impl Normal {
    pub(super) fn std(self) -> f64 {
        self.log_std.exp()
    }

    /// How many deviations `u` is from the mean.
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

    /// A draw, or the mean.
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

    /// The distributions that `parameters` stand for.
    pub(super) fn of(&self, parameters: Parameters<'_>, i: usize) -> Normal {
        let number = |list: &[f32], i: usize| list.get(i).map_or(0.0, |&x| f64::from(x));
        let raw = match self.spec.log_std {
            LogStd::Shared => number(parameters.shared, i),
            LogStd::State => number(parameters.head, self.width + i),
        };
        let GaussianSpec { log_std_init, log_std_min, log_std_max, .. } = self.spec;
        let log_std = f64::from(log_std_init) + raw;
        Normal {
            mean: number(parameters.head, i),
            log_std: log_std.clamp(f64::from(log_std_min), f64::from(log_std_max)),
        }
    }

    /// Writes a gradient by mean and log-deviation of number `i`. At a bound of the log-deviation, what would push it
    /// further out is dropped, and what brings it back is kept.
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
        if let Some(d) = gradient.head.get_mut(i) {
            *d = mean;
        }
        let place = match self.spec.log_std {
            LogStd::Shared => gradient.shared.get_mut(i),
            LogStd::State => gradient.head.get_mut(self.width + i),
        };
        if let Some(d) = place {
            *d = log_std;
        }
    }
}

/// Numbers of a diagonal normal distribution, clipped to their bounds on the way to the environment.
///
/// Parameters: a mean for each number, then, if they depend on the state, the logarithms of the deviations.
#[derive(Debug, Clone)]
pub struct Gaussian {
    normals: Normals,
    low: Vec<f32>,
    high: Vec<f32>,
}

impl Gaussian {
    /// Numbers within these bounds, as many as there are.
    ///
    /// # Errors
    /// If `spec` is not sound.
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
