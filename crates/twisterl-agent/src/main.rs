//! The runner: the program of bundles that are executables.

fn main() -> std::process::ExitCode {
    twisterl_agent::run(&twisterl_agent::registry())
}
