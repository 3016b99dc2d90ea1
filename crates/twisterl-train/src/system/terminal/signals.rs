//! Signals that end a command in order: Ctrl-C (SIGINT), SIGTERM and SIGHUP.
//!
//! The first one requests interruption. A second one, or work that does not heed the request in time ([`Patience`]), ends
//! the process. Signals that the process ignores from its start, as under `nohup`, stay ignored.

use super::disposition::{Disposition, disposition};
use super::message;
use crate::system::temporary::remove_all;
use crate::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use twisterl_core::error::interrupt::{Hold, Interrupt, Patience};

/// The signals that end a command.
#[cfg(unix)]
const ENDING: [i32; 3] = [SIGINT, SIGTERM, signal_hook::consts::SIGHUP];
#[cfg(not(unix))]
const ENDING: [i32; 2] = [SIGINT, SIGTERM];

/// The interval between looks for signals.
const POLL: Duration = Duration::from_millis(20);
/// Signals at shorter intervals count as one: shells, launchers and hosts pass on what the terminal sends as well.
const SAME: Duration = Duration::from_millis(150);

/// A signal as a command sees it. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Set by the first signal.
    requested: Arc<AtomicBool>,
    /// Set by the first signal, after `grace`.
    interrupt: Interrupt,
    changing: Mutex<Changing>,
}

#[derive(Debug, Default)]
struct Changing {
    grace: Duration,
    /// The first signal and its time.
    first: Option<(i32, Instant)>,
    /// The time of the last signal.
    last: Option<Instant>,
    patience: Patience,
    /// True once the user was told what is being waited for.
    told: bool,
    /// Advice for the user of an interrupted command.
    advice: Option<String>,
}

impl Stop {
    /// The flag that stops the work of the command.
    pub(crate) fn interrupt(&self) -> &Interrupt {
        &self.0.interrupt
    }

    /// Returns the flag that the first signal sets at once, while [`interrupt`](Self::interrupt) follows after `grace`.
    pub(crate) fn with_grace(&self, grace: Duration) -> Arc<AtomicBool> {
        self.changing().grace = grace;
        Arc::clone(&self.0.requested)
    }

    /// Sets advice for the user, shown if the process has to be ended.
    pub(crate) fn advise(&self, advice: String) {
        self.changing().advice = Some(advice);
    }

    /// The exit code of an interrupted command: 128 plus the number of the signal, which is that of Ctrl-C if there was
    /// none.
    pub(crate) fn code(&self) -> u8 {
        let signal = self.changing().first.map_or(SIGINT, |(signal, _)| signal);
        u8::try_from(128 + signal).unwrap_or(u8::MAX)
    }

    /// The message about an interrupted command.
    pub(crate) fn message(&self) -> String {
        let changing = self.changing();
        let signal = changing.first.map(|(signal, _)| signal).filter(|&signal| signal != SIGINT);
        let by = signal.and_then(low_level::signal_name).map(|name| format!(" by {name}"));
        let advice = changing.advice.as_deref().map(|advice| format!("; {advice}"));
        format!("interrupted{}{}", by.unwrap_or_default(), advice.unwrap_or_default())
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.0.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a signal. Returns true if it is the second one.
    fn hear(&self, signal: i32) -> bool {
        self.0.requested.store(true, Ordering::Relaxed);
        let (now, mut changing) = (Instant::now(), self.changing());
        changing.first.get_or_insert((signal, now));
        changing.last.replace(now).is_some_and(|last| now - last >= SAME)
    }

    /// Interrupts the command when its grace is over. Returns true if it has not ended in time.
    fn look(&self, held: bool) -> bool {
        let mut changing = self.changing();
        let Some((_, since)) = changing.first else { return false };
        if since.elapsed() >= changing.grace {
            self.0.interrupt.set();
        }
        if Patience::is_late(since) && held && !changing.told {
            changing.told = true;
            message(
                "waiting for the environment or the disk; a second signal (Ctrl-C) ends the program at once",
            );
        }
        changing.patience.ends(since, held)
    }

    /// Ends the process without waiting for any thread.
    fn end(&self) -> ! {
        remove_all();
        message(format!("error: {}", self.message()));
        low_level::exit(i32::from(self.code()))
    }
}

/// The one listener of the process.
struct Listener {
    /// Signals, and the flags that their handlers set.
    heard: Vec<(i32, Arc<AtomicBool>)>,
    /// True while no command is under way, so that signals do what they do by default.
    idle: Arc<AtomicBool>,
    /// The commands under way.
    active: Mutex<Vec<Stop>>,
    begun: Condvar,
}

/// Requests interruption of the commands under way as Ctrl-C does, for a host that handles signals itself.
pub fn interrupt() {
    for stop in commands() {
        if stop.hear(SIGINT) {
            stop.end();
        }
    }
}

/// Returns true if interruption was requested of a command under way, and its grace is over.
pub fn is_interrupted() -> bool {
    commands().iter().any(|stop| stop.interrupt().is_set())
}

/// Returns the commands under way.
fn commands() -> Vec<Stop> {
    match LISTENER.get() {
        Some(Ok(listener)) => listener.active().clone(),
        _ => Vec::new(),
    }
}

static LISTENER: OnceLock<Result<Listener, String>> = OnceLock::new();

/// A command that signals stop. They stop it no longer once this is dropped.
#[derive(Debug)]
pub(crate) struct Listening(Stop);

impl Listening {
    /// Lets signals stop a command from now on.
    ///
    /// # Errors
    /// If the operating system refuses a handler or a thread.
    pub(crate) fn begin() -> Result<Self> {
        let listener = LISTENER.get_or_init(|| Listener::install().map_err(|e| e.to_string()));
        let listener = listener.as_ref().map_err(|e| Error::system("handle signals", e))?;
        let stop = Stop::default();
        let mut active = listener.active();
        if active.is_empty() {
            for (_, heard) in &listener.heard {
                heard.store(false, Ordering::SeqCst);
            }
            listener.idle.store(false, Ordering::SeqCst);
        }
        active.push(stop.clone());
        listener.begun.notify_one();
        Ok(Self(stop))
    }

