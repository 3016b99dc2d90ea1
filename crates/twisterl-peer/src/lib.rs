//! The Rust interface of the published package `twisterl`, over the plugin interface of TwisteRL.
//!
//! A Python extension that implements [`rl::env::Env`] and whose classes extend
#![cfg_attr(feature = "python_bindings", doc = "[`python_interface::env::PyBaseEnv`]")]
#![cfg_attr(not(feature = "python_bindings"), doc = "`python_interface::env::PyBaseEnv`")]
//! is built with this crate in place of the published one, unchanged:
//!
//! ```toml
//! [patch.crates-io]
//! twisterl = { path = "../twisterl/crates/twisterl-peer" }
//! ```
//!
//! The installed Python package then plays its environments as those of Rust, without the interpreter.

pub mod plugin;
#[cfg(feature = "python_bindings")]
pub mod python_interface;
pub mod rl;
