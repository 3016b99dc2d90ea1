//! The run folder of the process that trains in it.
//!
//! It is locked, and held open: a folder that is moved during the run is written to where it is then, and one that is
//! removed is not made again.
//!
//! A folder is filled in this order: `run.lock`, which says that the start goes on; the first checkpoint; `config.json`. A
//! start that was killed can therefore be told from everything else, and be repeated. A new folder is filled under a
//! temporary name, and has its own only once it can be resumed. One that exists is filled in place, so that it stays what
//! it is: a mount point, the end of a link, a folder of another owner.

use super::lock::{Holder, RunLock};
use super::{BEST, CONFIG, EVENTS, LAST, RUN_LOCK, RunFolder};
use crate::config::RunConfig;
use crate::record::checkpoint::{Checkpoint, NEW, OLD};
use crate::record::disk::{Disk, Folder, Kind, Links, parent, rename_new};
use crate::system::temporary::Temporary;
use crate::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The folder of a new run.
#[derive(Debug, Clone, Copy)]
pub enum RunPath<'a> {
    /// This one, which is new or empty.
    At(&'a Path),
    /// The first new one of `PATH`, `PATH-2`, `PATH-3`, ...
    Numbered(&'a Path),
}

impl<'a, P: AsRef<Path> + ?Sized> From<&'a P> for RunPath<'a> {
    fn from(path: &'a P) -> Self {
        Self::At(path.as_ref())
    }
}

/// A run folder that this process has locked.
#[derive(Debug)]
pub struct LockedFolder {
    folder: Arc<Folder>,
    lock: RunLock,
}

impl LockedFolder {
    /// Fills the folder of a new run with its config and a first checkpoint.
    ///
    /// # Errors
    /// [`Error::Occupied`] if the folder exists and is not empty, [`Error::InUse`] if another process trains in it,
    /// [`Error::Io`] if it cannot be written.
    pub fn create(path: RunPath<'_>, config: &RunConfig, first: &Checkpoint) -> Result<Self> {
        let run = match path {
            RunPath::At(path) => {
                let new = match path.symlink_metadata() {
                    Ok(_) => None,
                    Err(_) if path.file_name().is_none() => {
                        let expected = "a path that ends in the name of the new folder";
                        let found = "one that ends in `..`, below a folder that does not exist";
                        return Err(Error::usage(path.display().to_string(), expected, found));
                    }
                    // None if there is something at the path by now.
                    Err(_) => Self::create_new([path.to_owned()], path, config, first)?,
                };
                new.map_or_else(|| Self::begin(path)?.fill_or_clear(config, first), Ok)?
            }
            RunPath::Numbered(path) => {
                let paths = (1..).map(|number| numbered(path, number));
                let new = Self::create_new(paths, path, config, first)?;
                new.ok_or_else(|| Error::Occupied { path: path.to_owned() })?
            }
        };
        run.lock.sign(false)?;
        Ok(run)
    }

    /// Creates and fills a folder beside `path`, and gives it the first of `paths` at which there is nothing. Returns
    /// `None` if there is none.
    fn create_new(
        paths: impl IntoIterator<Item = PathBuf>,
        path: &Path,
        config: &RunConfig,
        first: &Checkpoint,
    ) -> Result<Option<Self>> {
        let parent = parent(path);
        fs::create_dir_all(parent).map_err(|e| Error::io("create", parent, e))?;
        remove_unfinished(path);
        let temporary = temporary(path);
        let _temporary = Temporary::at(&temporary);
        let failed = |e: io::Error| Error::io("create", path, e);
        fs::create_dir(&temporary).map_err(failed)?;
        let make = || -> Result<Option<Self>> {
            let run = Self::begin(&temporary)?.fill_or_clear(config, first)?;
            for path in paths {
                // A dot at the end is no name.
                match rename_new(&temporary, path.components().as_path()) {
                    Ok(()) => return run.renamed(&path).map(Some),
                    // Systems have several errors for this.
                    Err(_) if path.symlink_metadata().is_ok() => {}
                    Err(e) => return Err(failed(e)),
                }
            }
            Ok(None)
        };
        let made = make();
        // Where it has not become the folder of the run.
        if temporary.exists() {
            let _ = fs::remove_dir_all(&temporary);
        }
        made
    }

