//! Random numbers: one seed a run, and a separate stream for every use.
//!
//! A stream is ChaCha8 with the 256-bit key `(seed, purpose, iteration, index)`. Streams are distinct by construction, have
//! no state to save, and do not depend on the number of threads.

pub use rand::{self, RngExt};

use super::{cos, log};
use rand::{Rng as _, SeedableRng};

/// The generator of a stream.
pub type Rng = rand_chacha::ChaCha8Rng;

/// The use of a stream. The numbers are part of the reproducibility contract: never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Initial weights of a network.
    Init = 1,
    /// Starts of training episodes.
    Start = 2,
    /// Sampling of actions in rollouts.
    Act = 3,
    /// Order of the samples in minibatches.
    Shuffle = 4,
    /// Episodes of evaluations.
    Evaluate = 5,
    /// Solving of single problems.
    Solve = 6,
    /// States that test the greedy policy for failures.
    Probe = 7,
    /// Choice among the kinds of start and among remembered states.
    Choice = 8,
    /// Random walks away from solved states.
    Walk = 9,
    /// Problems of expert iteration, and the choice among their solutions.
    Expert = 10,
    /// Noise at the roots of searches.
    Search = 11,
    /// Perturbations of weights.
    Perturb = 12,
    /// Steps of the self-test of a bundle.
    SelfTest = 13,
}

/// The generators of the rows of a batch.
pub trait Draws {
    /// Returns the generator of row `row`.
    fn row(&mut self, row: usize) -> &mut Rng;
}

/// One generator for all rows, in their order.
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

/// Returns the generator of a key of 32 bytes, at the start of its stream: ChaCha with 8 rounds, a counter of 64 bits and
/// stream 0.
pub fn of_key(key: [u8; 32]) -> Rng {
    Rng::from_seed(key)
}

/// Returns the key of a generator for code that draws in another language, and advances `rng`: of `rng` itself if nothing was
/// drawn from it yet, so that the other code may draw the same numbers as code in Rust would, and of a new stream otherwise.
pub fn next_key(rng: &mut Rng) -> [u8; 32] {
    let own = (rng.get_word_pos() == 0).then(|| rng.get_seed());
    let mut key = [0; 32];
    rng.fill_bytes(&mut key);
    own.unwrap_or(key)
}

/// Draws a uniform number in (0, 1], whose logarithm is finite.
pub fn open_uniform(rng: &mut Rng) -> f64 {
    1.0 - rng.random::<f64>() * (1.0 - f64::EPSILON)
}

/// Draws a standard normal number by the method of Box and Muller.
pub fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * log(open_uniform(rng))).sqrt();
    radius * cos(std::f64::consts::TAU * open_uniform(rng))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_equal_if_and_only_if_their_keys_are() {
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
