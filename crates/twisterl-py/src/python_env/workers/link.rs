//! One worker process, and the socket to it.

use super::message::{NO_TICKET, Request};
use super::wire::{read_message, write_message};
use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use twisterl_train::system::process_group::Leader;

/// The time that a process has to end once its socket is closed.
const ENDING: Duration = Duration::from_secs(2);
/// The interval between looks at a process that ends.
const LOOK: Duration = Duration::from_millis(2);

/// A worker process. Requests of several threads wait in it in their order; a thread of this process hands its answers out.
pub(super) struct Link {
    shared: Arc<Shared>,
    stream: Mutex<UnixStream>,
    tickets: AtomicU32,
    pid: u32,
}

/// The part of a link that the thread which reads answers holds, too.
struct Shared {
    child: Mutex<Leader>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// The receivers of answers, by ticket.
    open: HashMap<u32, Sender<Vec<u8>>>,
    /// Why the process ended, once it has.
    end: Option<String>,
}

impl Link {
    /// Starts a process by its command, program first. Messages that answer nothing go to `told`.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) fn start(
        command: &[String],
        told: impl Fn(Vec<u8>) + Send + 'static,
    ) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let (program, arguments) = command
            .split_first()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program"))?;
        // Ctrl-C in a terminal reaches this process alone.
        let child = Leader::start(
            Command::new(program).args(arguments).stdin(Stdio::from(OwnedFd::from(theirs))),
        )?;
        let pid = child.id();
        let waiting = Mutex::new(Waiting::default());
        let shared = Arc::new(Shared { child: Mutex::new(child), waiting });
        let (reading, stream) = (Arc::clone(&shared), ours.try_clone()?);
        let link = Self { shared, stream: Mutex::new(ours), tickets: AtomicU32::new(1), pid };
        thread::Builder::new()
            .name("twisterl-answers".into())
            .spawn(move || reading.hand_out(&stream, told))?;
        Ok(link)
    }

    /// The number of the process.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a request, and returns where its answer will arrive. If the process ends, nothing arrives.
    pub(super) fn ask(&self, request: &Request) -> Receiver<Vec<u8>> {
        let (sender, receiver) = channel();
        let ticket = self.next_ticket();
        let mut waiting = lock(&self.shared.waiting);
        if waiting.end.is_none() {
            waiting.open.insert(ticket, sender);
            drop(waiting);
            self.send(ticket, request);
        }
        receiver
    }

    /// Sends a request that has no answer.
    pub(super) fn tell(&self, request: &Request) {
        self.send(NO_TICKET, request);
    }

    fn send(&self, ticket: u32, request: &Request) {
        // If the process is gone, the thread that reads answers tells those who wait.
        let _ = write_message(&*lock(&self.stream), ticket, &request.to_bytes());
    }

    fn next_ticket(&self) -> u32 {
        loop {
            let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
            if ticket != NO_TICKET {
                return ticket;
            }
        }
    }

    /// Returns why the process ended.
    pub(super) fn end(&self) -> String {
        lock(&self.shared.waiting).end.clone().unwrap_or_else(|| "ended".into())
    }

    /// Ends the wait for answers if the process has ended: what it has forked may hold its side of the socket open. Answers
    /// that have arrived are handed out all the same.
    pub(super) fn notice_end(&self) {
        if !matches!(lock(&self.shared.child).try_wait(), Ok(None)) {
            // The socket may be closed already.
            let _ = lock(&self.stream).shutdown(Shutdown::Read);
        }
    }

    /// Tells the process to end: its socket is closed.
    pub(super) fn hang_up(&self) {
        // It may have ended before.
        let _ = lock(&self.stream).shutdown(Shutdown::Write);
    }

    /// Waits for the end of the process until this time, then kills it.
    pub(super) fn wait_until(&self, end: Instant) {
        self.shared.wait_until(end);
    }
}

impl Shared {
    /// Hands out answers until the socket is closed.
    fn hand_out(&self, stream: &UnixStream, told: impl Fn(Vec<u8>)) {
        while let Some((ticket, message)) = read_message(stream) {
            if ticket == NO_TICKET {
                told(message);
                continue;
            }
            let waits = lock(&self.waiting).open.remove(&ticket);
            if let Some(sender) = waits {
                // One who was interrupted does not wait any more.
                let _ = sender.send(message);
            }
        }
        let status = self.wait_until(Instant::now() + ENDING);
        let mut waiting = lock(&self.waiting);
        waiting.end = Some(status.map_or("was lost".to_owned(), described));
        // Those who wait notice that nothing will come.
        waiting.open.clear();
    }

    /// Waits for the end of the process until this time, then kills it. Returns how it ended.
    fn wait_until(&self, end: Instant) -> Option<ExitStatus> {
        loop {
            let mut child = lock(&self.child);
            match child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < end => {}
                Ok(None) => {
                    child.kill();
                    return child.wait().ok();
                }
                Err(_) => return None,
            }
            drop(child);
            thread::sleep(LOOK);
        }
    }
}

fn described(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => {
            let name = match signal {
                4 => " (SIGILL)",
                6 => " (SIGABRT)",
                9 => " (SIGKILL; perhaps for lack of memory)",
                11 => " (SIGSEGV)",
                15 => " (SIGTERM)",
                _ => "",
            };
            format!("was ended by signal {signal}{name}")
        }
        (None, None) => "ended".into(),
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
