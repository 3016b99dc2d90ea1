//! The lock of a run folder: only one process at a time trains in it.
//!
//! The operating system holds the lock, on the file `run.lock`, and drops it when the process ends, however it ends. What
//! the file says is for messages, and tells folders whose start was not finished.

use super::RUN_LOCK;
use crate::record::disk::{Access, Folder, cannot_lock};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The most bytes of `run.lock` that are read.
const MAX_BYTES: u64 = 4096;
/// Attempts to lock a folder, and the time between them. A process that was just killed holds its locks a moment longer, and
/// so do processes that it was about to start.
const ATTEMPTS: usize = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// The process that holds a run folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    pid: u32,
    /// The name of its machine.
    host: String,
    /// True until the folder holds everything that a run begins with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) starting: bool,
}

impl Holder {
    fn this_process(starting: bool) -> Self {
        Self { pid: std::process::id(), host: host(), starting }
    }

    /// Returns what the lock file of a folder says, `None` if there is none or it says nothing of the kind.
    pub(super) fn read(folder: &Folder) -> Option<Self> {
        serde_json::from_slice(&folder.read(RUN_LOCK, MAX_BYTES).ok()?).ok()
    }
}

/// A lock file that is held.
type Held = Arc<Mutex<Option<File>>>;

/// All lock files that this process holds.
static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());

/// Closes the lock files that this process has from the one that it was forked from, which holds them on. For a process
/// that was just forked: otherwise the locks would last as long as it does.
pub fn forget_after_fork() {
    // A thread that does not exist here may have held the mutex when the process was forked.
    let Ok(mut all) = HELD.try_lock() else { return };
    for held in all.drain(..) {
        if let Ok(mut file) = held.try_lock() {
            *file = None;
        }
    }
}

/// The lock of a run folder, until it is dropped.
#[derive(Debug)]
pub(super) struct RunLock {
    folder: Arc<Folder>,
    held: Held,
    /// The error of a file system that cannot lock files.
    unsupported: Option<io::Error>,
    /// The content of the lock file to be put back at the end; `None` if the file is to be removed.
    before: Option<Vec<u8>>,
}

impl RunLock {
    /// Locks a folder.
    ///
    /// # Errors
    /// [`Error::InUse`] if another process, or another run of this one, holds it.
    pub(super) fn acquire(folder: Arc<Folder>) -> Result<Self> {
        let (file, unsupported) = lock(&folder)?;
        Ok(Self::holding(folder, file, unsupported))
    }

    /// Locks the folder of a run that is to be resumed. Until [`keep`](Self::keep) is called, a lock file that a killed
    /// process has left is put back when this is dropped.
    ///
    /// # Errors
    /// As for [`acquire`](Self::acquire), and if the lock file is longer than those that processes write.
    pub(super) fn acquire_for_now(folder: Arc<Folder>) -> Result<Self> {
        let left = folder.kind(RUN_LOCK)?.is_some();
        let mut lock = Self::acquire(folder)?;
        if left {
            let before = lock.folder.read(RUN_LOCK, MAX_BYTES).inspect_err(|_| lock.abandon())?;
            lock.before = Some(before);
        }
        Ok(lock)
    }

    /// Makes the folder that of this process: its lock file is removed at the end.
    pub(super) fn keep(&mut self) {
        self.before = None;
    }

    /// Locks a folder whose start was killed. Returns `None` if it was not, or if that cannot be told.
    pub(super) fn of_killed_start(folder: Arc<Folder>) -> Option<Self> {
        // In this order: its process signs it only once it holds it.
        let starting = Holder::read(&folder)?.starting;
        match Attempt::make(&folder) {
            Ok(Attempt::Locked(file)) if starting => Some(Self::holding(folder, file, None)),
            _ => None,
        }
    }

