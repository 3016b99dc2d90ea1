//! Append-only files of a run, and their continuation by a later session.

use crate::record::disk::{Access, Folder};
use crate::{Error, Result};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::sync::Arc;

/// A record that is not as it was written. After a power loss, a file may have kept its length and lost some of its
/// content, which then reads as zeros.
#[derive(Debug, PartialEq)]
pub(super) struct Damage {
    /// The place in the file, such as `line 3`.
    pub(super) place: String,
    /// The accepted text.
    pub(super) expected: String,
    /// The text found.
    pub(super) found: String,
}

/// A file of which the first `length` bytes stay. It has been checked, and not been changed.
pub(super) struct Continuation<'a> {
    folder: &'a Arc<Folder>,
    name: &'static str,
    /// `None` if it is to be created.
    file: Option<File>,
    length: u64,
}

impl<'a> Continuation<'a> {
    /// Checks a file, and by `first_damage` the records that stay.
    ///
    /// # Errors
    /// If it is shorter than `length`, is damaged, is a link or otherwise not a regular file, or cannot be written.
    pub(super) fn check(
        folder: &'a Arc<Folder>,
        name: &'static str,
        length: u64,
        first_damage: impl FnOnce(&mut dyn BufRead) -> io::Result<Option<Damage>>,
    ) -> Result<Self> {
        let path = folder.path_of(name);
        let failed = |e| Error::io("read", &path, e);
        let too_short = |found: String| {
            let expected = format!("at least the {length} bytes that the checkpoint names");
            Error::checkpoint(&path, expected, found)
        };
        if folder.kind(name)?.is_none() {
            return match length {
                0 => Ok(Self { folder, name, file: None, length }),
                _ => Err(too_short("no file".into())),
            };
        }
        let file = folder.open_file(name, Access::Append)?;
        let found = file.metadata().map_err(failed)?.len();
        if found < length {
            return Err(too_short(found.to_string()));
        }
        let mut kept = BufReader::new(folder.open_file(name, Access::Read)?.take(length));
        if let Some(Damage { place, expected, found }) = first_damage(&mut kept).map_err(failed)? {
            let advice =
                "(the run cannot be resumed; start a new one from the weights of its checkpoint)";
            return Err(Error::checkpoint(
                &path,
                format!("{expected} in {place}"),
                format!("{found} {advice}"),
            ));
        }
        Ok(Self { folder, name, file: Some(file), length })
    }

    /// Removes what is beyond the records that stay, and opens the file for more.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn open(self) -> Result<AppendOnlyFile> {
        let Self { folder, name, file, length } = self;
        let file = file.map_or_else(|| folder.open_file(name, Access::Append), Ok)?;
        file.set_len(length).map_err(|e| Error::io("write", folder.path_of(name), e))?;
        Ok(AppendOnlyFile { folder: Arc::clone(folder), name, file, length })
    }
}

/// An append-only file of a run.
#[derive(Debug)]
pub(super) struct AppendOnlyFile {
    folder: Arc<Folder>,
    name: &'static str,
    file: File,
    length: u64,
}

impl AppendOnlyFile {
    /// Appends a record in one write, so that a killed process leaves it complete or absent.
    pub(super) fn append(&mut self, record: &[u8]) -> Result<()> {
        self.check()?;
        self.file.write_all(record).map_err(|e| self.failed(e))?;
        self.length += record.len() as u64;
        Ok(())
    }

    /// Checks that the file is what it was after the last record.
    fn check(&self) -> Result<()> {
        if !self.folder.is_same(self.name, &self.file)? {
            let removed = "the file was removed or replaced during the run";
            return Err(self.failed(io::Error::new(io::ErrorKind::NotFound, removed)));
        }
        let found = self.file.metadata().map_err(|e| self.failed(e))?.len();
        if found != self.length {
            let expected =
                format!("the {} bytes that this run has written, and no other writer", self.length);
            return Err(Error::checkpoint(self.folder.path_of(self.name), expected, found));
        }
        Ok(())
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io("write", self.folder.path_of(self.name), error)
    }

    /// Syncs the file and returns its length.
    pub(super) fn sync(&self) -> Result<u64> {
        self.file.sync_data().map_err(|e| self.failed(e))?;
        Ok(self.length)
    }
}
