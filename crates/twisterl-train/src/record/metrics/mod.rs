//! The log of a run: `metrics.jsonl`, and the same numbers as TensorBoard events.
//!
//! Both files are append-only. A checkpoint stores their lengths, and a resumed run truncates them to these lengths, so
//! that no iteration is logged twice. Before it does, it checks every record that stays.

mod append_only;
mod lines;
pub mod names;
mod tensorboard;
#[cfg(test)]
mod tests;

use crate::Result;
use crate::record::run_folder::{EVENTS, LockedFolder};
use append_only::{AppendOnlyFile, Continuation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use tensorboard::Scalar;

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

    /// Opens the log of an existing run and truncates its files to `lengths`. Nothing is changed if one is refused.
    ///
    /// # Errors
    /// If a file is shorter than its length, holds a damaged record before it, is a link or otherwise not a regular file, or
    /// cannot be written.
    pub fn resume(run: &LockedFolder, lengths: &LogLengths, tensorboard: bool) -> Result<Self> {
        let folder = run.folder();
        let metrics = Continuation::check(folder, METRICS, lengths.metrics, lines::first_damage)?;
        let events = tensorboard.then(|| {
            let (name, length) = (EVENTS, lengths.events);
            Continuation::check(folder, name, length, tensorboard::first_damage)
        });
        let events = events.transpose()?;
        let metrics = metrics.open()?;
        let mut events = events.map(Continuation::open).transpose()?;
        if let Some(events) = events.as_mut().filter(|_| lengths.events == 0) {
            events.append(&tensorboard::first_record(now()))?;
        }
        Ok(Self { metrics, events, earlier_events: lengths.events, before_end: None })
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
