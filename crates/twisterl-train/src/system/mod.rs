//! The operating system: files that others wrote, temporary files, and the terminal with its signals.

pub mod files;
pub(crate) mod temporary;
pub(crate) mod terminal;
