//! Built-in environments.
pub mod control;
pub mod journey;
pub mod lights_out;
pub mod maze;
pub mod puzzle;
pub mod registry;
