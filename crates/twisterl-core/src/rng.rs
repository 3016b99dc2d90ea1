//! Randomness: one seed a run, and a stream of its own for every use.
//!
//! A stream is ChaCha8 keyed by the 256 bits `(seed, purpose, iteration, index)`, so that streams are
//! distinct by construction, need no state to be saved, and do not depend on the number of threads.

use rand::{RngExt as _, SeedableRng};

/// The generator that environments, rollouts and shuffles are handed.
pub type Rng = rand_chacha::ChaCha8Rng;

/// What a stream is used for. The numbers are part of the reproducibility contract: never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Initial weights of a network.
    Init = 1,
    /// Start of a training episode.
    Start = 2,
    /// Sampling of actions in a rollout.
    Act = 3,
    /// Order of the samples in minibatches.
    Shuffle = 4,
    /// Episodes of an evaluation.
    Evaluate = 5,
    /// Solving of single problems.
    Solve = 6,
    /// States on which the greedy policy is probed for failures.
    Probe = 7,
    /// Choice among the kinds of start and among remembered states.
    Choice = 8,
    /// Random walks away from solved states.
    Walk = 9,
    /// Problems that a search is to solve for the policy to learn from, and the choice among their solutions.
    Expert = 10,
    /// Noise at the roots of searches.
    Search = 11,
    /// Perturbations of weights.
    Perturb = 12,
}

/// Where the rows of a batch draw from.
pub trait Draws {
    /// The generator of row `row`.
    fn row(&mut self, row: usize) -> &mut Rng;
}

/// All rows draw from one generator, in their order.
impl Draws for Rng {
    fn row(&mut self, _: usize) -> &mut Rng {
        self
    }
}

/// The stream of `(seed, purpose, iteration, index)`.
pub fn stream(seed: u64, purpose: Purpose, iteration: u64, index: u64) -> Rng {
    let mut key = [0u8; 32];
    for (bytes, word) in
        key.as_chunks_mut::<8>().0.iter_mut().zip([seed, purpose as u64, iteration, index])
    {
        *bytes = word.to_le_bytes();
    }
    Rng::from_seed(key)
}

/// Uniform in (0, 1): never 0, so that its logarithm is finite.
pub fn open_uniform(rng: &mut Rng) -> f64 {
    1.0 - rng.random::<f64>() * (1.0 - f64::EPSILON)
}

/// A standard normal variable, by Box and Muller.
pub fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * open_uniform(rng).ln()).sqrt();
    radius * (std::f64::consts::TAU * open_uniform(rng)).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng as _;

    #[test]
    fn equal_keys_give_equal_streams_and_any_other_key_another() {
        let draw = |s, p, i, n| stream(s, p, i, n).next_u64();
        let base = draw(1, Purpose::Act, 2, 3);
        assert_eq!(base, draw(1, Purpose::Act, 2, 3));
        for other in [
            draw(2, Purpose::Act, 2, 3),
            draw(1, Purpose::Start, 2, 3),
            draw(1, Purpose::Act, 3, 3),
            draw(1, Purpose::Act, 2, 4),
        ] {
            assert_ne!(base, other);
        }
    }
}
