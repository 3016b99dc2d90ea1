//! The error type of this crate.

pub mod counts;
pub mod escape;
pub mod from_serde;
mod from_value;
pub mod interrupt;
pub mod json;
pub mod names;
mod option;
mod refusal;
pub mod text;

pub(crate) use from_value::{Tagged, tagged_enum};
pub use option::OptionError;
pub(crate) use refusal::Refusal;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate. Messages say where it happened, what was expected and what was found. `{:?}`, by which failed
/// tests print errors, gives the message, too.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter is invalid: of an environment, a network, a method, or a part that does not fit another one.
    #[error("{path}: expected {expected}, found {found}")]
    Config {
        /// JSON path of the parameter, such as `env.width`.
        path: String,
        /// The accepted values.
        expected: String,
        /// The given value.
        found: String,
    },
    /// No environment is registered under this name.
    #[error(
        "env_cls: {}; registered: {}",
        names::unknown_environment(name, known),
        registered(known, also)
    )]
    UnknownEnvironment {
        /// The requested name.
        name: String,
        /// The registered names.
        known: Vec<String>,
        /// Text behind them, on other places where the name was looked up; may be empty.
        also: String,
    },
    /// A file names an environment that is code, which names from files may not load
    /// ([`Trust`](crate::envs::registry::Trust)).
    #[error(
        "env_cls: expected a built-in environment, found {name:?}, which is code of its own, and files load no code \
         (give the environment with --env, or trust the file with --trust)"
    )]
    UntrustedEnvironment {
        /// The name in the file.
        name: String,
    },
    /// A state is impossible in the environment.
    #[error("state: expected {expected}, found {found}")]
    State {
        /// The accepted values.
        expected: String,
        /// The given value.
        found: String,
    },
    /// An action is outside the action space, or masked.
    #[error("action: expected {expected}, found {found}")]
    Action {
        /// The accepted values.
        expected: String,
        /// The given value.
        found: String,
    },
    /// An observation does not fit the network.
    #[error("observation: expected {expected}, found {found}")]
    Observation {
        /// The accepted values.
        expected: String,
        /// The given value.
        found: String,
    },
    /// A weight tensor is missing, has another shape or is not finite, or its file is corrupt.
    #[error("weights: {tensor}: expected {expected}, found {found}")]
    Weights {
        /// Name of the tensor, or `file`.
        tensor: String,
        /// The accepted values.
        expected: String,
        /// The given value.
        found: String,
    },
    /// An environment broke the contract of [`Environment`](crate::env::Environment).
    #[error("environment {name}: {rule}: {found}")]
    Contract {
        /// Name of the environment.
        name: String,
        /// The broken rule.
        rule: String,
        /// The observed behaviour.
        found: String,
    },
    /// A computed quantity is infinite or not a number.
    #[error("{quantity}: expected a finite number, found {found}")]
    NonFinite {
        /// Name of the quantity.
        quantity: String,
        /// Its value.
        found: String,
    },
    /// A bundle, or a template of bundles, is damaged or of another form.
    #[error("bundle: {place}: expected {expected}, found {found}")]
    Bundle {
        /// The part of the file.
        place: String,
        /// The accepted bytes.
        expected: String,
        /// The found bytes.
        found: String,
    },
    /// Interruption was requested, see [`Interrupt`](interrupt::Interrupt).
    #[error("interrupted")]
    Interrupted,
    /// An environment that is not written in Rust raised an error of its own.
    #[error("environment {name}: {raised}")]
    Raised {
        /// Name of the environment.
        name: String,
        /// The raised error.
        raised: Raised,
    },
    /// Two parts of the program disagree: a bug in this crate or in its caller.
    #[error("internal error: {what}")]
    Internal {
        /// The broken promise.
        what: String,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A foreign error, such as a Python exception, kept for a caller that can show it as it is. Equal only to its clones.
#[derive(Debug, Clone)]
pub struct Raised(Arc<dyn std::error::Error + Send + Sync>);

impl Raised {
    /// Keeps `error`.
    pub fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    /// Returns the kept error if it is an `E`.
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
    /// Returns an [`Error::Config`] for the parameter at a JSON path.
    pub fn config(
        path: impl Into<String>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Config { path: path.into(), expected: expected.into(), found: found.to_string() }
    }

    /// Prefixes the JSON path of an [`Error::Config`] with `path`. Returns other errors unchanged.
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

    /// Returns an [`Error::State`].
    pub fn state(expected: impl Into<String>, found: impl ToString) -> Self {
        Self::State { expected: expected.into(), found: found.to_string() }
    }

    /// Returns an [`Error::Action`].
    pub fn action(expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Action { expected: expected.into(), found: found.to_string() }
    }

    /// Returns an [`Error::Observation`].
    pub fn observation(expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Observation { expected: expected.into(), found: found.to_string() }
    }

    /// Returns an [`Error::Weights`] for the tensor `tensor`.
    pub fn weights(
        tensor: impl Into<String>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Weights { tensor: tensor.into(), expected: expected.into(), found: found.to_string() }
    }

    /// Returns an [`Error::Contract`] of the environment `name`.
    pub fn contract(
        name: impl Into<String>,
        rule: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Contract { name: name.into(), rule: rule.into(), found: found.to_string() }
    }

    /// Returns an [`Error::NonFinite`].
    pub fn non_finite(quantity: impl Into<String>, found: impl ToString) -> Self {
        Self::NonFinite { quantity: quantity.into(), found: found.to_string() }
    }

    /// Returns an [`Error::Bundle`].
    pub fn bundle(
        place: impl Into<String>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Bundle { place: place.into(), expected: expected.into(), found: found.to_string() }
    }

    /// Returns an [`Error::Internal`].
    pub fn internal(what: impl Into<String>) -> Self {
        Self::Internal { what: what.into() }
    }
}

/// Returns the names of the environments `known` as text, and behind them what `also` says.
pub fn registered(known: &[String], also: &str) -> String {
    let names = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
    format!("{names}{also}")
}

/// Returns `value` if it is within `range`.
///
/// # Errors
/// An [`Error::Config`] of the parameter at `path` otherwise.
pub fn in_range<T: PartialOrd + fmt::Display>(
    path: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<T> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(Error::config(path, format!("{} to {}", range.start(), range.end()), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_config_errors_are_prefixed() {
        for (inner, path, expected) in [
            ("width", "env", "env.width"),
            ("", "env", "env"),
            ("width", "", "width"),
            ("[2].type", "layers", "layers[2].type"),
        ] {
            let error = Error::config(inner, "a number", "none").below(path);
            assert_eq!(error, Error::config(expected, "a number", "none"));
        }
        let state = Error::state("one cell", 3);
        assert_eq!(state.clone().below("env"), state);
    }

    #[test]
    fn values_out_of_range_name_the_range() {
        assert_eq!(in_range("width", 3, 2..=6), Ok(3));
        let error = in_range("width", 7, 2..=6).map_err(|e| e.to_string());
        assert_eq!(error, Err("width: expected 2 to 6, found 7".into()));
        assert!(in_range("walls", f64::NAN, 0.0..=0.9).is_err());
    }
}
