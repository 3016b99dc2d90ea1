//! The exit of the interpreter while environments that were left behind still run.

use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// Has Python call [`park_abandoned`] when it exits. Called once work was left behind.
///
/// # Errors
/// If Python refuses.
pub fn expect_abandoned(py: Python<'_>) -> PyResult<()> {
    static EXPECTED: AtomicBool = AtomicBool::new(false);
    if EXPECTED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let park = py.import("twisterl._core")?.getattr("park_abandoned")?;
    py.import("atexit")?.call_method1("register", (park,)).map(drop)
}

/// Lets the exit of the interpreter stop threads that still run an environment. Python before 3.14 ends such a thread
/// when it asks for the interpreter, in a way that cannot pass frames of Rust and aborts the process; so that the exit
/// code would be lost. From now on the thread sleeps instead until the process ends.
#[pyfunction]
pub fn park_abandoned() {
    #[cfg(unix)]
    park_aborting_threads();
}

#[cfg(unix)]
#[allow(unsafe_code)]
fn park_aborting_threads() {
    // SAFETY: `pthread_self` has no preconditions.
    let exiting = unsafe { libc::pthread_self() };
    let park = move || {
        // SAFETY: as above. An abort of the thread that exits is a real one.
        while unsafe { libc::pthread_self() } != exiting {
            // SAFETY: `pause` has no preconditions.
            unsafe { libc::pause() };
        }
    };
    // SAFETY: the action runs in a handler of signals, and calls only functions that are allowed there.
    let registered = unsafe { signal_hook::low_level::register(libc::SIGABRT, park) };
    // Without it, the process aborts.
    drop(registered);
}
