//! The answers of the members of a population: how their episodes went. Nothing else is sent where an iteration is
//! distributed over processes or machines.

use crate::config::{EvolutionConfig, Fitness};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use twisterl_core::rollout::Episode;

/// The beginning of the bytes: a name and the version of the format.
const MAGIC: [u8; 8] = *b"ESreturn";
const VERSION: u64 = 1;
/// Stands in the bytes for the difficulty of an episode that has none.
const NONE: u32 = u32::MAX;
/// Bytes before the episodes, and bytes of each.
const HEADER: usize = 8 * 7;
const EPISODE: usize = 4 + 4 + 4 + 1;

/// The question that members answer: answers to another question say nothing about this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The number of the iteration.
    pub iteration: u64,
    /// The difficulty of the curriculum in it.
    pub difficulty: u64,
    /// The [checksum] of the mean parameters of the population.
    pub weights_checksum: u32,
}

/// Returns the CRC-32C of the bits of these weights.
pub fn checksum(weights: &[f32]) -> u32 {
    weights.iter().fold(0, |sum, weight| crc32c::crc32c_append(sum, &weight.to_le_bytes()))
}

/// The episodes of some members of a population, member after member, and of each member episode after episode:
/// `[members * episodes]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Returns {
    /// The question that they answer.
    pub question: Question,
    /// The number of the first member.
    pub first: u64,
    /// Undiscounted sums of rewards, `[members * episodes]`.
    pub totals: Vec<f32>,
    /// Steps, `[members * episodes]`.
    pub lengths: Vec<u32>,
    /// 1 for each episode that ended solved, otherwise 0, `[members * episodes]`.
    pub solved: Vec<u8>,
    /// The difficulty of each episode that began with a scramble, `[members * episodes]`.
    pub difficulties: Vec<Option<u32>>,
}

impl Returns {
    /// Returns the answer to `question` of the members from `first` on.
    ///
    /// # Errors
    /// If a length or difficulty does not fit 32 bits.
    pub(super) fn new(question: Question, first: u64, episodes: &[Episode]) -> Result<Self> {
        let narrow = |name: &str, number: usize| match u32::try_from(number) {
            Ok(number) if number != NONE => Ok(number),
            _ => Err(Error::config(name, format!("a number below {NONE}"), number)),
        };
        let lengths = episodes.iter().map(|e| narrow("the length of an episode", e.length));
        let difficulties = episodes
            .iter()
            .map(|e| e.difficulty.map(|d| narrow("the difficulty of an episode", d)).transpose());
        Ok(Self {
            question,
            first,
            totals: episodes.iter().map(|e| e.total).collect(),
            lengths: lengths.collect::<Result<_>>()?,
            solved: episodes.iter().map(|e| u8::from(e.solved)).collect(),
            difficulties: difficulties.collect::<Result<_>>()?,
        })
    }

    /// The episodes.
    pub fn episodes(&self) -> impl Iterator<Item = Episode> {
        let ends = self.totals.iter().zip(&self.lengths).zip(&self.solved);
        ends.zip(&self.difficulties).map(|(((&total, &length), &solved), difficulty)| Episode {
            difficulty: difficulty.map(|d| d as usize),
            length: length as usize,
            total,
            solved: solved > 0,
        })
    }

    /// Joins parts, which must be the answers of a whole population to `question`.
    pub(super) fn join(parts: &[Self], question: Question, es: &EvolutionConfig) -> Result<Self> {
        let mut parts: Vec<&Self> = parts.iter().collect();
        parts.sort_by_key(|part| (part.first, part.totals.len()));
        let (mut all, mut next) = (Self { question, ..Self::default() }, 0);
        for part in parts {
            let path = format!("returns of the members from {} on", part.first);
            if part.question != question {
                let found = format!("{:?}", part.question);
                return Err(Error::config(path, format!("answers to {question:?}"), found));
            }
            if part.first != next {
                return Err(Error::config(path, format!("members from {next} on first"), "none"));
            }
            let lengths = [part.lengths.len(), part.solved.len(), part.difficulties.len()];
            let count = part.totals.len();
            if !count.is_multiple_of(es.num_episodes) || lengths != [count; 3] {
                let expected = format!("{} episodes a member", es.num_episodes);
                return Err(Error::config(path, expected, format!("{count}, {lengths:?}")));
            }
            next += (count / es.num_episodes) as u64;
            all.totals.extend_from_slice(&part.totals);
            all.lengths.extend_from_slice(&part.lengths);
            all.solved.extend_from_slice(&part.solved);
            all.difficulties.extend_from_slice(&part.difficulties);
        }
        if next != es.population as u64 {
            let expected = format!("all {} members", es.population);
            return Err(Error::config("returns", expected, next));
        }
        Ok(all)
    }

    /// The fitness of each member, `[members]`: the mean over its episodes.
    pub(super) fn fitness(&self, fitness: Fitness, episodes: usize) -> Vec<f64> {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let values: Vec<f64> = match fitness {
            Fitness::Return => self.totals.iter().map(|&total| total.into()).collect(),
            Fitness::Success => self.solved.iter().map(|&solved| f64::from(solved > 0)).collect(),
        };
        values.chunks(episodes).map(mean).collect()
    }

