//! Training of TwisteRL policies: candle models, algorithms, the trainer, checkpoints, metrics and the command line.
//!
//! A crate with an environment of its own registers it and calls [`cli::run`], which gives it the whole command line.

pub mod algorithms;
pub mod bench;
pub mod cli;
pub mod config;
pub mod data;
mod error;
pub mod gradient;
pub mod record;
pub mod system;
pub mod trainer;

pub use error::{Error, Result};
