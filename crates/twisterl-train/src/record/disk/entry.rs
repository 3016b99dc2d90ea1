//! The entries of folders: their kinds, and how they are opened.

use std::fmt::{self, Display, Formatter};

/// The treatment of symbolic links in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// They stand for what they lead to. For reading.
    Follow,
    /// They are errors.
    Refuse,
}

/// The use of a file that is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It is read and must exist.
    Read,
    /// It is created or appended to.
    Append,
    /// It is created and must not exist.
    New,
    /// It is created or opened, to be locked, read and written.
    Lock,
}

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    Link,
    Pipe,
    Other,
}

impl Display for Kind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "a file",
            Self::Folder => "a folder",
            Self::Link => "a symbolic link",
            Self::Pipe => "a named pipe",
            Self::Other => "a device or a socket",
        })
    }
}
