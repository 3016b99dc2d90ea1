//! The one error type of the crate.

pub mod interrupt;
mod option;

pub use option::OptionError;

use std::fmt;
use std::sync::Arc;

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong in this crate. Each message says where, what was expected and what was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter (of an environment, a network, a collection) is wrong.
    #[error("{path}: expected {expected}, found {found}")]
    Config {
        /// JSON path of the parameter, such as `env.width`.
        path: String,
        /// What would have been accepted.
        expected: String,
        /// What was given.
        found: String,
    },
    /// No environment is registered under this name.
    #[error("env_cls: unknown environment {name:?}; registered: {known}")]
    UnknownEnvironment {
        /// The name asked for.
        name: String,
        /// The names that would have worked, comma separated.
        known: String,
    },
    /// A state that the environment cannot be in.
    #[error("state: expected {expected}, found {found}")]
    State {
        /// What would have been accepted.
        expected: String,
        /// What was given.
        found: String,
    },
    /// An action outside of the action space, or one that is masked.
    #[error("action: expected {expected}, found {found}")]
    Action {
        /// What would have been accepted.
        expected: String,
        /// What was given.
        found: String,
    },
    /// An observation that does not fit the network.
    #[error("observation: expected {expected}, found {found}")]
    Observation {
        /// What would have been accepted.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A weight tensor is missing, misshapen or not finite, or the file that should hold it is broken.
    #[error("weights: {tensor}: expected {expected}, found {found}")]
    Weights {
        /// The tensor's name, or `file`.
        tensor: String,
        /// What would have been accepted.
        expected: String,
        /// What was given.
        found: String,
    },
    /// An environment broke the contract of [`crate::env::Environment`].
    #[error("environment {name}: {rule}: {found}")]
    Contract {
        /// The environment's name.
        name: String,
        /// The rule that was broken.
        rule: String,
        /// How.
        found: String,
    },
    /// Stopped from outside, see [`crate::error::interrupt`].
    #[error("interrupted")]
    Interrupted,
    /// An environment that is not written in Rust failed in its own way.
    #[error("environment {name}: {raised}")]
    Raised {
        /// The environment's name.
        name: String,
        /// What it raised.
        raised: Raised,
    },
}

/// An error from outside, kept as it is for whoever can show it better than a message does. Equal only to itself.
#[derive(Debug, Clone)]
pub struct Raised(Arc<dyn std::error::Error + Send + Sync>);

impl Raised {
    /// Keeps `error`.
    pub fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    /// The error itself, if it is an `E`.
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Raised {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Raised {}

impl Error {
    /// A wrong parameter at a JSON path.
    pub fn config(
        path: impl Into<String>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Config { path: path.into(), expected: expected.into(), found: found.to_string() }
    }

    /// The same at a path below `path`, where it is about a parameter.
    #[must_use]
    pub fn below(self, path: &str) -> Self {
        match self {
            Self::Config { path: inner, expected, found } => {
                let path = match (path, inner.as_str()) {
                    (path, "") => path.to_owned(),
                    ("", inner) => inner.to_owned(),
                    (path, inner) if inner.starts_with('[') => format!("{path}{inner}"),
                    (path, inner) => format!("{path}.{inner}"),
                };
                Self::Config { path, expected, found }
            }
            other => other,
        }
    }

    /// A state that cannot be.
    pub fn state(expected: impl Into<String>, found: impl ToString) -> Self {
        Self::State { expected: expected.into(), found: found.to_string() }
    }

    /// An action that cannot be taken.
    pub fn action(expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Action { expected: expected.into(), found: found.to_string() }
    }

    /// An observation that does not fit.
    pub fn observation(expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Observation { expected: expected.into(), found: found.to_string() }
    }

    /// A weight tensor that does not fit.
    pub fn weights(
        tensor: impl Into<String>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Weights { tensor: tensor.into(), expected: expected.into(), found: found.to_string() }
    }
}
