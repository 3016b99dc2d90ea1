//! The log of a run: `metrics.jsonl`, and the same numbers as TensorBoard events.
//!
//! Both files are append-only. A checkpoint stores their lengths, and a resumed run truncates them to these lengths, so
//! that no iteration is logged twice.

pub mod names;

use crate::record::disk::{Access, Folder};
use crate::record::run_folder::LockedFolder;
use crate::record::tensorboard;
use crate::record::tensorboard::Scalar;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io;
use std::io::Write;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The name of the file of metrics, one JSON object per line. Values that depend on the clock are under the key `time`,
/// so that runs can be compared without them.
pub const METRICS: &str = "metrics.jsonl";

/// Returns metrics by name, in this order.
pub fn fields<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

/// Returns numbers by name, in this order.
pub fn numbers<const N: usize>(numbers: [(&str, f64); N]) -> Map<String, Value> {
    fields(numbers.map(|(name, number)| (name, json!(number))))
}

/// The lengths of the files of a [`RunLog`], in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLengths {
    /// Length of `metrics.jsonl`.
    pub metrics: u64,
    /// Length of the TensorBoard events; 0 if none were written.
    pub events: u64,
}

/// The open log of a run.
#[derive(Debug)]
pub struct RunLog {
    metrics: AppendOnlyFile,
    events: Option<AppendOnlyFile>,
    /// The length of the events that an earlier session wrote, if this one writes none.
    earlier_events: u64,
    /// The lengths of the files before the record of the end of the run, if that was written.
    before_end: Option<LogLengths>,
}

impl RunLog {
    /// Creates the log of a new run.
    ///
    /// # Errors
    /// If its files cannot be written.
    pub fn create(run: &LockedFolder, tensorboard: bool) -> Result<Self> {
        Self::resume(run, &LogLengths::default(), tensorboard)
    }

    /// Opens the log of an existing run and truncates its files to `lengths`.
    ///
    /// # Errors
    /// If a file is shorter than its length, is a link or otherwise not a regular file, or cannot be written.
    pub fn resume(run: &LockedFolder, lengths: &LogLengths, tensorboard: bool) -> Result<Self> {
        let open = |name, length| AppendOnlyFile::open(run.folder(), name, length);
        let metrics = open(METRICS, lengths.metrics)?;
        let events = tensorboard.then(|| open(tensorboard::FILE, lengths.events)).transpose()?;
        // Only now, so that all is as it was if one of them is refused.
        let mut log = Self { metrics, events, earlier_events: lengths.events, before_end: None };
        log.metrics.truncate()?;
        if let Some(events) = &mut log.events {
            events.truncate()?;
            if lengths.events == 0 {
                events.append(&tensorboard::first_record(now()))?;
            }
        }
        Ok(log)
    }

    /// Appends the metrics of an iteration: as one line of JSON with the keys in their order, and each number as a
    /// TensorBoard scalar.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn log(&mut self, iteration: u64, metrics: &Map<String, Value>) -> Result<()> {
        let mut line = serde_json::to_vec(metrics)
            .map_err(|e| twisterl_core::Error::internal(format!("metrics as JSON: {e}")))?;
        line.push(b'\n');
        self.metrics.append(&line)?;
        if let Some(events) = &mut self.events {
            let scalars = scalars(metrics);
            events.append(&tensorboard::scalar_record(now(), iteration, &scalars))?;
        }
        Ok(())
    }

    /// Appends the metrics of the end of a run. A run that is resumed with more iterations has another end and replaces
    /// them.
    ///
    /// # Errors
    /// As for [`log`](Self::log).
    pub fn log_end(&mut self, iteration: u64, metrics: &Map<String, Value>) -> Result<()> {
        let before = self.lengths()?;
        self.log(iteration, metrics)?;
        self.lengths()?; // which syncs
        self.before_end = Some(before);
        Ok(())
    }

    /// Syncs the files and returns their lengths, for a checkpoint; without the record of the end of the run.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn lengths(&self) -> Result<LogLengths> {
        if let Some(lengths) = self.before_end {
            return Ok(lengths);
        }
        let events = self.events.as_ref().map(AppendOnlyFile::sync).transpose()?;
        Ok(LogLengths {
            metrics: self.metrics.sync()?,
            events: events.unwrap_or(self.earlier_events),
        })
    }
}

