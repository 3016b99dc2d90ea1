//! Environments in WebAssembly modules.
//!
//! A module runs in a [`Sandbox`]: it imports nothing, so that it can only compute, and its memory, stack, tables and the work
//! of each call are bounded. [`load`] checks a module and hands it to an [`Engine`]: the interpreter [`Wasmi`] here, or the
//! compiler in the crate `twisterl-wasmtime`. All engines accept the same modules and give the same results.
//!
//! Each batch of environments has an instance of its own, which ends with the first trap.

mod check;
mod guest;
mod sandbox;
mod start;
mod wasmi;

pub use guest::{Ended, Engine, Guest, Refused, load};
pub use sandbox::{EngineName, Sandbox};
pub use wasmi::Wasmi;
