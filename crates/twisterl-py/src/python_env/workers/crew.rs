//! The workers of one environment.

use super::link::{Link, lock};
use super::memory::Memory;
use super::message::{Answered, Request, read_answer, warn};
use super::wire::Reader;
use crate::enter::calls::{EnvCall, call_env};
use crate::python_env::{Factory, raised};
use pyo3::prelude::*;
use serde_json::Value;
use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use twisterl_core::{Error, Result};

/// The module that describes an environment for other processes.
const SPAWNING: &str = "twisterl._internal.processes.spawning";
/// The field of the config that asks for workers.
const FIELD: &str = "algorithm.collecting.workers";
/// The interval between looks for an interruption while an answer is waited for.
const LOOK: Duration = Duration::from_millis(50);
/// The time that workers have to close their environments and to end; the second one after an interruption.
const ENDING: [Duration; 2] = [Duration::from_millis(1000), Duration::from_millis(250)];

/// The processes in which the environments of one specification are stepped. They end when this is dropped, when this
/// process ends, and when one of them is lost.
pub struct Crew {
    name: String,
    links: Vec<Link>,
    pub(super) memory: Memory,
    /// The number of the next batch.
    batches: AtomicU32,
    measures_success: AtomicBool,
    interrupted: AtomicBool,
    warnings: Arc<Warnings>,
}

/// The warnings of workers, each of which is issued once.
#[derive(Default)]
struct Warnings {
    /// True if some were not issued yet.
    any: AtomicBool,
    waiting: Mutex<Vec<Vec<u8>>>,
    known: Mutex<HashSet<Vec<u8>>>,
}

impl Crew {
    /// Starts `count` workers for the environment that `factory` makes of `params`, and waits until each has made one.
    ///
    /// # Errors
    /// If other processes cannot import the environment, or cannot be started; what the environment raises.
    pub fn start(name: &str, factory: &Factory, params: &Value, count: usize) -> Result<Self> {
        let described = call_env(None, |py| {
            let given = (name, factory, params.to_string());
            py.import(SPAWNING)?.call_method1("describe", given)?.extract()
        });
        let (command, description, refusal): (Vec<String>, Vec<u8>, Option<(String, String)>) =
            described.map_err(|error| raised(name, error))?;
        if let Some((expected, found)) = refusal {
            return Err(Error::config(FIELD, expected, found));
        }
        let warnings = Arc::new(Warnings::default());
        let link = |_| {
            let told = Arc::clone(&warnings);
            Link::start(&command, move |message| told.add(message))
        };
        let started = Memory::with(|descriptor| -> PyResult<_> {
            let links = (0..count).map(link).collect::<io::Result<Vec<_>>>()?;
            Ok((links, Request::Environment(description, descriptor)))
        });
        let (memory, (links, request)) = started.map_err(|error| {
            let found = format!("{count}, which cannot be started: {error}");
            Error::config(FIELD, "as many processes as the system allows", found)
        })?;
        let crew = Self {
            name: name.to_owned(),
            links,
            memory,
            batches: AtomicU32::new(0),
            measures_success: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
            warnings,
        };
        let asked: Vec<_> = (0..count).map(|worker| (worker, crew.ask(worker, &request))).collect();
        for (worker, answer) in asked {
            crew.receive(worker, &answer, |_| Ok(()))?;
        }
        Ok(crew)
    }

    /// The number of workers.
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// Returns a number for a new batch.
    pub(super) fn next_batch(&self) -> u32 {
        self.batches.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns true once a worker has told that its environment measures success.
    pub fn measures_success(&self) -> bool {
        self.measures_success.load(Ordering::Relaxed)
    }

    /// Sends a request, for whose answer [`receive`](Self::receive) waits.
    pub(super) fn ask(&self, worker: usize, request: &Request) -> Receiver<Vec<u8>> {
        self.links[worker].ask(request)
    }

    /// Sends a request that has no answer.
    pub(super) fn tell(&self, worker: usize, request: &Request) {
        self.links[worker].tell(request);
    }

    /// Waits for the answer of a worker, and reads it.
    ///
    /// # Errors
    /// The error of the worker; if it is lost, or this thread is interrupted.
    pub(super) fn receive<T>(
        &self,
        worker: usize,
        answer: &Receiver<Vec<u8>>,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T>,
    ) -> Result<T> {
        let answer = self.wait(worker, answer)?;
        self.warnings.issue(&self.name)?;
        let (measures_success, result) = read_answer(&self.name, &answer)?;
        if measures_success {
            self.measures_success.store(true, Ordering::Relaxed);
        }
        match result {
            Answered::Here(from) => read(&mut Reader::new(answer.get(from..).unwrap_or_default())),
            Answered::InMemory(start, length) => {
                let stored = self.memory.read(start, length).map_err(|error| {
                    Error::internal(format!("the memory of the workers of {}: {error}", self.name))
                })?;
                read(&mut Reader::new(&stored))
            }
        }
    }

    fn wait(&self, worker: usize, answer: &Receiver<Vec<u8>>) -> Result<Vec<u8>> {
        // Calls that take long are registered as those into environments of this process, so that they are interrupted.
        let mut long = LongCall(None);
        loop {
            match answer.recv_timeout(LOOK) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Timeout) => {
                    self.links[worker].notice_end();
                    if long.is_interrupted() {
                        self.interrupt();
                        return Err(Error::Interrupted);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.lost(worker)),
            }
        }
    }

    fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
        self.links.iter().for_each(|link| link.tell(&Request::Interrupt));
    }

    fn lost(&self, worker: usize) -> Error {
        let (link, count) = (&self.links[worker], self.links.len());
        let found =
            format!("worker {} of {count} (process {}) {}", worker + 1, link.pid(), link.end());
        Error::contract(&self.name, "its worker processes run until training ends", found)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.links.iter().for_each(Link::hang_up);
        let [usual, interrupted] = ENDING;
        let is_interrupted = self.interrupted.load(Ordering::Relaxed);
        let end = Instant::now() + if is_interrupted { interrupted } else { usual };
        self.links.iter().for_each(|link| link.wait_until(end));
    }
}

impl Warnings {
    fn add(&self, message: Vec<u8>) {
        if lock(&self.known).insert(message.clone()) {
            lock(&self.waiting).push(message);
            self.any.store(true, Ordering::Release);
        }
    }

    fn issue(&self, name: &str) -> Result<()> {
        if !self.any.swap(false, Ordering::Acquire) {
            return Ok(());
        }
        let messages = std::mem::take(&mut *lock(&self.waiting));
        messages.iter().try_for_each(|message| warn(name, message))
    }
}

/// The registration of a call that has not returned soon.
struct LongCall(Option<EnvCall>);

impl LongCall {
    /// Registers the call, and returns true if it was interrupted since.
    fn is_interrupted(&mut self) -> bool {
        if self.0.is_none() {
            self.0 = Python::try_attach(|py| EnvCall::begin(py, None));
        }
        self.0.as_ref().is_none_or(EnvCall::is_interrupted)
    }
}

impl Drop for LongCall {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            // When the interpreter exits, nobody interrupts calls any more.
            Python::try_attach(|_| drop(call));
        }
    }
}
