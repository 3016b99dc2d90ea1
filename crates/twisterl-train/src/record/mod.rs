//! The files of a run: its folder, its checkpoints and its metrics; policies read from files.

pub mod bundle;
pub mod checkpoint;
pub(crate) mod disk;
pub(crate) mod format;
pub mod load;
pub mod metrics;
pub mod pt;
pub mod run_folder;
pub mod snapshot;
