//! The calls into environments written in Python that worker threads are making.

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use std::cell::OnceCell;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use twisterl_core::error::interrupt::Hold;

/// The beginning of the names of the threads that this project starts.
const WORKER: &str = "twisterl";

static CALLS: Mutex<Vec<Call>> = Mutex::new(Vec::new());

thread_local! {
    /// The thread's number in Python if it is a worker. The signals of other threads are Python's own affair.
    static WORKER_IDENT: OnceCell<Option<u64>> = const { OnceCell::new() };
}

/// A call under way.
struct Call {
    /// The thread's number in Python.
    thread: u64,
    /// The `twisterl._internal.adapter.Problem` whose environments it uses, once there is one.
    problem: Option<Py<PyAny>>,
    /// True once `KeyboardInterrupt` was raised in it.
    interrupted: bool,
}

/// A call into an environment, from now until this is dropped. Both happen while the interpreter is attached.
pub struct EnvCall {
    thread: Option<u64>,
    _hold: Hold,
}

impl EnvCall {
    /// Begins a call of this thread, into the environments of `problem`.
    pub fn begin(py: Python<'_>, problem: Option<&Py<PyAny>>) -> Self {
        let thread = WORKER_IDENT.with(|known| *known.get_or_init(|| worker_ident(py)));
        if let Some(thread) = thread {
            let problem = problem.map(|problem| problem.clone_ref(py));
            calls().push(Call { thread, problem, interrupted: false });
        }
        Self { thread, _hold: Hold::begin() }
    }
}

impl EnvCall {
    /// Returns true if [`interrupt_envs`] interrupted the call. For one that waits outside of Python.
    pub fn is_interrupted(&self) -> bool {
        let calls = calls();
        let last = calls.iter().rfind(|call| Some(call.thread) == self.thread);
        last.is_some_and(|call| call.interrupted)
    }
}

impl Drop for EnvCall {
    fn drop(&mut self) {
        let mut calls = calls();
        // The last one: an environment may call another one.
        let at = calls.iter().rposition(|call| Some(call.thread) == self.thread);
        let ended = at.map(|at| calls.remove(at));
        // What is dropped may call environments itself.
        drop(calls);
        drop(ended);
    }
}

/// Calls into the environments of `problem`; without one, into an environment that is being made, or into a module that
/// defines one.
pub fn call_env<T>(problem: Option<&Py<PyAny>>, work: impl FnOnce(Python<'_>) -> T) -> T {
    Python::attach(|py| {
        let _call = EnvCall::begin(py, problem);
        work(py)
    })
}

/// Tells the problems whose environments worker threads are calling that these calls are left behind.
///
/// # Errors
/// What Python raises.
pub fn abandon_envs(py: Python<'_>) -> PyResult<()> {
    let problems: Vec<Py<PyAny>> = calls()
        .iter()
        .filter_map(|call| call.problem.as_ref())
        .map(|problem| problem.clone_ref(py))
        .collect();
    problems.iter().try_for_each(|problem| problem.call_method0(py, "abandon").map(drop))
}

/// Raises `KeyboardInterrupt` in the environments that worker threads are running, once for each call. Those in code that
/// is not Python, such as a system call, raise it when that returns.
pub fn interrupt_envs(py: Python<'_>) {
    let mut threads = Vec::new();
    for call in calls().iter_mut().filter(|call| !call.interrupted) {
        call.interrupted = true;
        threads.push(call.thread);
    }
    if !threads.is_empty() {
        let raised = py
            .import("twisterl._internal.processes.interrupts")
            .and_then(|module| module.call_method1("interrupt", (threads,)));
        if let Err(error) = raised {
            // Without this module, a second signal still ends the call.
            error.write_unraisable(py, None);
        }
    }
}

/// Returns true if `error` is the `KeyboardInterrupt` that [`interrupt_envs`] raised, or one that the environment raised
/// on a worker thread itself, which is treated alike.
pub fn is_interruption(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyKeyboardInterrupt>(py) && is_worker()
}

fn is_worker() -> bool {
    thread::current().name().is_some_and(|name| name.starts_with(WORKER))
}

fn worker_ident(py: Python<'_>) -> Option<u64> {
    if !is_worker() {
        return None;
    }
    py.import("threading").ok()?.call_method0("get_ident").ok()?.extract().ok()
}

fn calls() -> MutexGuard<'static, Vec<Call>> {
    CALLS.lock().unwrap_or_else(PoisonError::into_inner)
}
