//! The folder of a run: where things are in it, and how it comes to be.

use crate::config::RunConfig;
use crate::record::checkpoint;
use crate::record::checkpoint::Checkpoint;
use crate::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const LAST: &str = "checkpoint_last";
pub(crate) const BEST: &str = "checkpoint_best";

/// A run folder: `config.json` (resolved), `metrics.jsonl`, TensorBoard events, `checkpoint_last/`, `checkpoint_best/`.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder with the config and a first checkpoint in it. It appears under its name only when both are
    /// there, so that a run that exists can be resumed, whenever it was killed.
    ///
    /// # Errors
    /// If something is there already that holds a run, or cannot be written to.
    pub fn create(path: &Path, config: &RunConfig, first: &Checkpoint) -> Result<Self> {
        let folder = Self { path: path.to_owned() };
        if path.exists() && !is_empty_folder(path) {
            return Err(Error::Occupied { path: path.to_owned() });
        }
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
            // Only the unfinished folder of this process; the error that matters is the first one.
            let _ = fs::remove_dir_all(&temporary);
        })?;
        Ok(folder)
    }

    /// Opens the folder of an existing run.
    ///
    /// # Errors
    /// If there is no run.
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

    /// The first of `path`, `path-2`, `path-3`, ... that does not exist.
    pub fn free(path: &Path) -> PathBuf {
        let numbered = |n: u32| {
            let mut name = path.as_os_str().to_owned();
            name.push(format!("-{n}"));
            PathBuf::from(name)
        };
        std::iter::once(path.to_owned())
            .chain((2..).map(numbered))
            .find(|p| !p.exists())
            .unwrap_or_else(|| path.to_owned())
    }

    /// Its resolved config.
    ///
    /// # Errors
    /// If it is no longer a valid config.
    pub fn config(&self) -> Result<RunConfig> {
        RunConfig::load(&self.path.join(CONFIG), &[])
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The checkpoint to resume from.
    pub fn last(&self) -> PathBuf {
        self.path.join(LAST)
    }

    /// The best policy that was evaluated.
    pub fn best(&self) -> PathBuf {
        self.path.join(BEST)
    }
}

fn is_empty_folder(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}
