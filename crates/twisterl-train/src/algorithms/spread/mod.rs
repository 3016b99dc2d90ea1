//! Iterations whose parts are answered elsewhere, such as in other processes or on other machines.
//!
//! The head of a run makes one *question* an iteration: the acting policy, and all else that collecting depends on. Any
//! worker can answer any *part* of it, since an answer is a pure function of config, question and part. The number of
//! parts depends on the config alone. The head puts the answers together in the order of the parts, and updates.

mod frame;

use crate::algorithms::Iteration;
use crate::record::snapshot::{Arrays, Snapshot, read_arrays, write_arrays};
use crate::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;
use std::path::Path;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::policy::Policy;
use twisterl_core::policy::executor::Executor;
use twisterl_core::rollout::Episode;

const QUESTION: frame::Magic = *b"twquestn";
const ANSWER: frame::Magic = *b"twanswer";
/// The name of questions in errors.
const PLACE: &str = "question";

/// Has the parts of questions answered by [workers](Answers), wherever they are.
pub trait Engine: Send + Sync + fmt::Debug {
    /// Returns the answers to the parts 0 to `parts` of `question` about the run with `config` (JSON), in order.
    ///
    /// # Errors
    /// If a part cannot be answered, or it is interrupted.
    fn ask(
        &self,
        config: &str,
        question: &[u8],
        parts: usize,
        interrupt: &Interrupt,
    ) -> Result<Vec<Vec<u8>>>;

    /// Returns what a user may want to know of the time since the last call, on one line.
    fn status(&self) -> String;
}

/// The part of an iteration that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// Collecting, with the acting policy.
    Collect,
    /// Playing or solving problems that the algorithm learns from beside what it collects.
    Search,
    /// The evaluation at this position of the config, with the policy that would be saved.
    Evaluate {
        /// The position.
        position: usize,
    },
}

/// The JSON of a question.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    /// The [checksum](config_checksum) of the config.
    config: u32,
    task: Task,
    iteration: Iteration,
    /// The state that the algorithm adds.
    state: Value,
}

/// The JSON of an answer.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    /// The checksum of the question.
    question: u32,
    part: usize,
    /// The arithmetic whose results the policy has there: that of the worker's machine.
    arithmetic: String,
    state: Value,
}

/// The head's way to workers: an engine, and the run that they answer for.
#[derive(Debug, Clone, Copy)]
pub struct Spread<'a> {
    /// The engine.
    pub engine: &'a dyn Engine,
    /// The config of the run, as JSON.
    pub config: &'a str,
    /// Stops waiting.
    pub interrupt: &'a Interrupt,
}

impl Spread<'_> {
    /// Asks for all `parts` of `task` in an iteration with `policy`, and `state` for the algorithm. Returns the answers in
    /// order.
    ///
    /// # Errors
    /// If the policy cannot be written, for example since a weight is not finite; as for [`Engine::ask`]; or if an answer
    /// is damaged, or one to another question.
    pub fn ask(
        &self,
        task: Task,
        iteration: &Iteration,
        policy: &Policy,
        state: Value,
        parts: usize,
    ) -> Result<Vec<Answer>> {
        let head = json!(Head {
            config: config_checksum(self.config),
            task,
            iteration: *iteration,
            state
        });
        let question = frame::write(QUESTION, &head, &policy.to_safetensors()?)?;
        let checksum = frame::read(QUESTION, PLACE, &question)?.checksum;
        let answers = self.engine.ask(self.config, &question, parts, self.interrupt)?;
        if answers.len() != parts {
            return Err(Error::checkpoint("answers", format!("{parts}"), answers.len()));
        }
        let read = |(part, bytes): (usize, &Vec<u8>)| {
            Answer::read((checksum, part, policy.rounding().name()), bytes)
        };
        answers.iter().enumerate().map(read).collect()
    }
}

/// Returns the checksum of a config (JSON) by which head and workers know that theirs are the same.
pub fn config_checksum(config: &str) -> u32 {
    crc32c::crc32c(config.as_bytes())
}

/// An answer, as the head reads it.
pub struct Answer {
    place: String,
    snapshot: Snapshot,
}

impl Answer {
    /// Reads the answer to question and part in an arithmetic.
    fn read((question, part, arithmetic): (u32, usize, &str), bytes: &[u8]) -> Result<Self> {
        let place = format!("answer of part {part}");
        let frame = frame::read(ANSWER, &place, bytes)?;
        let reply: Reply = read(&place, &frame.json)?;
        if (reply.question, reply.part) != (question, part) {
            let show =
                |question: u32, part: usize| format!("part {part} of question {question:08x}");
            let (expected, found) = (show(question, part), show(reply.question, reply.part));
            return Err(Error::checkpoint(place, expected, found));
        }
        if reply.arithmetic != arithmetic {
            let expected = format!("an answer in {arithmetic} arithmetic, which the head has");
            let found = format!(
                "one in {} arithmetic: machines with and without fused operations cannot share a run",
                reply.arithmetic
            );
            return Err(Error::checkpoint(place, expected, found));
        }
        let arrays = read_arrays(Path::new(&place), frame.body)?;
        Ok(Self { place, snapshot: Snapshot { state: reply.state, arrays } })
    }

    /// Returns the answer that holds `snapshot`, called `place` in errors.
    #[cfg(test)]
    pub(super) fn new(place: &str, snapshot: Snapshot) -> Self {
        Self { place: place.into(), snapshot }
    }

