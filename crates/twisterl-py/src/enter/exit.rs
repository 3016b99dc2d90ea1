//! The exit of the interpreter: work that it does not wait for long, and environments that were left behind and still run.

use super::{Enter as _, LOOK};
use pyo3::prelude::*;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use twisterl_train::Error;

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

/// Calls `work` on a thread of its own, and waits for at most this many seconds, or until a signal arrives. Returns false if
/// it has not ended by then and is left behind. For the exit of the interpreter.
///
/// # Errors
/// If there is no thread for it.
#[pyfunction]
pub fn call_within(py: Python<'_>, seconds: f64, work: Py<PyAny>) -> PyResult<bool> {
    let end = Instant::now() + Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let call = move || {
        Python::try_attach(|py| {
            if let Err(error) = work.call0(py) {
                error.write_unraisable(py, Some(work.bind(py)));
            }
        });
        Ok::<_, Error>(())
    };
    let ended = py.enter_watched(call, LOOK, |heard| match heard {
        Ok(()) if Instant::now() < end => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    })?;
    if ended.is_none() {
        park_abandoned();
    }
    Ok(ended.is_some())
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
