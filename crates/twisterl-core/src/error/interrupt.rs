//! Interruption of long work.

use crate::{Error, Result};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The time that work has to end after interruption was requested.
const LIMIT: Duration = Duration::from_millis(800);
/// The time that it has after the end of a [`Hold`], if that comes later.
const AFTER_HOLD: Duration = Duration::from_millis(200);

/// The number of [`Hold`]s in this process.
static HOLDS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The flag that this thread checked last.
    static CHECKED: RefCell<Option<Interrupt>> = const { RefCell::new(None) };
}

/// A flag that requests interruption. Every evaluation of a policy and every step of a learner checks it. Clones share
/// one flag.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Requests interruption.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Withdraws the request.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Returns true if interruption was requested.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns `Err(Interrupted)` if interruption was requested.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if interruption was requested.
    pub fn check(&self) -> Result<()> {
        if self.is_set() {
            return Err(Error::Interrupted);
        }
        CHECKED.with_borrow_mut(|checked| match checked {
            Some(checked) if Arc::ptr_eq(&checked.0, &self.0) => {}
            _ => *checked = Some(self.clone()),
        });
        Ok(())
    }
}

/// The flag of the work that this thread is doing, for long calls within it that are not handed the flag: calls into
/// environments that run as guests.
#[derive(Debug)]
pub struct Watch(Option<Interrupt>);

impl Watch {
    /// Watches the flag that this thread checked last. A flag that is set already is of work that has ended.
    pub fn begin() -> Self {
        Self(CHECKED.with_borrow(|checked| checked.clone().filter(|checked| !checked.is_set())))
    }

    /// Returns `Err(Interrupted)` if interruption was requested since [`begin`](Self::begin).
    ///
    /// # Errors
    /// [`Error::Interrupted`] if interruption was requested.
    pub fn check(&self) -> Result<()> {
        match &self.0 {
            Some(interrupt) if interrupt.is_set() => Err(Error::Interrupted),
            _ => Ok(()),
        }
    }
}

/// Work that must not be abandoned when interruption was requested once: the writing of a checkpoint, or a call into an
/// environment of another language. Other work that does not end soon after the request is left behind.
#[derive(Debug)]
pub struct Hold(());

impl Hold {
    /// Marks the beginning of such work, which ends when the result is dropped.
    #[must_use]
    pub fn begin() -> Self {
        HOLDS.fetch_add(1, Ordering::SeqCst);
        Self(())
    }

    /// Returns true if any thread of this process is doing such work.
    pub fn any() -> bool {
        HOLDS.load(Ordering::SeqCst) > 0
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        HOLDS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The rule by which work that does not end after a request for interruption is left behind.
#[derive(Debug, Default)]
pub struct Patience {
    /// The time of the last look at which there was a [`Hold`].
    held: Option<Instant>,
}

impl Patience {
    /// Returns true if the time is over that work had to end after a request `since` that time.
    pub fn is_late(since: Instant) -> bool {
        since.elapsed() >= LIMIT
    }

    /// Returns true if work is to be left behind that was asked to end `since` that time: it is [late](Self::is_late), and
    /// neither `held` nor was a moment ago.
    pub fn ends(&mut self, since: Instant, held: bool) -> bool {
        if held {
            self.held = Some(Instant::now());
        }
        Self::is_late(since) && self.held.is_none_or(|held| held.elapsed() >= AFTER_HOLD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_last_until_they_are_dropped() {
        let (one, two) = (Hold::begin(), Hold::begin());
        drop(one);
        assert!(Hold::any());
        drop(two);
        assert!(!Hold::any());
    }

    #[test]
    fn long_calls_watch_the_flag_that_their_thread_checked_last() {
        let (ended, current) = (Interrupt::default(), Interrupt::default());
        let _ = (ended.check(), ended.set());
        assert_eq!(Watch::begin().check(), Ok(()), "requests before the call are not the call's");
        assert_eq!(current.check(), Ok(()));
        let watch = Watch::begin();
        assert_eq!(watch.check(), Ok(()));
        current.set();
        assert_eq!(watch.check(), Err(Error::Interrupted));
    }

    #[test]
    fn work_that_is_held_is_not_left_behind() {
        let (mut patience, since) = (Patience::default(), Instant::now());
        assert!(!patience.ends(since, false), "in time");
        let Some(since) = since.checked_sub(LIMIT) else { return };
        assert!(!patience.ends(since, true), "held");
        assert!(!patience.ends(since, false), "held a moment ago");
        patience.held = patience.held.and_then(|held| held.checked_sub(AFTER_HOLD));
        assert!(patience.ends(since, false), "late");
    }
}
