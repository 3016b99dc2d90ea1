//! Modules on the interpreter.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod suite;

use twisterl_wasm::Wasmi as Tested;
