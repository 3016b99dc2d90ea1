//! The record of a run: `metrics.jsonl`, and the same numbers as TensorBoard events.
//!
//! Both files only ever grow. A checkpoint notes how long they were, and a resumed run cuts them back to that, so that
//! no iteration is recorded twice.

pub mod names;

use crate::record::tensorboard;
use crate::record::tensorboard::Scalar;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// One JSON object a line. All that depends on the clock is under its key `time`, so that two runs can be compared
/// without it.
pub const METRICS: &str = "metrics.jsonl";

/// Returns metrics by name, in this order.
pub fn fields<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

/// Returns numbers by name, in this order.
pub fn numbers<const N: usize>(numbers: [(&str, f64); N]) -> Map<String, Value> {
    fields(numbers.map(|(name, number)| (name, json!(number))))
}

/// How long the files of a [`RunLog`] are, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLengths {
    /// `metrics.jsonl`.
    pub metrics: u64,
    /// The TensorBoard events; 0 where none are written.
    pub events: u64,
}

/// The metrics of a run in progress.
#[derive(Debug)]
pub struct RunLog {
    metrics: GrowingFile,
    events: Option<GrowingFile>,
}

impl RunLog {
    /// Begins the record of a new run in `folder`.
    ///
    /// # Errors
    /// If its files cannot be written.
    pub fn create(folder: &Path, tensorboard: bool) -> Result<Self> {
        Self::resume(folder, &LogLengths::default(), tensorboard)
    }

    /// Goes on with a record as it was when it had these lengths.
    ///
    /// # Errors
    /// If a file is shorter than that, or cannot be written.
    pub fn resume(folder: &Path, lengths: &LogLengths, tensorboard: bool) -> Result<Self> {
        let metrics = GrowingFile::open(folder.join(METRICS), lengths.metrics)?;
        let mut log = Self { metrics, events: None };
        if tensorboard {
            let mut events = GrowingFile::open(folder.join(tensorboard::FILE), lengths.events)?;
            if lengths.events == 0 {
                events.append(&tensorboard::first_record(now()))?;
            }
            log.events = Some(events);
        }
        Ok(log)
    }

    /// Records what `metrics` holds as that of `iteration`: as one line of JSON, keys in their order, and each number
    /// in it as a TensorBoard scalar.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn log(&mut self, iteration: u64, metrics: &Map<String, Value>) -> Result<()> {
        let mut line = serde_json::to_vec(metrics)
            .map_err(|e| Error::checkpoint(&self.metrics.path, "metrics that JSON can hold", e))?;
        line.push(b'\n');
        self.metrics.append(&line)?;
        if let Some(events) = &mut self.events {
            let scalars = scalars(metrics);
            events.append(&tensorboard::scalar_record(now(), iteration, &scalars))?;
        }
        Ok(())
    }

    /// How long the files are now, for a checkpoint. What is counted is on the disk.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn lengths(&self) -> Result<LogLengths> {
        let events = self.events.as_ref().map(GrowingFile::sync).transpose()?;
        Ok(LogLengths { metrics: self.metrics.sync()?, events: events.unwrap_or(0) })
    }
}

/// A file that is only appended to.
#[derive(Debug)]
struct GrowingFile {
    path: PathBuf,
    file: File,
    length: u64,
}

impl GrowingFile {
    /// Opens or creates a file and cuts it to `length`.
    fn open(path: PathBuf, length: u64) -> Result<Self> {
        let failed = |e| Error::io("write", &path, e);
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?.len();
        if found < length {
            let expected = format!("at least the {length} bytes that the checkpoint counts");
            return Err(Error::checkpoint(&path, expected, found));
        }
        file.set_len(length).map_err(failed)?;
        Ok(Self { path, file, length })
    }

    /// Appends in one system call, so that a kill leaves a record as a whole or not at all.
    fn append(&mut self, record: &[u8]) -> Result<()> {
        self.file.write_all(record).map_err(|e| Error::io("write", &self.path, e))?;
        self.length += record.len() as u64;
        Ok(())
    }

    fn sync(&self) -> Result<u64> {
        self.file.sync_data().map_err(|e| Error::io("write", &self.path, e))?;
        Ok(self.length)
    }
}

/// Seconds since 1970: what TensorBoard calls the wall time.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

