//! The signals that arrive during a call from Python.

use crate::error::say;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use std::time::{Duration, Instant};
use twisterl_core::error::interrupt::Hold;

/// The time that work has to end after the first signal before it is left behind.
const LIMIT: Duration = Duration::from_millis(800);
/// The time that it has after the end of a [`Hold`], if that comes later.
const AFTER_HOLD: Duration = Duration::from_millis(100);

/// The exceptions that ask for the end of a call.
#[derive(Default)]
pub struct Signals {
    /// The first exception and its time.
    first: Option<(PyErr, Instant)>,
    /// The number of signals.
    signals: usize,
    /// The time of the last look at which there was a [`Hold`].
    held: Option<Instant>,
    /// True once the user was told what is being waited for.
    told: bool,
}

impl Signals {
    /// Takes note of what the handlers of signals raised.
    pub fn hear(&mut self, heard: PyResult<()>) {
        if let Err(raised) = heard {
            self.signals += 1;
            self.first.get_or_insert_with(|| (raised, Instant::now()));
        }
    }

    /// Takes note of what a callback raised. Of its exceptions only `KeyboardInterrupt` is a signal.
    pub fn hear_callback(&mut self, py: Python<'_>, called: PyResult<()>) {
        if let Err(raised) = called {
            self.signals += usize::from(raised.is_instance_of::<PyKeyboardInterrupt>(py));
            self.first.get_or_insert_with(|| (raised, Instant::now()));
        }
    }

    /// Returns the time since the first exception.
    pub fn since(&self) -> Option<Duration> {
        self.first.as_ref().map(|(_, at)| at.elapsed())
    }

    /// Returns true if the work is to be left behind: after a second signal, or if it does not heed the first one in time
    /// and is not [held](Hold), as by an environment. Then it tells the user, once, that a second one ends it.
    pub fn abandon(&mut self, py: Python<'_>) -> bool {
        if Hold::any() {
            self.held = Some(Instant::now());
        }
        let late = self.signals > 0 && self.since().is_some_and(|since| since >= LIMIT);
        let held = self.held.is_some_and(|held| held.elapsed() < AFTER_HOLD);
        if late && held && !self.told && self.signals == 1 {
            self.told = true;
            say(
                py,
                "waiting for the environment or the disk; press Ctrl-C again to leave it behind",
            );
        }
        self.signals > 1 || (late && !held)
    }

    /// Returns the first exception.
    pub fn into_exception(self) -> Option<PyErr> {
        self.first.map(|(raised, _)| raised)
    }
}
