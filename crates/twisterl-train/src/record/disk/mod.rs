//! Atomic writes of files and folders: a killed process leaves no half-written file behind.

mod entry;
mod folder;
#[cfg(not(unix))]
mod portable;
#[cfg(unix)]
mod unix;

pub(crate) use entry::{Access, Kind, Links};
pub(crate) use folder::Folder;
#[cfg(not(unix))]
pub(crate) use portable::{cannot_lock, rename_new};
#[cfg(unix)]
pub(crate) use unix::{cannot_lock, rename_new};

use crate::system::files;
use crate::{Error, Result};
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file atomically: under a temporary name next to `path`, which is then renamed. `path` holds either its
/// previous content or all of `bytes`.
///
/// # Errors
/// If the folder cannot be written to.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |e| Error::io("write", path, e);
    let Some(name) = path.file_name() else {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    };
    let folder = Folder::open(parent(path), Links::Refuse).map_err(|e| match e {
        Error::Io { source, .. } => failed(source),
        other => other,
    })?;
    folder.write(name, bytes)
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// If it cannot be read, is of another kind or is larger.
pub fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>> {
    files::read(path, limit).map_err(|refusal| refusal.of_checkpoint(path))
}

/// Returns the folder that `path` is in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The changes that one writer makes to the disk. Tests can kill the writer after any number of changes.
#[derive(Default)]
pub(crate) struct Disk {
    /// The number of changes before the writer is killed, if it is.
    #[cfg(test)]
    pub(crate) changes_left: Option<usize>,
}

impl Disk {
    /// Creates a file and syncs it.
    pub(crate) fn write_synced(&mut self, folder: &Folder, name: &str, bytes: &[u8]) -> Result<()> {
        // In two halves, so that a test can kill the writer in between.
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let path = folder.path_of(name);
        let failed = |e| Error::io("write", &path, e);
        let mut file = None;
        self.change("write", &path, || {
            let file = file.insert(folder.open_file(name, Access::New)?);
            file.write_all(first).map_err(failed)
        })?;
        self.change("write", &path, || {
            let Some(mut file) = file else { return Ok(()) };
            file.write_all(second).and_then(|()| file.sync_all()).map_err(failed)
        })
    }

    /// Creates and opens a folder.
    pub(crate) fn create_folder(&mut self, folder: &Folder, name: &OsStr) -> Result<Folder> {
        let path = folder.path_of(name);
        self.change("create", &path, || {
            folder.create_folder(name).map_err(|e| Error::io("create", &path, e))?;
            folder.open_folder(name)
        })
    }

    /// Renames a file or folder and syncs the folder that it is in. An existing file with the new name is replaced.
    pub(crate) fn rename(&mut self, folder: &Folder, from: &OsStr, to: &OsStr) -> Result<()> {
        let path = folder.path_of(to);
        self.change("write", &path, || {
            folder.rename(from, to).map_err(|e| Error::io("write", &path, e))
        })?;
        folder.sync()
    }

    /// Removes a folder and its content if it exists.
    pub(crate) fn remove_folder(&mut self, folder: &Folder, name: &OsStr) -> Result<()> {
        self.change("remove", &folder.path_of(name), || folder.remove_folder(name))
    }

    /// Makes one change, called `action` in the error of a killed writer.
    #[cfg_attr(not(test), allow(unused_variables))]
    pub(crate) fn change<T>(
        &mut self,
        action: &str,
        path: &Path,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        #[cfg(test)]
        if let Some(left) = &mut self.changes_left {
            *left = left.checked_sub(1).ok_or_else(|| {
                Error::io(action, path, io::Error::other("the process was killed here"))
            })?;
        }
        make()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_replaced_atomically() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_file(&path, b"one").unwrap();
        write_file(&path, b"two!").unwrap();
        assert_eq!(read_file(&path, 4).unwrap(), b"two!");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn large_files_and_missing_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_file(&path, &[0; 100]).unwrap();
        let message = read_file(&path, 99).unwrap_err().to_string();
        assert!(message.contains("at most 99 bytes, found 100 bytes"), "{message}");
        let message = write_file(&folder.path().join("no/file"), b"").unwrap_err().to_string();
        assert!(message.contains("cannot write"), "{message}");
    }
}
