//! Folders that are held open, and their entries by name.
//!
//! Files that are written must be regular ones with a single name. No link in the last component of a path is followed
//! to them, so that nothing outside the folder is changed, whatever the folder holds.

use super::entry::{Access, Kind, Links};
#[cfg(not(unix))]
use super::portable::Handle;
#[cfg(unix)]
use super::unix::Handle;
use crate::system::files;
use crate::system::temporary::Temporary;
use crate::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The deepest nesting of folders that are removed.
const MAX_DEPTH: usize = 16;

/// An open folder. It stays the same one if it is moved, where the system allows.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    handle: Handle,
    links: Links,
}

impl Folder {
    /// Opens a folder. Links in `path` are followed, `links` is about what is in the folder.
    pub(crate) fn open(path: &Path, links: Links) -> Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let handle = Handle::open(path).map_err(|e| Error::io("open", path, e))?;
        Ok(Self { path: path.to_owned(), handle, links })
    }

    /// Opens a folder in this one.
    pub(crate) fn open_folder(&self, name: impl AsRef<OsStr>) -> Result<Self> {
        let name = name.as_ref();
        self.check_kind(name, Kind::Folder)?;
        let failed = |e| Error::io("open", self.path_of(name), e);
        let handle = self.handle.open_folder(name, self.links).map_err(failed)?;
        Ok(Self { path: self.path_of(name), handle, links: self.links })
    }

    /// Opens a regular file.
    pub(crate) fn open_file(&self, name: impl AsRef<OsStr>, access: Access) -> Result<File> {
        let name = name.as_ref();
        let action = if access == Access::Read { "read" } else { "write" };
        let failed = |e| Error::io(action, self.path_of(name), e);
        // Before it is opened, which has effects on a device; and again on what was opened.
        self.check_kind(name, Kind::File)?;
        let file = self.handle.open_file(name, access, self.links).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(self.unexpected(name, Kind::File, Kind::Other));
        }
        let names = Handle::names_of(&file).map_err(failed)?;
        if access != Access::Read && names > 1 {
            let expected =
                "a file with no other name (copy it over itself to give the run its own)";
            let found = format!("one with {names} hard links");
            return Err(Error::checkpoint(self.path_of(name), expected, found));
        }
        Ok(file)
    }

    /// Reads a file of at most `limit` bytes.
    pub(crate) fn read(&self, name: impl AsRef<OsStr>, limit: u64) -> Result<Vec<u8>> {
        let name = name.as_ref();
        let file = self.open_file(name, Access::Read)?;
        files::read_open(&file, limit).map_err(|refusal| refusal.of_checkpoint(&self.path_of(name)))
    }

    /// Returns the length of a file, in bytes.
    pub(crate) fn length(&self, name: impl AsRef<OsStr>) -> Result<u64> {
        let name = name.as_ref();
        let found = self.open_file(name, Access::Read)?.metadata();
        found.map(|found| found.len()).map_err(|e| Error::io("read", self.path_of(name), e))
    }

    /// Writes a file atomically: under a temporary name, which is then renamed.
    pub(crate) fn write(&self, name: impl AsRef<OsStr>, bytes: &[u8]) -> Result<()> {
        let name = name.as_ref();
        let mut temporary = name.to_owned();
        temporary.push(format!(".new-{}", std::process::id()));
        let _temporary = Temporary::at(&self.path_of(&temporary));
        let failed = |e| Error::io("write", self.path_of(name), e);
        let write = || {
            self.remove_file(&temporary)?;
            let mut file = self.open_file(&temporary, Access::New)?;
            file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
            self.handle.rename(&temporary, name).map_err(failed)?;
            self.sync()
        };
        write().inspect_err(|_| {
            // Removes the unfinished file. The first error is the one to report.
            let _ = self.remove_file(&temporary);
        })
    }

    /// Returns the kind of an entry, `None` if there is none.
    pub(crate) fn kind(&self, name: impl AsRef<OsStr>) -> Result<Option<Kind>> {
        let name = name.as_ref();
        let kind = self.handle.kind(name, self.links);
        kind.map_err(|e| Error::io("read", self.path_of(name), e))
    }

    /// Checks that an entry is of this kind or absent.
    pub(crate) fn check_kind(&self, name: impl AsRef<OsStr>, expected: Kind) -> Result<()> {
        match self.kind(&name)? {
            Some(found) if found != expected => {
                Err(self.unexpected(name.as_ref(), expected, found))
            }
            _ => Ok(()),
        }
    }

    /// Returns true if `name` is `file`, neither removed nor replaced since that was opened.
    pub(crate) fn is_same(&self, name: impl AsRef<OsStr>, file: &File) -> Result<bool> {
        let name = name.as_ref();
        let same = self.handle.is_same(name, file);
        same.map_err(|e| Error::io("read", self.path_of(name), e))
    }

    /// Creates a folder in this one.
    pub(crate) fn create_folder(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        self.handle.create_folder(name.as_ref())
    }

    /// Renames an entry. An existing file with the new name is replaced.
    pub(crate) fn rename(&self, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) -> io::Result<()> {
        self.handle.rename(from.as_ref(), to.as_ref())
    }

    /// Removes a file or a link if it exists.
    pub(crate) fn remove_file(&self, name: impl AsRef<OsStr>) -> Result<()> {
        let name = name.as_ref();
        match self.handle.remove_file(name) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", self.path_of(name), e))
            }
            _ => Ok(()),
        }
    }

    /// Removes a folder and its content if it exists. Links in it are removed, not followed.
    pub(crate) fn remove_folder(&self, name: impl AsRef<OsStr>) -> Result<()> {
        self.remove_folder_at(name.as_ref(), MAX_DEPTH)
    }

    fn remove_folder_at(&self, name: &OsStr, depth: usize) -> Result<()> {
        let failed = |e| Error::io("remove", self.path_of(name), e);
        if self.kind(name)?.is_none() {
            return Ok(());
        }
        let Some(depth) = depth.checked_sub(1) else {
            return Err(failed(io::Error::other("folders are nested too deep in it")));
        };
        let folder = self.open_folder(name)?;
        for entry in folder.names()? {
            match folder.kind(&entry)? {
                Some(Kind::Folder) => folder.remove_folder_at(&entry, depth)?,
                _ => folder.remove_file(&entry)?,
            }
        }
        self.handle.remove_empty_folder(name).map_err(failed)
    }

    /// Returns the names of its entries.
    pub(crate) fn names(&self) -> Result<Vec<OsString>> {
        self.handle.names().map_err(|e| Error::io("read", &self.path, e))
    }

    /// Syncs its entries.
    pub(crate) fn sync(&self) -> Result<()> {
        self.handle.sync().map_err(|e| Error::io("write", &self.path, e))
    }

    /// Returns the path by which it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path by which it was opened if that still leads here, or else its path of now as far as it is known.
    pub(crate) fn path_now(&self) -> PathBuf {
        if self.handle.is_at(&self.path) {
            return self.path.clone();
        }
        self.handle.path().filter(|path| self.handle.is_at(path)).unwrap_or(self.path.clone())
    }

    /// Returns the path of an entry, for messages.
    pub(crate) fn path_of(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.path.join(name.as_ref())
    }

    fn unexpected(&self, name: &OsStr, expected: Kind, found: Kind) -> Error {
        let expected = match expected {
            Kind::File => "a regular file".to_owned(),
            other => other.to_string(),
        };
        Error::checkpoint(self.path_of(name), expected, found)
    }
}
