//! The one error type of the crate.

use std::io;
use std::path::{Path, PathBuf};

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in this crate. Each message says where, what was expected and what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An environment, a policy or a state is wrong.
    #[error(transparent)]
    Core(#[from] twisterl_core::Error),
    /// A config, or a value set on the command line, is wrong.
    #[error("{path}: expected {expected}, found {found}")]
    Config {
        /// JSON path of the value, such as `algorithm.training.ent_coef`, or a place in a file.
        path: String,
        /// What would have been accepted.
        expected: String,
        /// What was given.
        found: String,
    },
    /// Nothing is there.
    #[error("{}: expected {expected}, found nothing", path.display())]
    Missing {
        /// Where.
        path: PathBuf,
        /// What would have been accepted.
        expected: String,
    },
    /// The folder of a new run is in use.
    #[error(
        "{}: expected a new or empty folder, found one with files in it (continue its run with `--resume {}`, or choose \
         another --run-path)",
        path.display(), path.display()
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder cannot be read or written.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, such as `read`.
        action: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A checkpoint is broken, or is not one.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Checkpoint {
        /// The file, or the file and a place in it.
        path: PathBuf,
        /// What would have been accepted.
        expected: String,
        /// What was found.
        found: String,
    },
    /// Candle refused an operation, or a file that it reads.
    #[error("candle: {0}")]
    Candle(Box<candle_core::Error>),
    /// The update is no longer finite.
    #[error(
        "training diverged: {quantity} is {found}; lower algorithm.optimizer.lr or set \
         algorithm.training.max_grad_norm"
    )]
    Diverged {
        /// The first quantity that is not finite.
        quantity: String,
        /// Its value.
        found: String,
    },
    /// Worker threads cannot be started.
    #[error("cannot start worker threads: {0}")]
    Threads(String),
    /// What is asked for makes no sense.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// A wrong value at a JSON path.
    pub fn config(
        path: impl Into<String>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Config { path: path.into(), expected: expected.into(), found: found.to_string() }
    }

    /// `action` (such as `read`) failed on the file or folder `path`.
    pub fn io(action: impl Into<String>, path: impl AsRef<Path>, source: io::Error) -> Self {
        Self::Io { path: path.as_ref().to_owned(), action: action.into(), source }
    }

    /// A checkpoint file that does not hold what it should.
    pub fn checkpoint(
        path: impl AsRef<Path>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Checkpoint {
            path: path.as_ref().to_owned(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }

    /// Nothing at `path`.
    pub fn missing(path: impl AsRef<Path>, expected: impl Into<String>) -> Self {
        Self::Missing { path: path.as_ref().to_owned(), expected: expected.into() }
    }

    /// Whether the work was stopped from outside.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Core(twisterl_core::Error::Interrupted))
    }

    /// A quantity of the update that is not finite.
    pub fn diverged(quantity: impl Into<String>, found: impl ToString) -> Self {
        Self::Diverged { quantity: quantity.into(), found: found.to_string() }
    }

    /// The thread pool could not be built.
    pub fn threads(cause: &impl ToString) -> Self {
        Self::Threads(cause.to_string())
    }

    /// A request that makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }
}

impl From<candle_core::Error> for Error {
    fn from(source: candle_core::Error) -> Self {
        Self::Candle(Box::new(source))
    }
}
