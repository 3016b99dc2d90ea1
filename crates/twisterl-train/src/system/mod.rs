//! The operating system: processors, files that others wrote, plugins, groups of processes, temporary files, and the terminal
//! with its signals.

pub mod files;
pub(crate) mod num_cores;
pub mod plugins;
pub mod process_group;
pub(crate) mod temporary;
pub(crate) mod terminal;
