//! The command `twisterl-train` with the built-in environments.

use std::process::ExitCode;
use twisterl_core::envs::registry::Registry;

fn main() -> ExitCode {
    twisterl_train::cli::run(Registry::default())
}
