//! The error type of this crate.

pub mod mistakes;
pub(crate) mod neighbours;

use mistakes::Mistakes;
use std::io;
use std::path::{Path, PathBuf};
use twisterl_core::error::names::question;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate. Messages say where it happened, what was expected and what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of `twisterl_core`: an invalid config ([`twisterl_core::Error::Config`]), environment, policy or state,
    /// or an interruption.
    #[error(transparent)]
    Core(#[from] twisterl_core::Error),
    /// A config has mistakes, each with its place.
    #[error("{0}")]
    Mistakes(Box<Mistakes>),
    /// An argument of a command or of a call is invalid, missing, or contradicts another one.
    #[error("{argument}: expected {expected}, found {found}")]
    Usage {
        /// The argument, such as `--score`.
        argument: String,
        /// The accepted values.
        expected: String,
        /// The given value.
        found: String,
    },
    /// A number of steps was given for a config whose iterations have no fixed number of steps.
    #[error(
        "--steps: expected --num-steps, a number of iterations, {}, found {steps}",
        Self::NO_FIXED_STEPS
    )]
    NoFixedSteps {
        /// The number.
        steps: u64,
    },
    /// A file or folder does not exist.
    #[error("{}: expected {expected}, found nothing{}", path.display(), meant(near.as_deref()))]
    Missing {
        /// The file or folder.
        path: PathBuf,
        /// The accepted kinds of files and folders.
        expected: String,
        /// The file or folder with the most similar name, if there is one.
        near: Option<PathBuf>,
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
    /// A process trains in the run folder.
    #[error("{}: expected a run folder that no process trains in, found one in use by {holder}", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The process and its machine.
        holder: String,
    },
    /// Fields of a run's config were changed that cannot change once the run has begun.
    #[error(
        "{}: expected the values with which the run was trained, found {} (restore them to resume the run, or start another \
         one from its weights with `--load-checkpoint`)",
        path.display(), fields.join("; ")
    )]
    Changed {
        /// The config file.
        path: PathBuf,
        /// The fields, each with both values.
        fields: Vec<String>,
    },
    /// A file or folder cannot be read or written.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The failed operation, such as `read`.
        action: String,
        /// The cause.
        source: io::Error,
    },
    /// The content of an input file, such as a list of states, is invalid.
    #[error("{}: {}expected {expected}, found {found}", path.display(), prefix(place))]
    Input {
        /// The file.
        path: PathBuf,
        /// The place in the file, such as `instances[3].state`; empty if the error is about the whole file.
        place: String,
        /// The accepted content.
        expected: String,
        /// The given content.
        found: String,
    },
    /// A run, a checkpoint or a file of weights is corrupt, or does not fit its use.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Checkpoint {
        /// The file or folder, or the name of a tensor.
        path: PathBuf,
        /// The accepted content.
        expected: String,
        /// The content found.
        found: String,
    },
    /// Candle refused an operation.
    #[error("candle: {0}")]
    Candle(Box<candle_core::Error>),
    /// A quantity of the update is infinite or not a number.
    #[error("training diverged{}: {quantity} is {found}; {advice}", in_iteration(*iteration))]
    Diverged {
        /// Name of the first such quantity.
        quantity: String,
        /// Its value.
        found: String,
        /// The iteration, from 0, where it is known.
        iteration: Option<u64>,
        /// The change of the config that may help.
        advice: String,
    },
    /// A part of an iteration cannot be had from workers.
    #[error("part {part}{problem}")]
    Worker {
        /// The part.
        part: usize,
        /// Its problem, after the words for the part.
        problem: String,
    },
    /// The operating system refused a request of the process.
    #[error("cannot {action}: {cause}")]
    System {
        /// The request, such as `start worker threads`.
        action: &'static str,
        /// The cause.
        cause: String,
    },
}

/// The advice for losses and gradients that are too large.
const SMALLER_STEPS: &str = "lower algorithm.optimizer.lr or set algorithm.training.max_grad_norm";

fn in_iteration(iteration: Option<u64>) -> String {
    iteration.map_or_else(String::new, |number| format!(" in iteration {number}"))
}

/// Returns the question after a name that is similar to a missing one.
pub(crate) fn meant(near: Option<&Path>) -> String {
    near.map_or_else(String::new, |near| question(&near.display().to_string()))
}

/// Returns the place in a file as the beginning of a message.
fn prefix(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!("{place}: ") }
}

