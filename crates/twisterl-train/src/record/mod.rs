//! The files of a run: its folder, checkpoints, logs, and policies read from them.

pub mod checkpoint;
mod disk;
pub mod load;
pub mod metrics;
pub mod pt;
pub mod run_folder;
pub mod snapshot;
pub mod tensorboard;
