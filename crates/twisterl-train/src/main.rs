//! The command `twisterl-train` with the built-in environments.

use std::process::ExitCode;
use twisterl_core::envs::registry::Registry;

fn main() -> ExitCode {
    let mut registry = Registry::default();
    twisterl_quantum::register(&mut registry);
    twisterl_train::cli::run(registry)
}