impl Error {
    /// The reason of [`Error::NoFixedSteps`].
    pub const NO_FIXED_STEPS: &str =
        "since an iteration of this algorithm has no fixed number of steps";

    /// Returns a [`twisterl_core::Error::Config`] for the value at a JSON path.
    pub fn config(
        path: impl Into<String>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Core(twisterl_core::Error::config(path, expected, found))
    }

    /// Returns an [`Error::Usage`].
    pub fn usage(
        argument: impl Into<String>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Usage {
            argument: argument.into(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }

    /// Returns an [`Error::Missing`].
    pub fn missing(path: impl AsRef<Path>, expected: impl Into<String>) -> Self {
        let path = path.as_ref();
        let near = neighbours::nearest(path);
        Self::Missing { path: path.to_owned(), expected: expected.into(), near }
    }

    /// Returns an [`Error::Io`] for an operation on `path` that failed.
    pub fn io(action: impl Into<String>, path: impl AsRef<Path>, source: io::Error) -> Self {
        Self::Io { path: path.as_ref().to_owned(), action: action.into(), source }
    }

    /// Returns an [`Error::Input`] for a place in the file `path`.
    pub fn input(
        path: impl AsRef<Path>,
        place: impl Into<String>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Input {
            path: path.as_ref().to_owned(),
            place: place.into(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }

    /// Returns an [`Error::Checkpoint`].
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

    /// Returns an [`Error::Diverged`].
    pub fn diverged(quantity: impl Into<String>, found: impl ToString) -> Self {
        let (quantity, found) = (quantity.into(), found.to_string());
        Self::Diverged { quantity, found, iteration: None, advice: SMALLER_STEPS.into() }
    }

    /// Returns the [`Error::Diverged`] of returns that are too large for single precision, such as `found`.
    pub fn rewards_too_large(quantity: impl Into<String>, found: impl ToString) -> Self {
        let advice = "the rewards of the environment are too large for single precision: choose smaller ones in env, or \
                      lower algorithm.collecting.reward_scale, which PPO has";
        let (quantity, found) = (quantity.into(), found.to_string());
        Self::Diverged { quantity, found, iteration: None, advice: advice.into() }
    }

    /// Adds the iteration to an error of numbers that are not finite. Returns other errors unchanged.
    #[must_use]
    pub fn in_iteration(self, number: u64) -> Self {
        match self {
            Self::Diverged { quantity, found, advice, .. } => {
                Self::Diverged { quantity, found, iteration: Some(number), advice }
            }
            Self::Core(twisterl_core::Error::NonFinite { quantity, found }) => {
                Self::diverged(format!("the {quantity}"), found).in_iteration(number)
            }
            other => other,
        }
    }

    /// Returns an [`Error::System`].
    pub fn system(action: &'static str, cause: &impl ToString) -> Self {
        Self::System { action, cause: cause.to_string() }
    }

    /// Returns an [`Error::System`] for worker threads that cannot be started.
    pub fn threads(cause: &impl ToString) -> Self {
        Self::system("start worker threads", cause)
    }

    /// Returns true if interruption was requested, see [`twisterl_core::error::interrupt`].
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Core(twisterl_core::Error::Interrupted))
    }
}

impl From<candle_core::Error> for Error {
    fn from(source: candle_core::Error) -> Self {
        Self::Candle(Box::new(without_backtrace(source)))
    }
}

/// Returns an error without the backtraces that candle adds to its message if `RUST_BACKTRACE` is set.
fn without_backtrace(error: candle_core::Error) -> candle_core::Error {
    use candle_core::Error as E;
    match error {
        E::WithBacktrace { inner, .. } => without_backtrace(*inner),
        E::WithPath { inner, path } => {
            E::WithPath { inner: Box::new(without_backtrace(*inner)), path }
        }
        E::Context { inner, context } => {
            E::Context { inner: Box::new(without_backtrace(*inner)), context }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_candle_have_no_backtrace() {
        let inner = Box::new(candle_core::Error::Msg("cause".into()));
        let backtrace = Box::new(std::backtrace::Backtrace::force_capture());
        let traced = candle_core::Error::WithBacktrace { inner, backtrace };
        let error = Error::from(traced.context("in a layer"));
        assert_eq!(error.to_string().lines().collect::<Vec<_>>(), ["candle: in a layer", "cause"]);
    }
}
