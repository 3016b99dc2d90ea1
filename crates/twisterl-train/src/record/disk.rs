//! Atomic writes of files and folders: a killed process leaves no half-written file behind.

use crate::terminal::temporary::Temporary;
use crate::{Error, Result, files};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a file atomically: under a temporary name next to `path`, which is then renamed. `path` holds either its
/// previous content or all of `bytes`.
///
/// # Errors
/// If the folder cannot be written to.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = with_suffix(path, &format!(".new-{}", std::process::id()));
    let _temporary = Temporary::at(&temporary);
    let disk = &mut Disk::default();
    disk.write_synced(&temporary, bytes).and_then(|()| disk.rename(&temporary, path)).inspect_err(
        |_| {
            // Removes the unfinished file. The first error is the one to report.
            let _ = fs::remove_file(&temporary);
        },
    )
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// If it cannot be read, is of another kind or is larger.
pub fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>> {
    files::read(path, limit).map_err(|refusal| refusal.of_checkpoint(path))
}

/// Appends `suffix` to the last component of `path`.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The changes that one writer makes to the disk. Tests can kill the writer after any number of changes.
#[derive(Default)]
pub(crate) struct Disk {
    /// The number of changes before the writer is killed, if it is.
    #[cfg(test)]
    pub(crate) changes_left: Option<usize>,
}

impl Disk {
    /// Creates or replaces a file and syncs it.
    pub(crate) fn write_synced(&mut self, path: &Path, bytes: &[u8]) -> Result<()> {
        // In two halves, so that a test can kill the writer in between.
        let (first, second) = bytes.split_at(bytes.len() / 2);
        self.change("write", path, || {
            let mut file = File::create(path)?;
            file.write_all(first)
        })?;
        self.change("write", path, || {
            let mut file = File::options().append(true).open(path)?;
            file.write_all(second)?;
            file.sync_all()
        })
    }

    /// Creates a folder and its missing parents.
    pub(crate) fn create_folder(&mut self, path: &Path) -> Result<()> {
        self.change("create", path, || fs::create_dir_all(path))
    }

    /// Renames a file or folder and syncs the parent folder. An existing file with the new name is replaced.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> Result<()> {
        self.change("write", to, || fs::rename(from, to))?;
        // A root has no parent, and cannot be renamed to.
        to.parent().map_or(Ok(()), sync_folder)
    }

    /// Removes a folder and its content if it exists.
    pub(crate) fn remove_folder(&mut self, path: &Path) -> Result<()> {
        self.change("remove", path, || match fs::remove_dir_all(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        })
    }

    /// Makes one change, called `action` in errors.
    fn change(
        &mut self,
        action: &str,
        path: &Path,
        make: impl FnOnce() -> io::Result<()>,
    ) -> Result<()> {
        #[cfg(test)]
        if let Some(left) = &mut self.changes_left {
            *left = left.checked_sub(1).ok_or_else(|| {
                Error::io(action, path, io::Error::other("the process was killed here"))
            })?;
        }
        make().map_err(|e| Error::io(action, path, e))
    }
}

/// Syncs the entries of a folder.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    // Other systems cannot open folders as files.
    #[cfg(unix)]
    {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        File::open(path).and_then(|f| f.sync_all()).map_err(|e| Error::io("write", path, e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
