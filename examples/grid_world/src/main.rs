//! The TwisteRL command line with [`GridWorld`] and the built-in environments:
//! `cargo run --release -p grid-world -- examples/grid_world/config.json`.

use grid_world::GridWorld;
use std::process::ExitCode;
use twisterl_plugin::core::envs::registry::Registry;

fn main() -> ExitCode {
    let mut registry = Registry::default();
    registry.register::<GridWorld>();
    twisterl_train::cli::run(registry)
}