    /// The signals that the command sees.
    pub(crate) fn stop(&self) -> &Stop {
        &self.0
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(Ok(listener)) = LISTENER.get() {
            let mut active = listener.active();
            active.retain(|stop| !Arc::ptr_eq(&stop.0, &self.0.0));
            listener.idle.store(active.is_empty(), Ordering::SeqCst);
        }
    }
}

impl Listener {
    /// Handles the signals that are not ignored, and starts the thread that passes them on.
    fn install() -> io::Result<Self> {
        let idle = Arc::new(AtomicBool::new(true));
        let mut heard = Vec::new();
        for signal in ENDING {
            match disposition(signal) {
                Disposition::Ignored => continue,
                Disposition::Default => {
                    flag::register_conditional_default(signal, Arc::clone(&idle))?;
                }
                // The host's handler is called as well.
                Disposition::Handled => {}
            }
            let flag = Arc::new(AtomicBool::new(false));
            flag::register(signal, Arc::clone(&flag))?;
            heard.push((signal, flag));
        }
        // With a handler of any kind, a write beyond the limit of file sizes fails and does not end the process.
        #[cfg(unix)]
        if disposition(libc::SIGXFSZ) == Disposition::Default {
            flag::register(libc::SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        }
        std::thread::Builder::new().name("twisterl-signals".into()).spawn(|| {
            if let Ok(listener) = LISTENER.wait() {
                listener.pass_on();
            }
        })?;
        Ok(Self { heard, idle, active: Mutex::default(), begun: Condvar::new() })
    }

    fn active(&self) -> MutexGuard<'_, Vec<Stop>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes signals on to the commands under way.
    fn pass_on(&self) -> ! {
        loop {
            let commands = {
                let mut active = self.active();
                while active.is_empty() {
                    active = self.begun.wait(active).unwrap_or_else(PoisonError::into_inner);
                }
                active.clone()
            };
            for (signal, heard) in &self.heard {
                if heard.swap(false, Ordering::SeqCst) {
                    for stop in &commands {
                        if stop.hear(*signal) {
                            stop.end();
                        }
                    }
                }
            }
            let held = Hold::any();
            for stop in &commands {
                if stop.look(held) {
                    stop.end();
                }
            }
            drop(commands);
            std::thread::sleep(POLL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_interrupts_after_the_grace_and_the_second_ends() {
        let stop = Stop::default();
        let requested = stop.with_grace(Duration::from_secs(3600));
        assert!(!stop.look(false) && !stop.interrupt().is_set());
        assert!(!stop.hear(SIGTERM), "the first signal");
        assert!(requested.load(Ordering::Relaxed));
        stop.look(false);
        assert!(!stop.interrupt().is_set(), "the grace is not over");
        stop.with_grace(Duration::ZERO);
        stop.look(false);
        assert!(stop.interrupt().is_set());
        assert!(!stop.hear(SIGTERM), "the same signal, passed on");
        stop.changing().last = Some(Instant::now() - SAME);
        assert!(stop.hear(SIGINT), "the second signal");
        assert_eq!((stop.code(), stop.message().as_str()), (143, "interrupted by SIGTERM"));
    }

    #[test]
    fn work_that_is_held_is_waited_for() {
        let stop = Stop::default();
        stop.hear(SIGINT);
        assert!(!stop.look(false), "in time");
        stop.changing().first = Some((SIGINT, Instant::now() - Duration::from_secs(1)));
        assert!(!stop.look(true) && stop.changing().told, "held");
        stop.changing().patience = Patience::default();
        assert!(stop.look(false), "late");
        stop.advise("run it again".into());
        assert_eq!(stop.message(), "interrupted; run it again");
    }
}
