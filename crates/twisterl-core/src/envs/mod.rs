//! The built-in environments and the registry of environments by name.

#[cfg(feature = "built-in-envs")]
pub mod control;
#[cfg(feature = "built-in-envs")]
mod grid;
#[cfg(feature = "built-in-envs")]
pub mod journey;
#[cfg(feature = "built-in-envs")]
pub mod lights_out;
#[cfg(feature = "built-in-envs")]
pub mod maze;
#[cfg(feature = "policies")]
mod networks;
#[cfg(feature = "built-in-envs")]
pub mod puzzle;
pub mod registry;
mod spec;
#[cfg(all(test, feature = "built-in-envs"))]
mod tests;
#[cfg(feature = "built-in-envs")]
mod time_limit;