    /// Reads its small values as a `T`.
    ///
    /// # Errors
    /// Names the first field that does not fit.
    pub fn state<T: DeserializeOwned>(&self) -> Result<T> {
        read(&self.place, &self.snapshot.state)
    }

    /// Its arrays.
    pub fn arrays(&self) -> Arrays<'_> {
        Arrays { place: &self.place, arrays: &self.snapshot.arrays }
    }

    /// Returns `error` as one of this answer.
    pub fn wrong(&self, error: &dyn fmt::Display) -> Error {
        Error::checkpoint(&self.place, "an answer that fits the run", error)
    }
}

fn read<T: DeserializeOwned>(place: &str, value: &Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|e| {
        let expected = format!("at {} what this version writes", e.path());
        Error::checkpoint(place, expected, e.inner())
    })
}

/// A question, as a worker reads it.
pub struct Asked {
    checksum: u32,
    /// The task.
    pub task: Task,
    /// The iteration.
    pub iteration: Iteration,
    /// The policy to act with.
    pub policy: Policy,
    /// The policy as an evaluator.
    pub executor: Executor,
    state: Value,
}

impl Asked {
    /// Reads a question about the run with this [checksum](config_checksum); `complete` adds to a policy what its file
    /// leaves to the registry.
    ///
    /// # Errors
    /// If it is damaged, of another version, or about another run.
    pub fn read(
        bytes: &[u8],
        run: u32,
        complete: impl FnOnce(&mut Policy) -> Result<()>,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let frame = frame::read(QUESTION, PLACE, bytes)?;
        let Head { config, task, iteration, state } = read(PLACE, &frame.json)?;
        if config != run {
            let show =
                |checksum: u32| format!("a run whose config has the checksum {checksum:08x}");
            return Err(Error::checkpoint(PLACE, show(run), show(config)));
        }
        let mut policy = Policy::from_safetensors(frame.body, None)?;
        complete(&mut policy)?;
        let mut executor = Executor::of(&policy)?;
        executor.interrupt_by(interrupt);
        Ok(Self { checksum: frame.checksum, task, iteration, policy, executor, state })
    }

    /// Reads what the algorithm has added.
    ///
    /// # Errors
    /// Names the first field that does not fit.
    pub fn state<T: DeserializeOwned>(&self) -> Result<T> {
        read(PLACE, &self.state)
    }

    /// Returns the bytes of the answer to `part`.
    ///
    /// # Errors
    /// If it is too long.
    pub fn reply(&self, part: usize, answer: Snapshot) -> Result<Vec<u8>> {
        let reply = Reply {
            question: self.checksum,
            part,
            arithmetic: self.policy.rounding().name().into(),
            state: answer.state,
        };
        let arrays = write_arrays(Path::new("answer"), &answer.arrays)?;
        frame::write(ANSWER, &json!(reply), &arrays)
    }
}

/// The part of an algorithm that answers questions.
pub trait Answers: Send {
    /// Prepares for a question about collecting.
    ///
    /// # Errors
    /// If its policy does not fit.
    fn begin(&mut self, _: &Asked) -> Result<()> {
        Ok(())
    }

    /// Collects the transitions, games, walks or returns of `part`.
    ///
    /// # Errors
    /// If there is no such part, or the environment fails.
    fn collect(&mut self, asked: &Asked, part: usize) -> Result<Snapshot>;

    /// Plays or solves the problems of `part`.
    ///
    /// # Errors
    /// If there is no such part, or the environment fails.
    fn search(&mut self, _: &Asked, _: usize) -> Result<Snapshot> {
        Err(Error::config("question", "no search, which this algorithm does not make", "one"))
    }
}

/// Returns the range of `part`, of which each has `size` of `count` items but for the last.
///
/// # Errors
/// If there is no such part.
pub fn range(part: usize, size: usize, count: usize) -> Result<std::ops::Range<usize>> {
    let parts = count.div_ceil(size);
    if part >= parts {
        return Err(Error::config("part", format!("one of {parts}"), part));
    }
    Ok(part * size..count.min((part + 1) * size))
}

/// An episode in an answer: the difficulty, the length, the bits of the total, and whether it was solved.
pub type EpisodeRow = (Option<usize>, usize, u32, bool);

/// Returns episodes as they stand in answers.
pub fn episode_rows(episodes: &[Episode]) -> Vec<EpisodeRow> {
    episodes.iter().map(|e| (e.difficulty, e.length, e.total.to_bits(), e.solved)).collect()
}

/// Returns the episodes of [`episode_rows`].
pub fn episodes_of(rows: &[EpisodeRow]) -> Vec<Episode> {
    let episode = |&(difficulty, length, total, solved): &EpisodeRow| Episode {
        difficulty,
        length,
        total: f32::from_bits(total),
        solved,
    };
    rows.iter().map(episode).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn answers_of_machines_that_round_otherwise_are_refused() {
        let reply = json!({"question": 7, "part": 1, "arithmetic": "portable-1", "state": null});
        let arrays = write_arrays(Path::new("answer"), &[]).unwrap();
        let bytes = frame::write(ANSWER, &reply, &arrays).unwrap();
        assert!(Answer::read((7, 1, "portable-1"), &bytes).is_ok());
        let error = Answer::read((7, 1, "fused"), &bytes).err().unwrap().to_string();
        assert_eq!(
            error,
            "answer of part 1: expected an answer in fused arithmetic, which the head has, found one in portable-1 \
             arithmetic: machines with and without fused operations cannot share a run"
        );
    }
}
