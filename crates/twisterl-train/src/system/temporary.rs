//! Temporary files and folders, which do not outlive a process that a signal ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

static PATHS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A path that is removed if a signal ends the process before this is dropped.
#[derive(Debug)]
pub(crate) struct Temporary(PathBuf);

impl Temporary {
    /// Takes note of a file or folder, before it is created.
    pub(crate) fn at(path: &Path) -> Self {
        paths().push(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let mut paths = paths();
        if let Some(at) = paths.iter().position(|path| *path == self.0) {
            paths.swap_remove(at);
        }
    }
}

/// Removes everything temporary. The process ends next, so that failures, as of paths not created yet, do not matter.
pub(crate) fn remove_all() {
    remove(&paths());
}

fn remove(paths: &[PathBuf]) {
    for path in paths {
        if fs::remove_file(path).is_err() {
            let _ = fs::remove_dir_all(path);
        }
    }
}

fn paths() -> MutexGuard<'static, Vec<PathBuf>> {
    PATHS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_what_is_still_temporary_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, file, inner) =
            (folder.path().join("kept"), folder.path().join("file"), folder.path().join("inner"));
        drop(Temporary::at(&kept));
        let _temporary = (Temporary::at(&file), Temporary::at(&inner));
        let temporary: Vec<_> =
            paths().iter().filter(|path| path.starts_with(folder.path())).cloned().collect();
        fs::write(&kept, "").unwrap();
        fs::write(&file, "").unwrap();
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("file"), "").unwrap();
        remove(&temporary);
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(left, [kept]);
    }
}
