//! Built-in environments.
pub mod puzzle;