    /// Writes them as bytes, 56 and 13 an episode: `ESreturn`, then as 64-bit numbers the version, the iteration, the difficulty,
    /// the checksum of the weights, the first member and the number of episodes, then all totals, lengths, difficulties
    /// and ones for solved episodes; little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Question { iteration, difficulty, weights_checksum } = self.question;
        let count = self.totals.len() as u64;
        let mut bytes = Vec::with_capacity(HEADER + EPISODE * self.totals.len());
        bytes.extend(MAGIC);
        let checksum = u64::from(weights_checksum);
        for number in [VERSION, iteration, difficulty, checksum, self.first, count] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.totals.iter().flat_map(|total| total.to_le_bytes()));
        bytes.extend(self.lengths.iter().flat_map(|length| length.to_le_bytes()));
        bytes.extend(self.difficulties.iter().flat_map(|d| d.unwrap_or(NONE).to_le_bytes()));
        bytes.extend(&self.solved);
        bytes
    }

    /// Reads the bytes of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// If they were cut, or are something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let wrong = |expected: String, found: String| Error::config("returns", expected, found);
        let length = bytes.len();
        let Some((header, episodes)) = bytes.split_at_checked(HEADER) else {
            return Err(wrong(format!("at least {HEADER} bytes"), format!("{length}")));
        };
        let (words, _) = header.as_chunks::<8>();
        let &[magic, version, iteration, difficulty, checksum, first, count] = words else {
            return Err(wrong(format!("at least {HEADER} bytes"), format!("{length}")));
        };
        if magic != MAGIC || u64::from_le_bytes(version) != VERSION {
            let expected = format!("what ask_range returned, of version {VERSION}");
            return Err(wrong(expected, format!("{length} other bytes")));
        }
        let count = u64::from_le_bytes(count);
        if count.checked_mul(EPISODE as u64) != Some(episodes.len() as u64) {
            let found = format!("{} bytes of them", episodes.len());
            return Err(wrong(format!("{count} episodes of {EPISODE} bytes"), found));
        }
        let count = episodes.len() / EPISODE;
        let weights_checksum = u32::try_from(u64::from_le_bytes(checksum))
            .map_err(|e| wrong("a checksum of 32 bits".into(), e.to_string()))?;
        let words = |part: usize| {
            // The length of `episodes` was compared with their count.
            let bytes = &episodes[part * 4 * count..(part + 1) * 4 * count];
            bytes.as_chunks::<4>().0.iter().copied()
        };
        Ok(Self {
            question: Question {
                iteration: u64::from_le_bytes(iteration),
                difficulty: u64::from_le_bytes(difficulty),
                weights_checksum,
            },
            first: u64::from_le_bytes(first),
            totals: words(0).map(f32::from_le_bytes).collect(),
            lengths: words(1).map(u32::from_le_bytes).collect(),
            difficulties: words(2)
                .map(|word| Some(u32::from_le_bytes(word)).filter(|&d| d != NONE))
                .collect(),
            solved: episodes[12 * count..].to_vec(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn returns() -> impl Strategy<Value = Returns> {
        let episode = (any::<f32>(), any::<u32>(), 0..2u8, proptest::option::of(0..u32::MAX));
        let episodes = proptest::collection::vec(episode, 0..40);
        (any::<(u64, u64, u32, u64)>(), episodes).prop_map(|(header, episodes)| {
            let (iteration, difficulty, weights_checksum, first) = header;
            Returns {
                question: Question { iteration, difficulty, weights_checksum },
                first,
                totals: episodes.iter().map(|e| e.0).collect(),
                lengths: episodes.iter().map(|e| e.1).collect(),
                solved: episodes.iter().map(|e| e.2).collect(),
                difficulties: episodes.iter().map(|e| e.3).collect(),
            }
        })
    }

    proptest! {
        #[test]
        fn bytes_and_json_keep_everything(returns in returns()) {
            let bytes = returns.to_bytes();
            prop_assert_eq!(bytes.len(), HEADER + EPISODE * returns.totals.len());
            prop_assert_eq!(&Returns::from_bytes(&bytes).unwrap(), &returns);
            let json = serde_json::to_string(&returns).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Returns>(&json).unwrap(), &returns);
        }

        #[test]
        fn bytes_that_were_cut_or_changed_are_read_or_refused(
            returns in returns(),
            cut in 0..600usize,
            (at, to) in (0..600usize, any::<u8>()),
        ) {
            let mut bytes = returns.to_bytes();
            if cut < bytes.len() {
                prop_assert!(Returns::from_bytes(&bytes[..cut]).is_err());
            }
            let length = bytes.len();
            bytes[at % length] = to;
            if let Ok(read) = Returns::from_bytes(&bytes) {
                prop_assert_eq!(read.to_bytes(), bytes);
            }
        }
    }

    #[test]
    fn a_length_that_lies_asks_for_no_memory() {
        let mut bytes = Returns::default().to_bytes();
        bytes[48..56].copy_from_slice(&u64::MAX.to_le_bytes());
        let error = Returns::from_bytes(&bytes).unwrap_err().to_string();
        assert!(error.contains("expected 18446744073709551615 episodes"), "{error}");
    }
}
