//! The one way from Python into the crates and back: the interpreter's lock, errors, panics and Ctrl-C.

use crate::error::{exception, raise};
use pyo3::prelude::*;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_train::Error;

/// The interval between checks for signals.
pub const LOOK: Duration = Duration::from_millis(50);

/// Calls from Python into the crates. Each turns errors into the exceptions of `twisterl.errors`, and a panic into a
/// `TwisteRLError`.
pub trait Enter {
    /// Calls `work` and keeps the interpreter's lock: for work that is shorter than the release of a lock.
    fn attached<T, E: Into<Error>>(self, work: impl FnOnce() -> Result<T, E>) -> PyResult<T>;

    /// Calls `work` without the interpreter's lock, then looks for signals.
    fn enter<T: Send, E: Into<Error>>(
        self,
        work: impl FnOnce() -> Result<T, E> + Send,
    ) -> PyResult<T>;

    /// Calls `work` on a thread of its own, while this one looks for signals. Any of them sets `interrupt`, which `work`
    /// heeds, and is raised once it has ended.
    fn enter_interruptible<T: Send, E: Into<Error>>(
        self,
        interrupt: &Interrupt,
        work: impl FnOnce() -> Result<T, E> + Send,
    ) -> PyResult<T>;

    /// Calls `work` on a thread of its own. Until it ends, waits for `pause` and hands what signals raised to `tick`, in
    /// turn.
    fn enter_watched<T: Send, E: Into<Error>>(
        self,
        work: impl FnOnce() -> Result<T, E> + Send,
        pause: Duration,
        tick: impl FnMut(PyResult<()>),
    ) -> PyResult<T>;
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

    fn enter_interruptible<T: Send, E: Into<Error>>(
        self,
        interrupt: &Interrupt,
        work: impl FnOnce() -> Result<T, E> + Send,
    ) -> PyResult<T> {
        let mut signal = None;
        let result = self.enter_watched(work, LOOK, |heard| {
            if let Err(raised) = heard {
                signal.get_or_insert(raised);
                interrupt.set();
            }
        });
        match signal {
            Some(raised) => {
                interrupt.clear();
                Err(raised)
            }
            None => result,
        }
    }

    fn enter_watched<T: Send, E: Into<Error>>(
        self,
        work: impl FnOnce() -> Result<T, E> + Send,
        pause: Duration,
        mut tick: impl FnMut(PyResult<()>),
    ) -> PyResult<T> {
        let (done, mut finished) = mpsc::sync_channel(1);
        let joined = thread::scope(|scope| -> Result<thread::Result<Result<T, Error>>, Error> {
            let worker = thread::Builder::new()
                .name("twisterl".into())
                .spawn_scoped(scope, move || {
                    let result = work().map_err(Into::into);
                    // The other side waits until this thread ends.
                    let _ = done.send(());
                    result
                })
                .map_err(|e| Error::threads(&e))?;
            while wait(self, &mut finished, pause) == Err(RecvTimeoutError::Timeout) {
                tick(self.check_signals());
            }
            Ok(self.detach(|| worker.join()))
        });
        finish(self, joined.unwrap_or_else(|error| Ok(Err(error))))
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
