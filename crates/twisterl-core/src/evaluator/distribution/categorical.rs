//! The masked categorical distribution.
//!
//! ```text
//! p = softmax(z)    d ln p(a) / d z_j = [j = a] - p_j    d H / d z_j = -p_j (ln p_j + H)
//! ```
//!
//! Masked choices have probability 0, and do not contribute to entropy and gradient.

use super::{
    Distribution, Gradient, Parameters, ParametersMut, Sample, SampleMut, SampleScore, Slopes,
};
use crate::evaluator::distribution::Choice;
use crate::math::vectorised::exp_or_zero;
use crate::math::{exp, log, logf};
use crate::rng::Rng;
use rand::RngExt as _;

/// One of `n` choices, with a logit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Categorical {
    /// The number of choices.
    pub n: usize,
}

impl Distribution for Categorical {
    fn parameters(&self) -> usize {
        self.n
    }

    /// The entropy, and for each choice its probability and log-probability, which is 0 if the choice is masked.
    fn scratch(&self) -> usize {
        2 * self.n + 1
    }

    /// Leaves the probabilities in place of the logits. The log-probability is not finite if a logit is not, or if no
    /// choice is allowed.
    fn choose(
        &self,
        parameters: ParametersMut<'_>,
        choice: Choice,
        rng: &mut Rng,
        to: SampleMut<'_>,
    ) -> f32 {
        let ParametersMut { head, mask, .. } = parameters;
        masked_softmax(head, mask);
        let chosen = match choice {
            Choice::Greedy => argmax(head),
            Choice::Sample => sample(head, rng),
        };
        to.choices.push(chosen as u32);
        match head[chosen] {
            p if p > 0.0 => logf(p.max(f32::MIN_POSITIVE)),
            nothing => logf(nothing),
        }
    }

    fn score(
        &self,
        parameters: Parameters<'_>,
        sample: Sample<'_>,
        scratch: &mut [f64],
    ) -> SampleScore {
        let (first, pairs) = scratch.split_at_mut(1);
        let pairs = pairs.as_chunks_mut::<2>().0;
        let (logits, mask) = (parameters.head, parameters.mask);
        let max = largest(logits, mask);
        let mut sum = 0.0;
        for (([weight, _], &z), &allowed) in pairs.iter_mut().zip(logits).zip(mask) {
            *weight = if allowed { exp(f64::from(z) - max) } else { 0.0 };
            sum += *weight;
        }
        let (normaliser, scale) = (max + log(sum), 1.0 / sum);
        let mut entropy = 0.0;
        for (([probability, log], &z), &allowed) in pairs.iter_mut().zip(logits).zip(mask) {
            (*probability, *log) = if allowed {
                (*probability * scale, f64::from(z) - normaliser)
            } else {
                (0.0, 0.0)
            };
            entropy -= *probability * *log;
        }
        first[0] = entropy;
        SampleScore { log_prob: pairs[sample.choices[0] as usize][1], entropy }
    }

    fn gradient(
        &self,
        _: Parameters<'_>,
        sample: Sample<'_>,
        scratch: &[f64],
        slopes: Slopes,
        gradient: Gradient<'_>,
    ) {
        let (entropy, pairs) = (scratch[0], &scratch[1..]);
        let chosen = sample.choices[0] as usize;
        let choices = gradient.head.iter_mut().zip(pairs.as_chunks::<2>().0).enumerate();
        for (i, (d, [probability, log])) in choices {
            let chosen = if i == chosen { 1.0 } else { 0.0 };
            let policy = slopes.log_prob * (chosen - probability);
            *d = policy - slopes.entropy * probability * (log + entropy);
        }
    }
}

/// Returns the logarithm of the sum of the exponentials of the allowed `logits`, NaN if one of them is.
pub fn log_normaliser(logits: &[f32], mask: &[bool]) -> f64 {
    let max = largest(logits, mask);
    max + log(allowed(logits, mask).map(|z| exp(z - max)).sum())
}

fn allowed(logits: &[f32], mask: &[bool]) -> impl Iterator<Item = f64> {
    logits.iter().zip(mask).filter(|&(_, &m)| m).map(|(&z, _)| f64::from(z))
}

