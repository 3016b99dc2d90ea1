//! Independent bits.
//!
//! With `p = 1 / (1 + exp(-z))` the probability of a 1:
//!
//! ```text
//! ln p(1) = -softplus(-z)    ln p(0) = -softplus(z)    d ln p(a) / d z = a - p    d H / d z = -z p (1 - p)
//! ```
//!
//! A bit for which the mask allows one value has probability 1, entropy 0 and no gradient.

use super::{
    Distribution, Gradient, Parameters, ParametersMut, Sample, SampleMut, SampleScore, Slopes,
};
use crate::evaluator::distribution::Choice;
use crate::math::{exp, log1p};
use crate::rng::Rng;
use rand::RngExt as _;

/// `n` independent bits, with a logit (the log-odds of a 1) for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bernoulli {
    /// The number of bits.
    pub n: usize,
}

/// A bit under a mask.
enum Bit {
    Free,
    Forced(u32),
    /// The mask allows neither value, which breaks the contract of environments.
    Impossible,
}

fn bit(mask: [bool; 2]) -> Bit {
    match mask {
        [true, false] => Bit::Forced(0),
        [false, true] => Bit::Forced(1),
        [true, true] => Bit::Free,
        [false, false] => Bit::Impossible,
    }
}

impl Distribution for Bernoulli {
    fn parameters(&self) -> usize {
        self.n
    }

    fn choose(
        &self,
        parameters: ParametersMut<'_>,
        choice: Choice,
        rng: &mut Rng,
        sample: SampleMut<'_>,
    ) -> f32 {
        let mut log_prob = 0.0;
        for (&logit, &mask) in bits(parameters.read()) {
            let z = f64::from(logit);
            let chosen = match (bit(mask), choice) {
                (Bit::Forced(bit), _) => {
                    sample.choices.push(bit);
                    continue;
                }
                (Bit::Impossible, _) => {
                    sample.choices.push(0);
                    log_prob = f64::NAN;
                    continue;
                }
                (Bit::Free, Choice::Greedy) => z > 0.0,
                (Bit::Free, Choice::Sample) => rng.random::<f64>() < sigmoid(z),
            };
            sample.choices.push(u32::from(chosen));
            log_prob -= softplus(if chosen { -z } else { z });
        }
        log_prob as f32
    }

    fn score(&self, parameters: Parameters<'_>, sample: Sample<'_>, _: &mut [f64]) -> SampleScore {
        let mut score = SampleScore::default();
        for ((&logit, &mask), &chosen) in bits(parameters).zip(sample.choices) {
            match bit(mask) {
                Bit::Free => {
                    let z = f64::from(logit);
                    let (one, zero) = (softplus(-z), softplus(z));
                    score.log_prob -= if chosen == 1 { one } else { zero };
                    score.entropy += sigmoid(z) * one + sigmoid(-z) * zero;
                }
                Bit::Forced(_) => {}
                Bit::Impossible => score.log_prob = f64::NAN,
            }
        }
        score
    }

    fn gradient(
        &self,
        parameters: Parameters<'_>,
        sample: Sample<'_>,
        _: &[f64],
        slopes: Slopes,
        gradient: Gradient<'_>,
    ) {
        let rows = bits(parameters).zip(sample.choices).zip(gradient.head);
        for (((&logit, &mask), &chosen), d) in rows {
            if let Bit::Free = bit(mask) {
                let z = f64::from(logit);
                let p = sigmoid(z);
                *d = slopes.log_prob * (f64::from(chosen) - p)
                    - slopes.entropy * z * p * sigmoid(-z);
            }
        }
    }
}

/// Returns the logit and the mask of each bit.
fn bits<'a>(parameters: Parameters<'a>) -> impl Iterator<Item = (&'a f32, &'a [bool; 2])> {
    parameters.head.iter().zip(parameters.mask.as_chunks::<2>().0)
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + exp(-z))
}

/// Returns `ln(1 + exp(z))` without overflow.
pub(super) fn softplus(z: f64) -> f64 {
    // `f64::max` would hide a NaN.
    (if z < 0.0 { 0.0 } else { z }) + log1p(exp(-z.abs()))
}
