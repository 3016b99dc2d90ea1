//! Stopping long work from outside.

use crate::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A switch that stops long work as soon as it next looks: evaluations of a policy and steps of a learner do. Clones are
/// the same switch.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Throws the switch.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Puts it back.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether it was thrown.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Looks.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if it was thrown.
    pub fn check(&self) -> Result<()> {
        if self.is_set() { Err(Error::Interrupted) } else { Ok(()) }
    }
}
