//! Built-in environments and the registry of environments by name.
pub mod control;
mod grid;
pub mod journey;
pub mod lights_out;
pub mod maze;
pub mod puzzle;
pub mod registry;
mod spec;
#[cfg(test)]
mod tests;
mod time_limit;
