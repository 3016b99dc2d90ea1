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

/// The key of one random stream. Streams of different keys are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamKey {
    /// Seed of the run.
    pub seed: u64,
    /// The use of the stream.
    pub purpose: Purpose,
    /// Iteration within the run, or any number that separates uses of the same seed and purpose.
    pub iteration: u64,
    /// Index within the iteration: of an episode, a group, a pair.
    pub index: u64,
}

impl StreamKey {
    /// Returns the key of iteration 0 and index 0.
    pub const fn new(seed: u64, purpose: Purpose) -> Self {
        Self { seed, purpose, iteration: 0, index: 0 }
    }

    /// Returns this key with another purpose.
    #[must_use]
    pub const fn purpose(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    /// Returns this key with another iteration.
    #[must_use]
    pub const fn iteration(self, iteration: u64) -> Self {
        Self { iteration, ..self }
    }

    /// Returns this key with another index.
    #[must_use]
    pub const fn at(self, index: u64) -> Self {
        Self { index, ..self }
    }

    /// Returns the generator of this key, at the start of its stream.
    pub fn stream(self) -> Rng {
        let mut bytes = [0u8; 32];
        let words = [self.seed, self.purpose as u64, self.iteration, self.index];
        for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        Rng::from_seed(bytes)
    }
}

/// Returns the stream of a [`StreamKey`] given by its parts, for tests and examples.
pub fn stream(seed: u64, purpose: Purpose, iteration: u64, index: u64) -> Rng {
    StreamKey { seed, purpose, iteration, index }.stream()
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
        let key = StreamKey::new(1, Purpose::Act).iteration(2).at(3);
        assert_eq!(key, StreamKey { seed: 1, purpose: Purpose::Act, iteration: 2, index: 3 });
        let base = key.stream().next_u64();
        assert_eq!(base, stream(1, Purpose::Act, 2, 3).next_u64());
        for other in
            [StreamKey { seed: 2, ..key }, key.purpose(Purpose::Start), key.iteration(3), key.at(4)]
        {
            assert_ne!(base, other.stream().next_u64());
        }
    }
}
