//! Options that cannot be used.

use crate::Error;

/// An option whose value cannot be used. Its name is that of the field: front ends show it as a flag or as a keyword.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option}: expected {expected}, found {found}")]
pub struct OptionError {
    /// The name of the field.
    pub option: &'static str,
    /// The values that are accepted.
    pub expected: String,
    /// The value that was given.
    pub found: String,
}

impl OptionError {
    /// Creates the error of a field.
    pub fn new(option: &'static str, expected: impl Into<String>, found: impl ToString) -> Self {
        Self { option, expected: expected.into(), found: found.to_string() }
    }

    /// Converts into an [`Error::Config`] whose path is that of the field below `path`.
    pub fn below(self, path: &str) -> Error {
        Error::config(self.option, self.expected, self.found).below(path)
    }
}
