//! Files and folders that are never half-written, whenever the process is killed.

use crate::{Error, Result};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Writes a file under a temporary name beside `path` and renames it, so that `path` holds either what it held
/// before or all of `bytes`.
///
/// # Errors
/// If the folder cannot be written to.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = sibling(path, &format!(".new-{}", std::process::id()));
    let disk = &mut Disk::default();
    disk.write_new(&temporary, bytes).and_then(|()| disk.rename(&temporary, path)).inspect_err(
        |_| {
            // The unfinished file of this process; the error that matters is the first one.
            let _ = fs::remove_file(&temporary);
        },
    )
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// If it cannot be read or is larger.
pub fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let failed = |e| Error::io("read", path, e);
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(limit)).unwrap_or(0));
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        let expected = format!("a file of at most {limit} bytes");
        return Err(Error::checkpoint(path, expected, format!("{} bytes", length.max(limit + 1))));
    }
    Ok(bytes)
}

/// `path` with `suffix` added to its last part.
pub(crate) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// All changes that are made to the disk one after the other. A test can make any of them the last one.
#[derive(Default)]
pub(crate) struct Disk {
    #[cfg(test)]
    pub(crate) changes_left: Option<usize>,
}

impl Disk {
    /// Writes a file that does not exist yet, or replaces a leftover, and waits until it is on the disk.
    pub(crate) fn write_new(&mut self, path: &Path, bytes: &[u8]) -> Result<()> {
        // Two halves, so that a test can stop in between.
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

    pub(crate) fn create_folder(&mut self, path: &Path) -> Result<()> {
        self.change("create", path, || fs::create_dir_all(path))
    }

    /// Renames a file or folder; a file that has the new name is replaced.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> Result<()> {
        self.change("write", to, || fs::rename(from, to))?;
        sync_folder(to.parent().unwrap_or(to))
    }

    /// Removes a folder if it exists.
    pub(crate) fn remove_folder(&mut self, path: &Path) -> Result<()> {
        self.change("remove", path, || match fs::remove_dir_all(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        })
    }

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

/// Waits until the names in a folder are on the disk.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    // Elsewhere folders cannot be opened as files.
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
    fn a_file_is_replaced_as_a_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_file(&path, b"one").unwrap();
        write_file(&path, b"two!").unwrap();
        assert_eq!(read_file(&path, 4).unwrap(), b"two!");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_large_file_and_a_missing_folder_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_file(&path, &[0; 100]).unwrap();
        let message = read_file(&path, 99).unwrap_err().to_string();
        assert!(message.contains("at most 99 bytes, found 100 bytes"), "{message}");
        let message = write_file(&folder.path().join("no/file"), b"").unwrap_err().to_string();
        assert!(message.contains("cannot write"), "{message}");
    }
}
