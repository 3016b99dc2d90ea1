//! Environments written in Python in processes of their own: a *crew* of workers steps the batches of one environment.
//!
//! A worker runs the same [`PythonEnvBatch`](super::batch::PythonEnvBatch) as this process would, so that results do not
//! depend on the number of workers. A batch for rollouts is divided into one part for each worker, one for search lies in
//! a single worker, since its slots are copied to each other.

mod batch;
mod crew;
mod link;
mod memory;
mod message;
mod serve;
mod wire;

pub use crew::Crew;
pub use serve::{serve_worker, warn_of_worker};

pub(super) use batch::WorkersBatch;
