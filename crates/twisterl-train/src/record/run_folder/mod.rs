//! The folder of a run: its layout, for readers; `locked` for the process that trains in it.

mod lock;
mod locked;
mod peer_names;
#[cfg(test)]
mod tests;

pub use lock::forget_after_fork;
pub use locked::{LockedFolder, RunPath};

use crate::config::{IgnoredField, Override, RunConfig};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const LAST: &str = "checkpoint_last";
pub(crate) const BEST: &str = "checkpoint_best";
/// The file of TensorBoard events. TensorBoard looks for `tfevents` in the name, which holds neither time nor host, as is
/// usual, so that a resumed run finds it.
pub(crate) const EVENTS: &str = "events.out.tfevents.0.twisterl";
/// The file that the process that trains in a folder holds locked.
const RUN_LOCK: &str = "run.lock";

/// A run folder: `config.json` (resolved), `metrics.jsonl`, TensorBoard events, `checkpoint_last/` and
/// `checkpoint_best/`, and `run.lock` while a process trains in it. With the names of the peer, also `base_config.json`,
/// `full_algorithm_config.json`, `checkpoint_last.safetensors` and `checkpoint_best.safetensors`.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Opens the folder of an existing run, for reading.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::Checkpoint`] if there is no run.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.join(CONFIG).is_file() {
            let expected = format!("a run folder with {CONFIG} in it");
            let unfinished = path.join(RUN_LOCK).exists();
            return Err(match (path.exists(), unfinished) {
                (true, true) => {
                    let found =
                        "one whose start was not finished (start the run again in this folder)";
                    Error::checkpoint(path, expected, found)
                }
                (true, false) if path.is_file() => Error::checkpoint(path, expected, "a file"),
                (true, false) => Error::checkpoint(path, expected, "none"),
                (false, _) => Error::missing(path, expected),
            });
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Reads the resolved config. If an older version wrote it, fields that the run never used may have been ignored, see
    /// [`RunConfig::read`].
    ///
    /// # Errors
    /// If it is no longer a valid config.
    pub fn config(&self) -> Result<(RunConfig, Vec<IgnoredField>)> {
        self.config_with(&[])
    }

    /// Reads the config as [`config`](Self::config) does, with `overrides` set in it.
    ///
    /// # Errors
    /// As for [`config`](Self::config), and if an override does not fit.
    pub fn config_with(&self, overrides: &[Override]) -> Result<(RunConfig, Vec<IgnoredField>)> {
        RunConfig::load(&self.path.join(CONFIG), overrides)
    }

    /// Returns the path of the checkpoint to resume from.
    pub fn last(&self) -> PathBuf {
        self.path.join(LAST)
    }
}
