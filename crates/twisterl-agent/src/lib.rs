//! Agents: policies with their environments in one file, which answers requests.
//!
//! A *bundle* is such a file: a WebAssembly module that imports nothing, or an executable ([`bundle`]). An [`Agent`] is the
//! policy in it at work: it takes requests as JSON and answers in JSON, with the same bytes on every host. docs/bundles.md
//! lists the requests.
//!
//! A crate with environments of its own makes its own template of bundles: it is a `cdylib` for the target
//! `wasm32-unknown-unknown` with the line
//!
//! ```ignore
//! twisterl_agent::export!(my_registry);
//! ```
//!
//! in which `my_registry` is a function that returns the [`Registry`](twisterl_core::registry::Registry) of its environments.
//! [`run`] is the whole program of an executable.

mod agent;
pub mod bundle;
#[doc(hidden)]
pub mod export;
mod runner;

pub use agent::{Agent, Played, Problem};
pub use runner::run;
#[doc(hidden)]
pub use twisterl_plugin as plugin;

/// Returns the environments of the template: the built-in ones, or with the feature `quantum` those of quantum circuits.
pub fn registry() -> twisterl_core::registry::Registry {
    #[cfg(feature = "quantum")]
    {
        let mut registry = twisterl_core::registry::Registry::empty();
        twisterl_quantum::register(&mut registry);
        registry
    }
    #[cfg(not(feature = "quantum"))]
    twisterl_core::registry::Registry::default()
}

#[cfg(all(feature = "template", target_family = "wasm"))]
export!(registry);
