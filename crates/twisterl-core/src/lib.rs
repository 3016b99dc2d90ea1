//! The playing half of TwisteRL: spaces, environments, policies, rollouts and solving.
//!
//! This crate needs neither candle nor Python and has no `unsafe`. Without its default feature
//! `parallel` it builds for `wasm32-unknown-unknown`.
//!
//! The path of the data through the modules:
//! [`space`] and [`env`](mod@env) say what a problem is, [`envs`] holds the built-in ones, [`check`] tests any of
//! them, [`batch`] steps many in lock step, [`registry`] makes them by name, [`policy`] turns
//! observations into action distributions and values, [`rollout`] collects transitions with them,
//! and [`solve`] plays single problems to their end.
#![forbid(unsafe_code)]

pub mod env;
pub mod envs;
pub mod error;
pub mod evaluator;
mod parallel;
pub mod policy;
pub mod rng;
pub mod rollout;
pub mod search;
pub mod solve;
pub mod space;

pub use envs::registry;
pub use error::{Error, Result};
