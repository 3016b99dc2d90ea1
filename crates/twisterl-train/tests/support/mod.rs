//! Helpers that several integration tests share.

use twisterl_train::trainer::Options;

/// Returns options of a run that prints nothing.
pub fn options(threads: usize) -> Options {
    Options { quiet: true, threads: Some(threads), ..Options::default() }
}
