//! Built-in environments.
pub mod control;
pub mod puzzle;
