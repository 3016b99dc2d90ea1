//! The operating system: processors, files that others wrote, temporary files, and the terminal with its signals.

pub mod files;
pub(crate) mod num_cores;
pub(crate) mod temporary;
pub(crate) mod terminal;