/// An append-only file of a run.
#[derive(Debug)]
struct AppendOnlyFile {
    folder: Arc<Folder>,
    name: &'static str,
    file: File,
    length: u64,
}

impl AppendOnlyFile {
    /// Opens or creates a file that is to be truncated to `length` bytes.
    fn open(folder: &Arc<Folder>, name: &'static str, length: u64) -> Result<Self> {
        let path = folder.path_of(name);
        let failed = |e| Error::io("write", &path, e);
        let file = folder.open_file(name, Access::Append)?;
        let found = file.metadata().map_err(failed)?.len();
        if found < length {
            let expected = format!("at least the {length} bytes that the checkpoint names");
            return Err(Error::checkpoint(&path, expected, found));
        }
        Ok(Self { folder: Arc::clone(folder), name, file, length })
    }

    /// Removes what is beyond its length.
    fn truncate(&self) -> Result<()> {
        self.file.set_len(self.length).map_err(|e| self.failed(e))
    }

    /// Appends a record in one write, so that a killed process leaves it complete or absent.
    fn append(&mut self, record: &[u8]) -> Result<()> {
        self.check()?;
        self.file.write_all(record).map_err(|e| self.failed(e))?;
        self.length += record.len() as u64;
        Ok(())
    }

    /// Checks that the file is what it was after the last record.
    fn check(&self) -> Result<()> {
        if !self.folder.is_same(self.name, &self.file)? {
            let removed = "the file was removed or replaced during the run";
            return Err(self.failed(io::Error::new(io::ErrorKind::NotFound, removed)));
        }
        let found = self.file.metadata().map_err(|e| self.failed(e))?.len();
        if found != self.length {
            let expected =
                format!("the {} bytes that this run has written, and no other writer", self.length);
            return Err(Error::checkpoint(self.folder.path_of(self.name), expected, found));
        }
        Ok(())
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io("write", self.folder.path_of(self.name), error)
    }

    /// Syncs the file and returns its length.
    fn sync(&self) -> Result<u64> {
        self.file.sync_data().map_err(|e| self.failed(e))?;
        Ok(self.length)
    }
}

/// Returns the seconds since 1970, which TensorBoard calls wall time.
fn now() -> f64 {
    // A clock that is set to an earlier date counts as 1970.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

/// Returns every number in `metrics` under the peer's tag for it, or a similar one. Other values have no curve.
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
                        let tag = format!("Benchmark/Detail/{}/{eval}", capitalized(field));
                        flatten(tag, value, &mut scalars);
                    }
                }
            }
            (names::TIME, value) => flatten("Times".into(), value, &mut scalars),
            (key, Value::Object(_)) => flatten(capitalized(key), value, &mut scalars),
            (key, value) => flatten(format!("Benchmark/{key}"), value, &mut scalars),
        }
    }
    scalars
}

