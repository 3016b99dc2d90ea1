//! The runner: the program of bundles that are executables, with the built-in environments.

fn main() -> std::process::ExitCode {
    twisterl_agent::run(&twisterl_core::registry::Registry::default())
}
