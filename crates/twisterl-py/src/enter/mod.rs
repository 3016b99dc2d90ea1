//! The one way from Python into the crates and back: the interpreter's lock, errors, panics and Ctrl-C.

pub mod calls;
pub mod exit;
mod signals;

pub use signals::Signals;

use crate::error::{exception, raise};
use calls::{abandon_envs, interrupt_envs};
use pyo3::prelude::*;
use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_train::Error;

/// The interval between checks for signals.
pub const LOOK: Duration = Duration::from_millis(50);
/// The time that an environment has to return after a signal before `KeyboardInterrupt` is raised in it.
pub const RETURN: Duration = Duration::from_millis(150);

/// Calls from Python into the crates. Each turns errors into the exceptions of `twisterl.errors`, and a panic into a
/// `TwisteRLError`.
pub trait Enter {
    /// Calls `work` and keeps the interpreter's lock: for work that is shorter than the release of a lock.
    fn attached<T, E: Into<Error>>(self, work: impl FnOnce() -> Result<T, E>) -> PyResult<T>;

    /// Calls `work` without the interpreter's lock, then looks for signals: for work that is short.
    fn enter<T: Send, E: Into<Error>>(
        self,
        work: impl FnOnce() -> Result<T, E> + Send,
    ) -> PyResult<T>;

    /// Calls `work` on a thread of its own, while this one looks for signals. The first one sets `interrupt`, which `work`
    /// heeds, and is raised once it has ended, within a second at most. An environment written in Python that does not
    /// return is left behind at the second signal; `work` then goes on in its thread until it notices `interrupt`.
    fn enter_interruptible<T: Send + 'static, E: Into<Error>>(
        self,
        interrupt: &Interrupt,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> PyResult<T>;

    /// Calls `work` on a thread of its own. Until it ends, waits for `pause` and hands what signals raised to `tick`, in
    /// turn. If `tick` breaks, leaves `work` behind and returns `None`.
    fn enter_watched<T: Send + 'static, E: Into<Error>>(
        self,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
        pause: Duration,
        tick: impl FnMut(PyResult<()>) -> ControlFlow<()>,
    ) -> PyResult<Option<T>>;
}

impl Enter for Python<'_> {
    fn attached<T, E: Into<Error>>(self, work: impl FnOnce() -> Result<T, E>) -> PyResult<T> {
        finish(self, catch_unwind(AssertUnwindSafe(|| work().map_err(Into::into))))
    }

    fn enter<T: Send, E: Into<Error>>(
        self,
        work: impl FnOnce() -> Result<T, E> + Send,
    ) -> PyResult<T> {
        let work = || catch_unwind(AssertUnwindSafe(|| work().map_err(Into::into)));
        let result = finish(self, self.detach(work));
        self.check_signals()?;
        result
    }

    fn enter_interruptible<T: Send + 'static, E: Into<Error>>(
        self,
        interrupt: &Interrupt,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> PyResult<T> {
        let mut signals = Signals::default();
        let clear = ClearAtEnd(interrupt.clone());
        let work = move || {
            let _clear = clear;
            work()
        };
        let ended = self.enter_watched(work, LOOK, |heard| {
            signals.hear(heard);
            let Some(since) = signals.since() else { return ControlFlow::Continue(()) };
            interrupt.set();
            if since >= RETURN {
                interrupt_envs(self);
            }
            if signals.abandon(self) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if !matches!(ended, Ok(None)) {
            interrupt.clear();
        }
        match (signals.into_exception(), ended) {
            (Some(raised), _) => Err(raised),
            (None, Ok(Some(result))) => Ok(result),
            (None, Err(error)) => Err(error),
            (None, Ok(None)) => Err(raise(self, "TwisteRLError", "left without a signal")),
        }
    }

    fn enter_watched<T: Send + 'static, E: Into<Error>>(
        self,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
        pause: Duration,
        mut tick: impl FnMut(PyResult<()>) -> ControlFlow<()>,
    ) -> PyResult<Option<T>> {
        let (done, mut finished) = mpsc::sync_channel(1);
        let worker = thread::Builder::new().name("twisterl".into()).spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(|| work().map_err(Into::into)));
            // Nobody listens any more if this thread was left behind.
            let _ = done.send(result);
        });
        if let Err(error) = worker {
            return Err(exception(self, &Error::threads(&error)));
        }
        loop {
            match wait(self, &mut finished, pause) {
                Ok(ended) => return finish(self, ended).map(Some),
                Err(RecvTimeoutError::Timeout) => {
                    if tick(self.check_signals()).is_break() {
                        abandon_envs(self)?;
                        exit::expect_abandoned(self)?;
                        return Ok(None);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(raise(self, "TwisteRLError", "a worker thread ended early"));
                }
            }
        }
    }
}

/// Withdraws the request for interruption at the end of the work that heeds it, which may come after the end of the call.
struct ClearAtEnd(Interrupt);

impl Drop for ClearAtEnd {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// Waits for the next message without the interpreter's lock.
pub fn wait<T: Send>(
    py: Python<'_>,
    receiver: &mut Receiver<T>,
    time: Duration,
) -> Result<T, RecvTimeoutError> {
    py.detach(move || {
        // The exclusive reference itself, since a receiver cannot be shared.
        let receiving = receiver;
        receiving.recv_timeout(time)
    })
}

fn finish<T>(py: Python<'_>, ended: thread::Result<Result<T, Error>>) -> PyResult<T> {
    match ended {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(exception(py, &error)),
        Err(payload) => Err(raise(py, "TwisteRLError", &panicked(&*payload))),
    }
}

fn panicked(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    format!("a defect of twisterl, please report it: {}", text.unwrap_or_default())
}
