//! The signals that arrive during a call from Python.

use crate::error::say;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use std::time::{Duration, Instant};
use twisterl_core::error::interrupt::{Hold, Patience};

/// The exceptions that ask for the end of a call.
#[derive(Default)]
pub struct Signals {
    /// The first exception and its time.
    first: Option<(PyErr, Instant)>,
    /// The number of signals.
    signals: usize,
    patience: Patience,
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
        let Some((_, since)) = self.first else { return false };
        let held = Hold::any();
        let ends = self.patience.ends(since, held);
        if Patience::is_late(since) && held && !self.told && self.signals == 1 {
            self.told = true;
            say(
                py,
                "waiting for the environment or the disk; press Ctrl-C again to leave it behind",
            );
        }
        self.signals > 1 || (self.signals > 0 && ends)
    }

    /// Returns the first exception.
    pub fn into_exception(self) -> Option<PyErr> {
        self.first.map(|(raised, _)| raised)
    }
}
