//! The samples that updates learn from, and statistics of them.

pub mod batch;
pub mod observation_arrays;
pub mod reward_scaling;
pub mod ring_buffer;
pub mod running_statistics;
pub mod supervised_batch;
pub mod targets;
