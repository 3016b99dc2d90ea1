//! Thread pools.

use crate::{Error, Result};

/// Returns the number of threads to use: at most `bound`, and at most one per processor.
pub(crate) fn available(bound: usize) -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(bound)
}

/// Runs `work` on a new pool of at most `num_cores` threads, and at most one per processor.
///
/// # Errors
/// Those of `work`, or if no threads can be started.
pub fn in_pool<T: Send>(
    num_cores: Option<usize>,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    on_threads(available(num_cores.unwrap_or(usize::MAX)), work)
}

/// Runs `work` on a new pool of exactly this many threads.
///
/// # Errors
/// Those of `work`, or if no threads can be started.
pub(crate) fn on_threads<T: Send>(
    threads: usize,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("twisterl-{i}"))
        .build()
        .map_err(|e| Error::threads(&e))?
        .install(work)
}