    fn holding(folder: Arc<Folder>, file: File, unsupported: Option<io::Error>) -> Self {
        let held = Arc::new(Mutex::new(Some(file)));
        guard(&HELD).push(Arc::clone(&held));
        Self { folder, held, unsupported, before: None }
    }

    /// Writes the name of this process into the lock file.
    pub(super) fn sign(&self, starting: bool) -> Result<()> {
        guard(&self.held).as_mut().map_or(Ok(()), |file| self.write(file, starting))
    }

    /// Locks the folder again if its lock file was removed.
    ///
    /// # Errors
    /// As for [`acquire`](Self::acquire).
    pub(super) fn renew(&self) -> Result<()> {
        let mut held = guard(&self.held);
        let Some(file) = held.as_mut() else { return Ok(()) };
        if !self.folder.is_same(RUN_LOCK, file)? {
            (*file, _) = lock(&self.folder)?;
            self.write(file, false)?;
        }
        Ok(())
    }

    /// Returns a warning if nothing keeps other processes out.
    pub(super) fn warning(&self) -> Option<String> {
        let error = self.unsupported.as_ref()?;
        Some(format!(
            "{}: the file system cannot lock files ({error}), so that a second process that trains here would not be noticed",
            self.folder.path().display()
        ))
    }

    /// Notes the new path of the folder.
    pub(super) fn renamed(&mut self, folder: Arc<Folder>) {
        self.folder = folder;
    }

    fn write(&self, file: &mut File, starting: bool) -> Result<()> {
        let mut line = serde_json::to_vec(&Holder::this_process(starting))
            .map_err(|e| twisterl_core::Error::internal(format!("a lock as JSON: {e}")))?;
        line.push(b'\n');
        replace(file, &line).map_err(|e| Error::io("write", self.folder.path_of(RUN_LOCK), e))
    }

    /// Gives the lock up as a process does that is killed: its file stays.
    pub(super) fn abandon(&self) {
        *guard(&self.held) = None;
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        guard(&HELD).retain(|held| !Arc::ptr_eq(held, &self.held));
        // Removed while it is held, so that nobody else's is. If this fails, a file is left that says nothing wrong.
        if let Some(mut file) = guard(&self.held).take()
            && self.folder.is_same(RUN_LOCK, &file).unwrap_or(false)
        {
            let _ = match &self.before {
                Some(before) => replace(&mut file, before).map_err(drop),
                None => self.folder.remove_file(RUN_LOCK).map_err(drop),
            };
        }
    }
}

/// Replaces the content of a file.
fn replace(file: &mut File, content: &[u8]) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(content)
}

/// The result of an attempt to lock a folder.
enum Attempt {
    Locked(File),
    /// By another process, if it has signed the file.
    Held(Option<Holder>),
    /// Whoever held it has removed the file in the meantime.
    Removed,
    /// The file system cannot lock files.
    Unsupported(File, io::Error),
}

impl Attempt {
    fn make(folder: &Folder) -> Result<Self> {
        let mut file = folder.open_file(RUN_LOCK, Access::Lock)?;
        match file.try_lock() {
            Ok(()) if folder.is_same(RUN_LOCK, &file)? => Ok(Self::Locked(file)),
            Ok(()) => Ok(Self::Removed),
            Err(TryLockError::WouldBlock) => Ok(Self::Held(holder_of(&mut file))),
            Err(TryLockError::Error(e)) if cannot_lock(&e) => Ok(Self::Unsupported(file, e)),
            Err(TryLockError::Error(e)) => Err(Error::io("lock", folder.path_of(RUN_LOCK), e)),
        }
    }
}

/// Opens and locks the lock file of a folder. Returns also the error of a file system that cannot lock it.
fn lock(folder: &Folder) -> Result<(File, Option<io::Error>)> {
    let mut holder: Option<Holder> = None;
    for _ in 0..ATTEMPTS {
        match Attempt::make(folder)? {
            Attempt::Locked(file) => return Ok((file, None)),
            Attempt::Unsupported(file, error) => return Ok((file, Some(error))),
            Attempt::Held(signed) => holder = signed.or(holder),
            Attempt::Removed => {}
        }
        thread::sleep(PAUSE);
    }
    let holder = match holder {
        Some(Holder { pid, host, .. }) => format!("process {pid} on {host}"),
        None => "another process".into(),
    };
    Err(Error::InUse { path: folder.path().to_owned(), holder })
}

