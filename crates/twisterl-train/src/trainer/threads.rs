//! Thread pools.

use crate::config::NumCores;
use crate::{Error, Result};
use rayon::ThreadPool;

/// Runs `work` on a new pool of at most `num_cores` threads, and at most one per processor.
///
/// # Errors
/// Those of `work`, or if no threads can be started.
pub fn in_pool<T: Send>(
    num_cores: Option<NumCores>,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    on_threads(num_cores.unwrap_or(NumCores::ALL).threads(), work)
}

/// Runs `work` on at most `num_cores` threads of the current pool, or on a new and smaller pool.
///
/// # Errors
/// Those of `work`, or if no threads can be started.
pub(crate) fn at_most<T: Send>(
    num_cores: NumCores,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let threads = num_cores.threads();
    if threads < rayon::current_num_threads() { on_threads(threads, work) } else { work() }
}

/// Runs `work` on a new pool of exactly this many threads.
///
/// # Errors
/// Those of `work`, or if no threads can be started.
pub(crate) fn on_threads<T: Send>(
    threads: usize,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    pool(threads)?.install(work)
}

/// Creates a pool of exactly this many threads.
///
/// # Errors
/// If no threads can be started.
pub(crate) fn pool(threads: usize) -> Result<ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("twisterl-{i}"))
        .build()
        .map_err(|e| Error::threads(&e))
}
