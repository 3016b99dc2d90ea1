//! Helpers that several integration tests share.

use twisterl_train::config::Override;
use twisterl_train::trainer::Options;

/// Returns options of a run that prints nothing.
pub fn options(threads: usize) -> Options {
    Options { quiet: true, threads: Some(threads), ..Options::default() }
}

/// Returns options of a run that is resumed, prints nothing, and ends after `end` iterations.
#[allow(dead_code, clippy::expect_used)] // Not all tests resume runs.
pub fn until(end: u64, threads: usize) -> Options {
    let end = Override::new("num_iterations", end).expect("a path of one key");
    Options { overrides: vec![end], ..options(threads) }
}