/// Reads the holder of a locked file. Not all systems let others read it.
fn holder_of(file: &mut File) -> Option<Holder> {
    let mut text = Vec::new();
    file.rewind().and_then(|()| file.take(MAX_BYTES).read_to_end(&mut text)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Locks a mutex, also if a thread panicked while it held it: what it guards is whole at any moment.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the name of this machine.
fn host() -> String {
    let from_file = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let from_variable = || std::env::var("COMPUTERNAME").ok();
    let from_command = || {
        let output = std::process::Command::new("uname").arg("-n").output().ok()?;
        String::from_utf8(output.stdout).ok()
    };
    [&from_file as &dyn Fn() -> Option<String>, &from_variable, &from_command]
        .into_iter()
        .filter_map(|name| name())
        .map(|name| name.trim().to_owned())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::record::disk::Links;
    use std::fs;

    fn folder(path: &std::path::Path) -> Arc<Folder> {
        Arc::new(Folder::open(path, Links::Refuse).unwrap())
    }

    #[test]
    fn a_folder_has_one_holder_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let lock = RunLock::acquire(folder(root.path())).unwrap();
        lock.sign(false).unwrap();
        let refused = RunLock::acquire(folder(root.path())).unwrap_err();
        let path = root.path().display();
        let found = format!("found one in use by process {} on {}", std::process::id(), host());
        assert_eq!(
            refused.to_string(),
            format!("{path}: expected a run folder that no process trains in, {found}")
        );
        drop(lock);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "the file is gone with the lock");
        RunLock::acquire(folder(root.path())).unwrap();
    }

    #[test]
    fn the_lock_of_a_killed_process_is_taken_over() {
        let root = tempfile::tempdir().unwrap();
        for left in ["", "{\"pid\":1,\"host\":\"elsewhere\"}\n", "not a lock", "\u{0}\u{1}"] {
            fs::write(root.path().join(RUN_LOCK), left).unwrap();
            let lock = RunLock::acquire(folder(root.path())).unwrap();
            lock.sign(true).unwrap();
            assert_eq!(Holder::read(&lock.folder), Some(Holder::this_process(true)));
            lock.abandon();
        }
    }

    #[test]
    fn a_lock_file_that_is_removed_is_made_again_or_belongs_to_another() {
        let root = tempfile::tempdir().unwrap();
        let lock = RunLock::acquire(folder(root.path())).unwrap();
        fs::remove_file(root.path().join(RUN_LOCK)).unwrap();
        lock.renew().unwrap();
        assert_eq!(Holder::read(&lock.folder), Some(Holder::this_process(false)));
        fs::remove_file(root.path().join(RUN_LOCK)).unwrap();
        let other = RunLock::acquire(folder(root.path())).unwrap();
        other.sign(false).unwrap();
        assert!(matches!(lock.renew(), Err(Error::InUse { .. })));
        drop(lock);
        assert!(Holder::read(&other.folder).is_some(), "the other's file is left alone");
    }

    #[test]
    fn file_systems_without_locks_are_told_from_other_errors() {
        #[cfg(unix)]
        {
            // ENOLCK, ENOSYS and EOPNOTSUPP of Linux; EIO and EACCES are none of them.
            let locks = |code| !cannot_lock(&io::Error::from_raw_os_error(code));
            #[cfg(target_os = "linux")]
            assert_eq!([37, 38, 95, 5, 13].map(locks), [false, false, false, true, true]);
        }
        assert!(cannot_lock(&io::ErrorKind::Unsupported.into()));
    }
}