    /// Notes the new path of the folder.
    fn renamed(mut self, path: &Path) -> Result<Self> {
        let folder = Arc::new(Folder::open(path, Links::Refuse)?);
        self.lock.renamed(Arc::clone(&folder));
        self.folder = folder;
        // The name of the folder is in its parent, which may be unreadable.
        let _ = Folder::open(parent(path), Links::Refuse).and_then(|parent| parent.sync());
        Ok(self)
    }

    /// Locks the folder of an existing run, to resume it. Nothing in the folder changes before
    /// `keep_lock` is called, except while this lives.
    ///
    /// # Errors
    /// As for [`RunFolder::open`]; [`Error::InUse`] if another process trains in it; if it holds links, devices or pipes
    /// where the run writes.
    pub fn resume(path: &Path) -> Result<Self> {
        RunFolder::open(path)?;
        let folder = Arc::new(Folder::open(path, Links::Refuse)?);
        let lock = RunLock::acquire_for_now(Arc::clone(&folder))?;
        folder.check_kind(CONFIG, Kind::File)?;
        for name in checkpoint_names() {
            folder.check_kind(name, Kind::Folder)?;
        }
        lock.sign(false)?;
        Ok(Self { folder, lock })
    }

    /// Makes the folder that of this process, once it is known that the run can be resumed.
    pub(crate) fn keep_lock(&mut self) {
        self.lock.keep();
    }

    /// Locks a folder that is to be filled.
    pub(crate) fn begin(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            let found = if path.exists() { "a file" } else { "a symbolic link to nothing" };
            return Err(Error::usage(path.display().to_string(), "a new or empty folder", found));
        }
        let folder = Arc::new(Folder::open(path, Links::Refuse)?);
        let free = is_free(&folder)?;
        if !free && folder.kind(RUN_LOCK)? != Some(Kind::File) {
            return Err(Error::Occupied { path: path.to_owned() });
        }
        let lock = RunLock::acquire(Arc::clone(&folder))?;
        // Another process may have filled it in between.
        if !is_free(&folder)? {
            return Err(Error::Occupied { path: path.to_owned() });
        }
        lock.sign(true)?;
        Ok(Self { folder, lock })
    }

    /// Fills the folder, or else leaves it as empty as it was.
    fn fill_or_clear(self, config: &RunConfig, first: &Checkpoint) -> Result<Self> {
        match self.fill(&mut Disk::default(), config, first) {
            Ok(()) => Ok(self),
            Err(error) => {
                // The first error is the one to report.
                let _ = self.clear();
                Err(error)
            }
        }
    }

    /// Fills the folder.
    pub(super) fn fill(
        &self,
        disk: &mut Disk,
        config: &RunConfig,
        first: &Checkpoint,
    ) -> Result<()> {
        let (folder, path) = (&*self.folder, self.folder.path());
        disk.change("write", path, || self.clear())?;
        first.write_on(disk, folder, OsStr::new(LAST))?;
        let text = config.to_pretty();
        disk.change("write", path, || folder.write(CONFIG, text.as_bytes()))
    }

    /// Removes what a start has written.
    fn clear(&self) -> Result<()> {
        self.folder.names()?.iter().try_for_each(|name| match Entry::of(name) {
            Entry::Checkpoint => self.folder.remove_folder(name),
            Entry::Temporary => self.folder.remove_file(name),
            Entry::Lock | Entry::Other => Ok(()),
        })
    }

    /// Checks that the run can go on writing: neither was its folder removed, nor does another process hold it.
    ///
    /// # Errors
    /// If it cannot.
    pub(crate) fn check(&self) -> Result<()> {
        if self.folder.kind(CONFIG)?.is_none() {
            let removed = "the run folder, or config.json in it, was removed during the run";
            let error = io::Error::new(io::ErrorKind::NotFound, removed);
            return Err(Error::io("write", self.folder.path(), error));
        }
        self.lock.renew()
    }

    /// Writes the checkpoint to resume from.
    ///
    /// # Errors
    /// As for [`check`](Self::check) and [`Checkpoint::write`].
    pub(crate) fn write_last(&self, checkpoint: &Checkpoint) -> Result<()> {
        self.check()?;
        checkpoint.write_in(&self.folder, LAST)?;
        self.write_peer_weights(LAST, checkpoint)
    }

    /// Writes the checkpoint of the best policy that was evaluated.
    ///
    /// # Errors
    /// As for [`write_last`](Self::write_last).
    pub(crate) fn write_best(&self, checkpoint: &Checkpoint) -> Result<()> {
        self.check()?;
        checkpoint.write_in(&self.folder, BEST)?;
        self.write_peer_weights(BEST, checkpoint)
    }

    /// Reads the checkpoint to resume from.
    ///
    /// # Errors
    /// As for [`Checkpoint::read`].
    pub(crate) fn read_last(&self) -> Result<Checkpoint> {
        Checkpoint::read_in(&self.folder, LAST)
    }

    /// Reads the checkpoint of the best policy that was evaluated.
    ///
    /// # Errors
    /// As for [`Checkpoint::read`].
    pub(crate) fn read_best(&self) -> Result<Checkpoint> {
        Checkpoint::read_in(&self.folder, BEST)
    }

    /// The open folder.
    pub(crate) fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    /// Returns the path by which the folder was opened, or where it is now if it was moved.
    pub fn path(&self) -> PathBuf {
        self.folder.path_now()
    }

    /// Returns a warning if nothing keeps other processes out of the folder.
    pub(crate) fn warning(&self) -> Option<String> {
        self.lock.warning()
    }

    /// Gives the folder up as a process does that is killed.
    #[cfg(test)]
    pub(super) fn abandon(self) {
        self.lock.abandon();
    }
}