/// Returns the largest of the allowed `logits`, NaN if one of them is.
fn largest(logits: &[f32], mask: &[bool]) -> f64 {
    // `f64::max` would hide a NaN.
    allowed(logits, mask).fold(f64::NEG_INFINITY, |max, z| if z <= max { max } else { z })
}

/// Replaces `logits` by the softmax over the entries whose `mask` is true; all others become exactly 0, and so do all if
/// none is allowed.
pub fn masked_softmax(logits: &mut [f32], mask: &[bool]) {
    let max = logits
        .iter()
        .zip(mask)
        .filter(|&(_, &m)| m)
        .fold(f32::NEG_INFINITY, |max, (&l, _)| max.max(l));
    let mut sum = 0.0;
    for (p, &m) in logits.iter_mut().zip(mask) {
        *p = if m { exp_or_zero(*p - max) } else { 0.0 };
        sum += *p;
    }
    let scale = if sum > 0.0 { 1.0 / sum } else { 0.0 };
    for p in logits {
        *p *= scale;
    }
}

/// Replaces `logits` by the log-softmax over the entries whose `mask` is true; all others become negative infinity.
pub fn masked_log_softmax(logits: &mut [f32], mask: &[bool]) {
    let each = |logits: &[f32], mask: &[bool], f: &mut dyn FnMut(f32)| {
        logits.iter().zip(mask).filter(|&(_, &m)| m).for_each(|(&l, _)| f(l));
    };
    let (mut max, mut sum) = (f32::NEG_INFINITY, 0.0);
    each(logits, mask, &mut |l| max = max.max(l));
    each(logits, mask, &mut |l| sum += exp_or_zero(l - max));
    let log_sum = max + logf(sum);
    for (l, &m) in logits.iter_mut().zip(mask) {
        *l = if m { *l - log_sum } else { f32::NEG_INFINITY };
    }
}

/// Draws an index with these probabilities, which sum to about 1. Entries of probability 0 are never drawn, unless all are
/// 0: then the first is.
pub fn sample(probabilities: &[f32], rng: &mut Rng) -> usize {
    let mut left = rng.random::<f32>();
    let mut last = 0;
    for (i, &p) in probabilities.iter().enumerate() {
        if p > 0.0 {
            last = i;
            left -= p;
            if left < 0.0 {
                break;
            }
        }
    }
    last
}

/// Returns the index of the first maximum.
pub fn argmax(probabilities: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (i, &p) in probabilities.iter().enumerate() {
        if p > best.1 {
            best = (i, p);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn masked_entries_are_exactly_0_and_the_rest_sums_to_1(
            rows in proptest::collection::vec((-200.0f32..200.0, any::<bool>()), 1..20),
        ) {
            let (mut p, mask): (Vec<f32>, Vec<bool>) = rows.into_iter().unzip();
            let logits = p.clone();
            masked_softmax(&mut p, &mask);
            for (p, m) in p.iter().zip(&mask) {
                let fits = if *m { (0.0..=1.0).contains(p) } else { *p == 0.0 };
                prop_assert!(fits);
            }
            let mut logs = logits.clone();
            masked_log_softmax(&mut logs, &mask);
            for (l, p) in logs.iter().zip(&p) {
                prop_assert!((l.exp() - p).abs() < 1e-5, "{l} {p}");
            }
            let sum: f32 = p.iter().sum();
            let total = f32::from(u8::from(mask.contains(&true)));
            prop_assert!((sum - total).abs() < 1e-5);
        }
    }

    #[test]
    fn samples_have_the_given_probabilities() {
        let p = [0.1, 0.0, 0.6, 0.3];
        let mut counts = [0u32; 4];
        let mut rng = stream(0, Purpose::Act, 0, 0);
        for _ in 0..100_000 {
            counts[sample(&p, &mut rng)] += 1;
        }
        for (count, p) in counts.iter().zip(p) {
            // Four standard deviations of a binomial of 100,000 draws are at most 0.0064.
            assert!((f64::from(*count) / 1e5 - f64::from(p)).abs() < 0.0064, "{counts:?}");
        }
        assert_eq!(counts[1], 0);
    }

    #[test]
    fn argmax_takes_the_first_of_equals() {
        assert_eq!(argmax(&[0.1, 0.4, 0.4]), 1);
        assert_eq!(argmax(&[]), 0);
    }
}
