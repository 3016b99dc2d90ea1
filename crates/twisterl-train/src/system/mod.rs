//! The operating system: files that others wrote, and the terminal with its signals.

pub mod files;
pub(crate) mod terminal;
