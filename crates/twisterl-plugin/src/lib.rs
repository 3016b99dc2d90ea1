//! Environments of TwisteRL outside of TwisteRL: as WebAssembly modules, native libraries and classes of Python extensions.
//!
//! A crate with an environment of its own depends on this one and exports it in one line:
//!
//! ```ignore
//! twisterl_plugin::export_environment!(GridWorld);
//! ```
//!
//! Built for `wasm32-unknown-unknown` as a `cdylib` it is a module without imports, built for the machine a library, and with
//! the feature `python` also a Python extension. All of them speak the same interface, [`abi`], which the C header
//! `include/twisterl.h` declares for other languages.
//!
//! [`guest`] implements the interface for any [`Environment`](twisterl_core::env::Environment); [`host`] plays whatever
//! implements it. What passes between them is checked by the host on every use.

pub mod abi;
pub mod description;
pub mod guest;
#[cfg(feature = "host")]
pub mod host;
#[cfg(feature = "python")]
pub mod python;

/// The contract of environments, and all that they are written with.
pub use twisterl_core as core;
