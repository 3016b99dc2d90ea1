//! The learning half of TwisteRL: candle models, PPO, the trainer, checkpoints, metrics and the command line.
//!
//! It is a library first: a crate with an environment of its own registers it and calls `cli::run`, and gets the whole
//! command line.

pub mod algorithms;
pub mod bench;
pub mod cli;
pub mod config;
pub mod data;
mod error;
pub mod gradient;
pub mod record;
pub mod threads;
pub mod trainer;

pub use error::{Error, Result};
