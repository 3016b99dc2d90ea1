//! Folders by path, on systems without descriptors of folders. Links are refused by a look before each use.

use super::entry::{Access, Kind, Links};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A folder that existed when it was opened.
#[derive(Debug)]
pub(super) struct Handle(PathBuf);

impl Handle {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        match fs::metadata(path)?.is_dir() {
            true => Ok(Self(std::path::absolute(path)?)),
            false => Err(ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn open_folder(&self, name: &OsStr, links: Links) -> io::Result<Self> {
        match self.kind(name, links)? {
            Some(Kind::Folder) => Ok(Self(self.0.join(name))),
            Some(_) => Err(ErrorKind::NotADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn open_file(&self, name: &OsStr, access: Access, links: Links) -> io::Result<File> {
        if !matches!(self.kind(name, links)?, None | Some(Kind::File)) {
            return Err(ErrorKind::InvalidInput.into());
        }
        let mut options = File::options();
        match access {
            Access::Read => options.read(true),
            Access::Append => options.append(true).create(true),
            Access::New => options.write(true).create_new(true),
            Access::Lock => options.read(true).write(true).create(true).truncate(false),
        };
        options.open(self.0.join(name))
    }

    pub(super) fn kind(&self, name: &OsStr, links: Links) -> io::Result<Option<Kind>> {
        let path = self.0.join(name);
        let found = match links {
            Links::Follow => fs::metadata(path),
            Links::Refuse => fs::symlink_metadata(path),
        };
        match found {
            Ok(found) => Ok(Some(kind(&found))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns true if there is a file `name`. Files have no identity here.
    pub(super) fn is_same(&self, name: &OsStr, _file: &File) -> io::Result<bool> {
        Ok(self.kind(name, Links::Refuse)? == Some(Kind::File))
    }

    /// The number of names that a file has, as far as this system tells: one.
    pub(super) fn names_of(_file: &File) -> io::Result<u64> {
        Ok(1)
    }

    pub(super) fn create_folder(&self, name: &OsStr) -> io::Result<()> {
        fs::create_dir(self.0.join(name))
    }

    pub(super) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    pub(super) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    pub(super) fn remove_empty_folder(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_dir(self.0.join(name))
    }

    pub(super) fn names(&self) -> io::Result<Vec<OsString>> {
        fs::read_dir(&self.0)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// Does nothing: folders cannot be opened as files here.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    /// Returns true if `path` leads to this folder.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let path = (fs::canonicalize(path), fs::canonicalize(&self.0));
        matches!(path, (Ok(there), Ok(here)) if there == here)
    }

    /// Returns the path of this folder.
    pub(super) fn path(&self) -> Option<PathBuf> {
        Some(self.0.clone())
    }
}

/// Returns true if `error` says that the file system cannot lock files.
pub(crate) fn cannot_lock(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Unsupported
}

/// Renames a folder to a name that nothing has: folders are never replaced here.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::symlink_metadata(to) {
        Ok(_) => Err(ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
    }
}

fn kind(found: &Metadata) -> Kind {
    match found.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Folder,
        kind if kind.is_symlink() => Kind::Link,
        _ => Kind::Other,
    }
}
