//! The masked categorical distribution over the choices of an action.

use crate::rng::Rng;
use rand::RngExt as _;

/// Replaces `logits` by the softmax over the entries whose `mask` is true; all others become exactly 0.
/// Where no entry is allowed, all become 0.
pub fn masked_softmax(logits: &mut [f32], mask: &[bool]) {
    let max = logits
        .iter()
        .zip(mask)
        .filter(|&(_, &m)| m)
        .fold(f32::NEG_INFINITY, |max, (&l, _)| max.max(l));
    let mut sum = 0.0;
    for (p, &m) in logits.iter_mut().zip(mask) {
        *p = if m { (*p - max).exp() } else { 0.0 };
        sum += *p;
    }
    let scale = if sum > 0.0 { 1.0 / sum } else { 0.0 };
    for p in logits {
        *p *= scale;
    }
}

/// An index drawn with these probabilities, which sum to about 1. Entries of probability 0 are never drawn
/// unless all are 0; then it is the first.
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

/// The first of the most probable indices.
pub fn argmax(probabilities: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (i, &p) in probabilities.iter().enumerate() {
        if p > best.1 {
            best = (i, p);
        }
    }
    best.0
}
