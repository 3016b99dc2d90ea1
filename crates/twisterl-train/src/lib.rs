//! The learning half of TwisteRL: candle models, PPO, the trainer, checkpoints, metrics and the command line.
//!
//! It is a library first: a crate with an environment of its own registers it and calls `cli::run`, and gets the whole
//! command line.

pub mod algorithm;
pub mod alphazero;
mod average;
pub mod backward;
pub mod batch;
pub mod bench;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod curriculum;
mod disk;
mod error;
pub mod es;
pub mod estimate;
pub mod evaluation;
pub mod examples;
pub mod experts;
pub mod failures;
pub mod layers;
pub mod learner;
pub mod load;
pub mod loss;
pub mod metrics;
pub mod model;
pub mod moments;
pub mod ops;
pub mod optimizer;
pub mod play;
pub mod ppo;
pub mod progress;
pub mod pt;
pub mod rewards;
pub mod run_folder;
pub mod schedule;
pub mod shaping;
pub mod targets;
pub mod tensorboard;
mod trainee;
pub mod trainer;

pub use error::{Error, Result};
