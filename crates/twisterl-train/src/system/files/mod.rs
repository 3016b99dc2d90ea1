//! Files that people bring: bounded reads of untrusted files, and states to be solved. docs/security.md lists the limits on
//! their kinds and lengths.
//!
//! A file is opened without waiting, so that a named pipe cannot hang the caller, and its kind and length are known before
//! its first byte is read.

pub mod states;

use crate::{Error, Result};
use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// The longest config, in bytes.
pub const MAX_CONFIG: u64 = 1 << 20;
/// The longest file of states, in bytes. At worst, it needs about twenty times as much memory.
pub const MAX_STATES: u64 = 1 << 25;
/// The longest file of weights or arrays, in bytes: 2^28 values of single precision.
pub const MAX_WEIGHTS_FILE: u64 = 1 << 30;
/// The longest manifest of a checkpoint, in bytes.
pub const MAX_MANIFEST: u64 = 1 << 16;
/// The longest state of an algorithm in a checkpoint, in bytes.
pub const MAX_CHECKPOINT_STATE: u64 = 1 << 28;

/// The reason why a file is not read.
#[derive(Debug)]
pub enum Refusal {
    /// It cannot be opened or read.
    Io(io::Error),
    /// It is a folder, a device, a pipe or a socket.
    Kind(&'static str),
    /// It is longer than the limit, in bytes; the length is 0 if it is unknown.
    Length {
        /// The limit.
        limit: u64,
        /// The length of the file.
        found: u64,
    },
}

impl Refusal {
    /// Returns the accepted and the found file, or the error of the system.
    pub fn into_parts(self) -> io::Result<(String, String)> {
        match self {
            Self::Io(error) => Err(error),
            Self::Kind(found) => Ok(("a regular file".into(), found.into())),
            Self::Length { limit, found } => {
                let found = match found {
                    0 => "more".to_owned(),
                    length => format!("{length} bytes"),
                };
                Ok((format!("a file of at most {}", in_words(limit)), found))
            }
        }
    }

    /// Returns the error for a file of states at `path`.
    pub fn of_input(self, path: &Path) -> Error {
        match self.into_parts() {
            Ok((expected, found)) => Error::input(path, "", expected, found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Error::missing(path, "a file of states")
            }
            Err(error) => Error::io("read", path, error),
        }
    }

    /// Returns the error for a file of weights or of a run at `path`.
    pub fn of_checkpoint(self, path: &Path) -> Error {
        match self.into_parts() {
            Ok((expected, found)) => Error::checkpoint(path, expected, found),
            Err(error) => Error::io("read", path, error),
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Returns a limit in the largest unit that divides it.
fn in_words(limit: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(bits, _)| limit > 0 && limit.is_multiple_of(1 << bits));
    unit.map_or_else(
        || format!("{limit} bytes"),
        |(bits, name)| format!("{} {name}", limit >> bits),
    )
}

/// Opens a regular file of at most `limit` bytes. Returns it with its length.
///
/// # Errors
/// If it cannot be opened, is of another kind, or is longer.
pub fn open(path: &Path, limit: u64) -> Result<(File, u64), Refusal> {
    let file = open_at_once(path)?;
    let length = checked_length(&file.metadata()?, limit)?;
    Ok((file, length))
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// Those of [`open`]; if it cannot be read, or grows beyond the limit meanwhile.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Refusal> {
    let (file, length) = open(path, limit)?;
    read_at_most(file, length, limit)
}

/// Reads all of an open file, which must be a regular one of at most `limit` bytes.
///
/// # Errors
/// Those of [`read`].
pub fn read_open(file: &File, limit: u64) -> Result<Vec<u8>, Refusal> {
    read_at_most(file, checked_length(&file.metadata()?, limit)?, limit)
}

/// Reads a file that the user named, of at most `limit` bytes: a regular file, or what the process was given to read, such
/// as `/dev/stdin` or `/dev/fd/63`.
///
/// # Errors
/// Those of [`read`].
pub fn read_given(path: &Path, limit: u64) -> Result<Vec<u8>, Refusal> {
    if is_own_descriptor(path) && !path.metadata()?.is_file() {
        return read_at_most(File::open(path)?, 0, limit);
    }
    read(path, limit)
}

/// Reads a stream to its end, of at most `limit` bytes.
///
/// # Errors
/// If it cannot be read, or is longer.
pub fn read_stream(stream: impl Read, limit: u64) -> Result<Vec<u8>, Refusal> {
    read_at_most(stream, 0, limit)
}

/// Returns true for the names of files that the process was started with.
fn is_own_descriptor(path: &Path) -> bool {
    path == Path::new("/dev/stdin")
        || ["/dev/fd", "/proc/self/fd"]
            .iter()
            .any(|folder| path.parent() == Some(Path::new(folder)))
}

/// Opens a file for reading. Returns at once, even if it is a pipe that nobody writes to.
fn open_at_once(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        libc::O_NONBLOCK | libc::O_NOCTTY,
    );
    options.open(path)
}

/// Returns the length of a regular file.
fn checked_length(metadata: &Metadata, limit: u64) -> Result<u64, Refusal> {
    if !metadata.is_file() {
        return Err(Refusal::Kind(kind(metadata.file_type())));
    }
    match metadata.len() {
        found if found > limit => Err(Refusal::Length { limit, found }),
        length => Ok(length),
    }
}

/// Returns the kind of a file in words.
fn kind(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_fifo() {
            return "a named pipe";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    if kind.is_dir() { "a folder" } else { "another kind of file" }
}

fn read_at_most(file: impl Read, length: u64, limit: u64) -> Result<Vec<u8>, Refusal> {
    // The length is only a hint: the file may change while it is read.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(Refusal::Length { limit, found: 0 });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;
    use std::process::Command;

    fn refusal(path: &Path, limit: u64) -> (String, String) {
        read(path, limit).unwrap_err().into_parts().unwrap()
    }

    #[test]
    fn the_length_is_checked_before_anything_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        // A hole of eight terabytes: reading it would take hours.
        File::create(&path).unwrap().set_len(8 << 40).unwrap();
        let found = (8u64 << 40).to_string() + " bytes";
        assert_eq!(refusal(&path, MAX_WEIGHTS_FILE), ("a file of at most 1 GiB".into(), found));
        fs::write(&path, b"1234").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"1234");
        assert_eq!(refusal(&path, 3), ("a file of at most 3 bytes".into(), "4 bytes".into()));
        assert_eq!(refusal(folder.path(), 3).1, "a folder");
        assert!(matches!(read(&folder.path().join("no"), 3), Err(Refusal::Io(_))));
    }

    #[cfg(unix)]
    #[test]
    fn devices_and_pipes_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        for (path, found) in [
            (pipe.as_path(), "a named pipe"),
            (Path::new("/dev/zero"), "a device"),
            (&link, "a device"),
        ] {
            assert_eq!(refusal(path, 1 << 20), ("a regular file".into(), found.into()));
            assert_eq!(read_given(path, 1 << 20).unwrap_err().into_parts().unwrap().1, found);
        }
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(read(&socket, 1).is_err());
    }

    #[test]
    fn endless_input_stops_at_the_limit() {
        let endless = io::repeat(b'x');
        let (expected, found) =
            read_at_most(endless, 0, 1 << 20).unwrap_err().into_parts().unwrap();
        assert_eq!((expected.as_str(), found.as_str()), ("a file of at most 1 MiB", "more"));
    }
}
