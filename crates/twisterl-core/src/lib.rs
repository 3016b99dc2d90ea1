//! The inference half of TwisteRL: spaces, environments, policies, rollouts, searches and solvers.
//!
//! This crate needs neither candle nor Python, and has no `unsafe`. Without its default features it builds for
//! `wasm32-unknown-unknown`.
//!
//! The modules in the order of the data flow: [`space`] and [`env`](mod@env) define environments, [`envs`] holds the built-in
//! ones and the [`registry`], [`policy`] implements the [`evaluator`] that turns observations into action distributions and
//! values, [`rollout`] collects transitions with it, [`search`] looks ahead, and [`solve`] solves single problems.
#![forbid(unsafe_code)]
// Tests compare with the functions of the standard library, which clippy.toml refuses elsewhere.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod env;
pub mod envs;
pub mod error;
#[cfg(feature = "policies")]
pub mod evaluator;
pub mod math;
#[cfg(feature = "policies")]
mod parallel;
#[cfg(feature = "policies")]
pub mod policy;
#[cfg(feature = "policies")]
pub mod rollout;
#[cfg(feature = "policies")]
pub mod search;
#[cfg(feature = "policies")]
pub mod solve;
pub mod space;

pub use envs::registry;
pub use error::{Error, Result};
pub use math::rng;
