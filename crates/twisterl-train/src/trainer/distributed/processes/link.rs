//! The way between a head and a worker process.
//!
//! On Unix it is a socket in place of the worker's standard input, and what environments print goes to the head's
//! standard error. Elsewhere it is standard input and output.

use crate::system::process_group::Leader;
use std::ffi::OsString;
use std::io;
use std::process::Command;

/// The program of a worker process, with its arguments.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable file.
    pub path: OsString,
    /// The arguments.
    pub args: Vec<OsString>,
}

#[cfg(unix)]
mod way {
    use super::{Command, Leader, io};
    use std::fs::File;
    use std::os::fd::{AsFd as _, OwnedFd};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    /// The time after which reading and writing at the side of a head time out: it looks whether the worker is running.
    const LOOK: Duration = Duration::from_millis(200);

    /// One side of the way.
    pub struct Link(pub UnixStream);

    impl Link {
        /// Starts a process at the other side.
        pub fn start(command: &mut Command) -> io::Result<(Self, Leader)> {
            let (ours, theirs) = UnixStream::pair()?;
            ours.set_read_timeout(Some(LOOK))?;
            ours.set_write_timeout(Some(LOOK))?;
            let errors = io::stderr().as_fd().try_clone_to_owned()?;
            command.stdin(OwnedFd::from(theirs)).stdout(errors);
            // A Ctrl-C in the terminal is for the head, which ends its workers.
            Ok((Self(ours), Leader::start(command)?))
        }

        /// Returns the side of a worker. Environments, and what they start, get an empty standard input.
        pub fn of_worker() -> io::Result<Self> {
            let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
            stream.peer_addr()?;
            rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
            Ok(Self(stream))
        }

        /// Returns the two directions.
        pub fn split(self) -> io::Result<(UnixStream, UnixStream)> {
            Ok((self.0.try_clone()?, self.0))
        }
    }
}

#[cfg(not(unix))]
mod way {
    use super::{Command, Leader, io};
    use std::io::{Read, Write};
    use std::process::Stdio;

    /// One side of the way.
    pub struct Link(Box<dyn Read + Send>, Box<dyn Write + Send>);

    impl Link {
        /// Starts a process at the other side.
        pub fn start(command: &mut Command) -> io::Result<(Self, Leader)> {
            let mut child = Leader::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
            match child.pipes() {
                (Some(output), Some(input)) => Ok((Self(Box::new(output), Box::new(input)), child)),
                _ => Err(io::ErrorKind::BrokenPipe.into()),
            }
        }

        /// Returns the side of a worker.
        pub fn of_worker() -> io::Result<Self> {
            Ok(Self(Box::new(io::stdin()), Box::new(io::stdout())))
        }

        /// Returns the two directions.
        pub fn split(self) -> io::Result<(Box<dyn Read + Send>, Box<dyn Write + Send>)> {
            Ok((self.0, self.1))
        }
    }
}

pub use way::Link;

impl Program {
    /// Starts a process. Returns the way to it.
    ///
    /// # Errors
    /// If the program cannot be run.
    pub fn start(&self) -> io::Result<(Link, Leader)> {
        Link::start(Command::new(&self.path).args(&self.args))
    }
}