/// An entry of a folder that a run may start in.
enum Entry {
    Lock,
    /// A checkpoint of a start.
    Checkpoint,
    /// The unfinished config of a start.
    Temporary,
    Other,
}

impl Entry {
    fn of(name: &OsStr) -> Self {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match name.to_str() {
            Some(RUN_LOCK) => Self::Lock,
            Some(name) => match (name.strip_prefix(LAST), name.strip_prefix("config.json.new-")) {
                (Some("" | NEW | OLD), _) => Self::Checkpoint,
                (_, Some(pid)) if digits(pid) => Self::Temporary,
                _ => Self::Other,
            },
            None => Self::Other,
        }
    }
}

/// Returns true if a run may start in a folder: an empty one, the root of an empty file system, or one whose start was not
/// finished.
fn is_free(folder: &Folder) -> Result<bool> {
    let starting = Holder::read(folder).is_some_and(|holder| holder.starting);
    for name in folder.names()? {
        let free = match Entry::of(&name) {
            Entry::Lock => true,
            Entry::Checkpoint | Entry::Temporary => starting,
            Entry::Other => name == "lost+found" || is_of_event_writer(&name),
        };
        if !free {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns true for the name of a file that a writer of TensorBoard events made: scripts create one before the run.
fn is_of_event_writer(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"events.out.tfevents.") && name != EVENTS
}

/// The temporary name of a folder that becomes `path`, without what tells processes and their runs apart.
fn prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or("run".as_ref()));
    prefix.push(".new-");
    prefix
}

/// Returns a path beside `path` that no other start uses.
fn temporary(path: &Path) -> PathBuf {
    static STARTS: AtomicU64 = AtomicU64::new(0);
    let mut name = prefix(path);
    name.push(format!("{}-{}", std::process::id(), STARTS.fetch_add(1, Ordering::Relaxed)));
    parent(path).join(name)
}

/// Removes the temporary folders of starts of `path` that were killed. What cannot be removed is left.
fn remove_unfinished(path: &Path) {
    let Ok(entries) = fs::read_dir(parent(path)) else { return };
    let prefix = prefix(path);
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(prefix.as_encoded_bytes())
            && let Ok(folder) = Folder::open(&entry.path(), Links::Refuse).map(Arc::new)
            && let Some(lock) = RunLock::of_killed_start(Arc::clone(&folder))
        {
            let unfinished = LockedFolder { folder, lock };
            let _ = unfinished.clear().and_then(|()| unfinished.folder.remove_file(CONFIG));
            drop(unfinished);
            // Only if nothing else is in it.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Returns `path`, `path-2`, `path-3`, ... for 1, 2, 3, ...
fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if number > 1 {
        name.push(format!("-{number}"));
    }
    name.into()
}

/// The names under which checkpoints are found in a run folder.
fn checkpoint_names() -> impl Iterator<Item = String> {
    [LAST, BEST].into_iter().flat_map(|name| ["", NEW, OLD].map(|suffix| format!("{name}{suffix}")))
}