/// Appends the numbers in `value`, with `tag` and their keys as tags.
fn flatten(tag: String, value: &Value, scalars: &mut Vec<Scalar>) {
    match value {
        Value::Number(number) => {
            // serde_json converts every number, since its feature arbitrary_precision is off.
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

/// Returns the word with a capital first letter.
fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;
    use std::fs;

    fn locked(folder: &tempfile::TempDir) -> LockedFolder {
        LockedFolder::begin(folder.path()).unwrap()
    }

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
        let mut log = RunLog::create(&locked(&folder), false).unwrap();
        log.log(0, &metrics(0)).unwrap();
        log.log(1, &metrics(1)).unwrap();
        let text = fs::read_to_string(folder.path().join(METRICS)).unwrap();
        let line = r#"{"iteration":1,"difficulty":3,"success":0.5,"evals":{"ppo_1":{"success":0.25,"reward":-1.0}},"rollout":{"length":7},"losses":{"total":null,"value":2.0},"time":{"update":0.125}}"#;
        assert_eq!(text.lines().nth(1), Some(line));
        assert_eq!(log.lengths().unwrap(), LogLengths { metrics: text.len() as u64, events: 0 });
        assert!(!folder.path().join(tensorboard::FILE).exists());
    }

    #[test]
    fn a_resumed_log_continues_from_its_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let run = locked(&folder);
        let read = |name| fs::read(folder.path().join(name)).unwrap();
        let mut log = RunLog::create(&run, true).unwrap();
        log.log(0, &metrics(0)).unwrap();
        let lengths = log.lengths().unwrap();
        let before = (read(METRICS), read(tensorboard::FILE));
        assert_eq!(lengths.events, before.1.len() as u64);
        log.log(1, &metrics(1)).unwrap();
        // The remains of a process that was killed while it wrote a record.
        log.metrics.append(b"{\"iteration\":").unwrap();
        drop(log);
        let mut log = RunLog::resume(&run, &lengths, true).unwrap();
        assert_eq!((read(METRICS), read(tensorboard::FILE)), before);
        log.log(1, &metrics(1)).unwrap();
        assert_eq!(read(METRICS).iter().filter(|&&b| b == b'\n').count(), 2);
    }

    #[test]
    fn a_run_killed_before_its_first_record_starts_again() {
        let folder = tempfile::tempdir().unwrap();
        let log = RunLog::resume(&locked(&folder), &LogLengths::default(), true).unwrap();
        assert!(log.lengths().unwrap().events > 0);
    }

    #[test]
    fn a_truncated_log_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let run = locked(&folder);
        fs::write(folder.path().join(METRICS), "{}\n").unwrap();
        let lengths = LogLengths { metrics: 4, events: 0 };
        let message = RunLog::resume(&run, &lengths, false).unwrap_err().to_string();
        assert!(
            message.contains("at least the 4 bytes") && message.contains("found 3"),
            "{message}"
        );
    }

    #[test]
    fn events_are_kept_while_none_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let run = locked(&folder);
        let mut log = RunLog::create(&run, true).unwrap();
        log.log(0, &metrics(0)).unwrap();
        let before = log.lengths().unwrap();
        let mut log = RunLog::resume(&run, &before, false).unwrap();
        log.log(1, &metrics(1)).unwrap();
        let without = log.lengths().unwrap();
        assert_eq!(without.events, before.events);
        let log = RunLog::resume(&run, &without, true).unwrap();
        assert_eq!(log.lengths().unwrap(), without);
    }

    #[test]
    fn a_log_that_is_removed_replaced_or_written_to_by_others_is_an_error() {
        type Harm = fn(&std::path::Path);
        let cases: [(Harm, &str); 4] = [
            (|path| fs::remove_file(path).unwrap(), "was removed or replaced during the run"),
            (
                |path| {
                    fs::copy(path, path.with_extension("copy")).unwrap();
                    fs::rename(path.with_extension("copy"), path).unwrap();
                },
                "was removed or replaced during the run",
            ),
            (|path| fs::write(path, "").unwrap(), "bytes that this run has written, and no other"),
            (
                |path| {
                    let mut other = File::options().append(true).open(path).unwrap();
                    other.write_all(b"{}\n").unwrap();
                },
                "bytes that this run has written, and no other writer, found",
            ),
        ];
        for name in [METRICS, tensorboard::FILE] {
            for (harm, expected) in cases {
                let folder = tempfile::tempdir().unwrap();
                let mut log = RunLog::create(&locked(&folder), true).unwrap();
                log.log(0, &metrics(0)).unwrap();
                harm(&folder.path().join(name));
                let message = log.log(1, &metrics(1)).unwrap_err().to_string();
                assert!(message.contains(name) && message.contains(expected), "{message}");
            }
        }
    }

    #[test]
    fn tags_match_the_peer() {
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
