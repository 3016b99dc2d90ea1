//! The folder of a run: its layout, and its atomic creation.

use crate::config::{IgnoredField, RunConfig};
use crate::record::checkpoint;
use crate::record::checkpoint::Checkpoint;
use crate::record::disk::with_suffix;
use crate::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const LAST: &str = "checkpoint_last";
pub(crate) const BEST: &str = "checkpoint_best";

/// A run folder: `config.json` (resolved), `metrics.jsonl`, TensorBoard events, `checkpoint_last/` and
/// `checkpoint_best/`.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Creates the folder with the config and a first checkpoint. It is renamed to `path` once both are complete, so that
    /// an existing run can always be resumed.
    ///
    /// # Errors
    /// [`Error::Occupied`] if the folder exists and is not empty; [`Error::Io`] if it cannot be written.
    pub fn create(path: &Path, config: &RunConfig, first: &Checkpoint) -> Result<Self> {
        let folder = Self { path: path.to_owned() };
        if path.exists() && !is_empty_folder(path) {
            return Err(Error::Occupied { path: path.to_owned() });
        }
        // Only for the temporary folder. A path such as `..` has no name.
        let name =
            path.file_name().map_or_else(|| "run".into(), |n| n.to_string_lossy().into_owned());
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = parent.join(format!(".{name}.new-{}", std::process::id()));
        let make = || -> Result<()> {
            fs::create_dir_all(&temporary).map_err(|e| Error::io("create", &temporary, e))?;
            checkpoint::write_file(&temporary.join(CONFIG), config.to_pretty().as_bytes())?;
            first.write(&temporary.join(LAST))?;
            if path.exists() {
                fs::remove_dir(path).map_err(|e| Error::io("replace", path, e))?;
            }
            fs::rename(&temporary, path).map_err(|e| Error::io("create", path, e))
        };
        make().inspect_err(|_| {
            // Removes the unfinished folder. The first error is the one to report.
            let _ = fs::remove_dir_all(&temporary);
        })?;
        Ok(folder)
    }

    /// Opens the folder of an existing run.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::Checkpoint`] if there is no run.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.join(CONFIG).is_file() {
            let expected = format!("a run folder with {CONFIG} in it");
            return Err(match path.exists() {
                true => Error::checkpoint(path, expected, "none"),
                false => Error::missing(path, expected),
            });
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Returns the first of `path`, `path-2`, `path-3`, ... that does not exist.
    pub fn unused_path(path: &Path) -> PathBuf {
        let mut unused = path.to_owned();
        let mut number = 1u64;
        while unused.exists() {
            number += 1;
            unused = with_suffix(path, &format!("-{number}"));
        }
        unused
    }

    /// Reads the resolved config. If an older version wrote it, fields that the run never used may have been ignored,
    /// see [`RunConfig::read`].
    ///
    /// # Errors
    /// If it is no longer a valid config.
    pub fn config(&self) -> Result<(RunConfig, Vec<IgnoredField>)> {
        RunConfig::load(&self.path.join(CONFIG), &[])
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of the checkpoint to resume from.
    pub fn last(&self) -> PathBuf {
        self.path.join(LAST)
    }

    /// Returns the path of the checkpoint of the best policy that was evaluated.
    pub fn best(&self) -> PathBuf {
        self.path.join(BEST)
    }
}

/// Returns true if `path` is a folder without entries.
fn is_empty_folder(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}