/// Every number in `metrics` under the tag that the peer gives it, or one like it.
fn scalars(metrics: &Map<String, Value>) -> Vec<Scalar> {
    let mut scalars = Vec::new();
    for (key, value) in metrics {
        match (key.as_str(), value) {
            // The step of the event.
            (names::ITERATION, _) => {}
            (names::EVALS, Value::Object(evals)) => {
                for (eval, scores) in evals {
                    let fields = scores.as_object().into_iter().flatten();
                    for (field, value) in fields {
                        let tag = format!("Benchmark/Detail/{}/{eval}", capitalised(field));
                        flatten(tag, value, &mut scalars);
                    }
                }
            }
            (names::TIME, value) => flatten("Times".into(), value, &mut scalars),
            (key, Value::Object(_)) => flatten(capitalised(key), value, &mut scalars),
            (key, value) => flatten(format!("Benchmark/{key}"), value, &mut scalars),
        }
    }
    scalars
}

/// Numbers below `value`, under `tag` and the keys on the way; anything else has no curve.
fn flatten(tag: String, value: &Value, scalars: &mut Vec<Scalar>) {
    match value {
        Value::Number(number) => {
            let value = number.as_f64().unwrap_or(f64::NAN) as f32;
            scalars.push(Scalar { tag, value });
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                flatten(format!("{tag}/{key}"), value, scalars);
            }
        }
        _ => {}
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;
    use std::fs;

    fn metrics(iteration: u64) -> Map<String, Value> {
        let fields = json!({
            "iteration": iteration,
            "difficulty": 3,
            "success": 0.5,
            "evals": {"ppo_1": {"success": 0.25, "reward": -1.0}},
            "rollout": {"length": 7},
            "losses": {"total": null, "value": 2.0},
            "time": {"update": 0.125},
        });
        fields.as_object().unwrap().clone()
    }

    #[test]
    fn lines_hold_the_metrics_with_keys_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = RunLog::create(folder.path(), false).unwrap();
        log.log(0, &metrics(0)).unwrap();
        log.log(1, &metrics(1)).unwrap();
        let text = fs::read_to_string(folder.path().join(METRICS)).unwrap();
        let line = r#"{"iteration":1,"difficulty":3,"success":0.5,"evals":{"ppo_1":{"success":0.25,"reward":-1.0}},"rollout":{"length":7},"losses":{"total":null,"value":2.0},"time":{"update":0.125}}"#;
        assert_eq!(text.lines().nth(1), Some(line));
        assert_eq!(log.lengths().unwrap(), LogLengths { metrics: text.len() as u64, events: 0 });
        assert!(!folder.path().join(tensorboard::FILE).exists());
    }

    #[test]
    fn a_resumed_record_goes_on_where_its_checkpoint_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name| fs::read(folder.path().join(name)).unwrap();
        let mut log = RunLog::create(folder.path(), true).unwrap();
        log.log(0, &metrics(0)).unwrap();
        let lengths = log.lengths().unwrap();
        let before = (read(METRICS), read(tensorboard::FILE));
        assert_eq!(lengths.events, before.1.len() as u64);
        log.log(1, &metrics(1)).unwrap();
        // As a kill in the middle of a record would leave it.
        log.metrics.append(b"{\"iteration\":").unwrap();
        drop(log);
        let mut log = RunLog::resume(folder.path(), &lengths, true).unwrap();
        assert_eq!((read(METRICS), read(tensorboard::FILE)), before);
        log.log(1, &metrics(1)).unwrap();
        assert_eq!(read(METRICS).iter().filter(|&&b| b == b'\n').count(), 2);
    }

    #[test]
    fn a_run_killed_before_its_first_record_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let log = RunLog::resume(folder.path(), &LogLengths::default(), true).unwrap();
        assert!(log.lengths().unwrap().events > 0);
    }

    #[test]
    fn a_record_that_was_cut_short_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(METRICS), "{}\n").unwrap();
        let lengths = LogLengths { metrics: 4, events: 0 };
        let message = RunLog::resume(folder.path(), &lengths, false).unwrap_err().to_string();
        assert!(
            message.contains("at least the 4 bytes") && message.contains("found 3"),
            "{message}"
        );
    }

    #[test]
    fn tags_are_those_of_the_peer() {
        let tags: Vec<_> = scalars(&metrics(5)).into_iter().map(|s| (s.tag, s.value)).collect();
        let expected = [
            ("Benchmark/difficulty", 3.0),
            ("Benchmark/success", 0.5),
            ("Benchmark/Detail/Success/ppo_1", 0.25),
            ("Benchmark/Detail/Reward/ppo_1", -1.0),
            ("Rollout/length", 7.0),
            ("Losses/value", 2.0),
            ("Times/update", 0.125),
        ];
        assert_eq!(tags, expected.map(|(tag, value)| (tag.to_owned(), value)));
    }
}
