//! A worker: the process that answers requests.

use super::link::lock;
use super::memory;
use super::message::{NO_TICKET, Region, Request, answer, no_socket};
use super::wire::{Writer, read_message, write_message};
use crate::enter::calls::{call_env, interrupt_envs};
use crate::python_env::batch::PythonEnvBatch;
use crate::python_env::{Factory, PythonEnvSpec, raised};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;
use twisterl_core::env::Step;
use twisterl_core::env::batch::VecEnv as _;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::space::{Actions, Observations};
use twisterl_core::{Error, Result};

/// The time that an environment has to return once nobody wants its answer any more.
const ENDING: Duration = Duration::from_millis(900);

static ANSWERS: OnceLock<Mutex<UnixStream>> = OnceLock::new();

/// Answers the requests that arrive on standard input, which is a socket, until that is closed. `open` returns the name, the
/// factory and the parameters of an environment that was described. Returns false if an environment is still being called.
///
/// The calling thread reads requests, so that it notices the end of the process that sends them at any time; a thread of
/// its own calls the environments.
#[pyfunction]
pub fn serve_worker(py: Python<'_>, open: Py<PyAny>) -> PyResult<bool> {
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // Environments get an empty standard input.
    let null = py.import("os")?.call_method1("open", ("/dev/null", 0))?;
    py.import("os")?.call_method1("dup2", (null, 0))?;
    if ANSWERS.set(Mutex::new(stream.try_clone()?)).is_err() {
        return Err(no_socket());
    }
    let (requests, received) = mpsc::channel();
    let (done, ended) = mpsc::channel::<()>();
    thread::Builder::new().name("twisterl".into()).spawn(move || {
        Worker { open, spec: None, memory: None, batches: HashMap::new() }.serve(&received);
        drop(done);
    })?;
    py.detach(move || {
        while let Some((ticket, message)) = read_message(&stream) {
            match Request::read(&message) {
                Ok(Request::Interrupt) => Python::attach(interrupt_envs),
                request => {
                    if requests.send((ticket, request)).is_err() {
                        break;
                    }
                }
            }
        }
        drop(requests);
        let waited = ended.recv_timeout(ENDING);
        Ok(matches!(waited, Err(mpsc::RecvTimeoutError::Disconnected)))
    })
}

/// Sends a warning, as bytes, to the process that started this worker.
#[pyfunction]
pub fn warn_of_worker(warning: &Bound<'_, PyBytes>) -> PyResult<()> {
    let answers = ANSWERS.get().ok_or_else(no_socket)?;
    // If it is gone, there is nobody to warn.
    let _ = write_message(&*lock(answers), NO_TICKET, warning.as_bytes());
    Ok(())
}

/// The environment of this worker and its batches.
struct Worker {
    /// Returns the environment of a description.
    open: Py<PyAny>,
    spec: Option<Arc<dyn EnvSpec>>,
    memory: Option<File>,
    batches: HashMap<u32, (PythonEnvBatch, Region)>,
}

impl Worker {
    fn serve(mut self, requests: &Receiver<(u32, Result<Request>)>) {
        let mut measures_success = false;
        for (ticket, request) in requests {
            let batch = request.as_ref().ok().and_then(Request::observes);
            let result = request.and_then(|request| self.answer(request));
            measures_success =
                measures_success || self.spec.as_ref().is_some_and(|spec| spec.measures_success());
            if ticket != NO_TICKET
                && let Some(answers) = ANSWERS.get()
            {
                let message = answer(measures_success, result, |bytes| {
                    let (_, region) = self.batches.get(&batch?)?;
                    memory::write(self.memory.as_ref()?, *region, bytes).then_some(region.start)
                });
                // If nobody is there any more, the requests end, too.
                let _ = write_message(&*lock(answers), ticket, &message);
            }
        }
    }

    // long function: one case for each request
    fn answer(&mut self, request: Request) -> Result<Vec<u8>> {
        let mut to = Writer::default();
        match request {
            Request::Interrupt => {}
            Request::Environment(described, descriptor) => {
                self.spec = Some(self.make(&described)?);
                // Without it, all answers are sent.
                self.memory = memory::open(descriptor).ok();
            }
            Request::Open(batch, len, region) => {
                let made = PythonEnvBatch::new(self.python_spec()?, len);
                self.batches.insert(batch, (made, region));
            }
            Request::Begin(batch, slot, difficulty, seed, state) => {
                let batch = self.batch(batch)?;
                batch.begin_at(slot, difficulty, seed, state)?;
                to.byte(u8::from(batch.solved(slot)));
                observe(batch, &[slot], &mut to);
            }
            Request::Observe(batch, slots) => {
                let (mut seen, mut masks) = (Observations::new(), Vec::new());
                self.batch(batch)?.observe(&slots, &mut seen, &mut masks)?;
                to.observations(&seen);
                to.bools(&masks);
            }
            Request::Step(batch, slots, discrete, continuous) => {
                let mut actions = Actions::new(&self.python_spec()?.action_space);
                (actions.discrete, actions.continuous) = (discrete, continuous);
                step(self.batch(batch)?, &slots, &actions, &mut to)?;
            }
            Request::State(batch, slot) => {
                let mut state = Vec::new();
                self.batch(batch)?.state(slot, &mut state)?;
                to.f64s(&state);
            }
            Request::Keys(batch, slots) => {
                let mut keys = Vec::new();
                self.batch(batch)?.keys(&slots, &mut keys)?;
                to.u64s(&keys);
            }
            Request::Copy(batch, slots) => {
                let (pairs, _) = slots.as_chunks::<2>();
                let pairs: Vec<_> = pairs.iter().map(|&[from, to]| (from, to)).collect();
                self.batch(batch)?.copy(&pairs)?;
            }
            Request::Duplicate(batch, other, region) => {
                let copies = self.batch(batch)?.copies()?;
                self.batches.insert(other, (copies, region));
            }
            Request::Render(batch, slot) => to.bytes(self.batch(batch)?.render(slot)?.as_bytes()),
            Request::InverseState(batch, slot) => {
                let state = self.batch(batch)?.inverse_state(slot)?;
                to.byte(u8::from(state.is_some()));
                to.f64s(state.as_deref().unwrap_or(&[]));
            }
            Request::InvertSolution(batch, slot, actions) => {
                let inverse = self.batch(batch)?.invert_solution(slot, &actions)?;
                to.byte(u8::from(inverse.is_some()));
                to.u32s(inverse.as_deref().unwrap_or(&[]));
            }
            Request::Close(batch) => self.batch(batch)?.close()?,
            Request::Release(batch) => drop(self.batches.remove(&batch)),
        }
        Ok(to.into_bytes())
    }

    /// Makes the environment that Python described.
    fn make(&self, described: &[u8]) -> Result<Arc<dyn EnvSpec>> {
        let opened = call_env(None, |py| {
            self.open
                .call1(py, (PyBytes::new(py, described),))?
                .extract::<(String, Factory, String)>(py)
        });
        let (name, factory, params) = opened.map_err(|error| raised("", error))?;
        let params = serde_json::from_str(&params)
            .map_err(|error| Error::internal(format!("parameters of an environment: {error}")))?;
        PythonEnvSpec::make(&name, &factory, &params)
    }

    fn python_spec(&self) -> Result<&PythonEnvSpec> {
        let spec = self.spec.as_deref().and_then(PythonEnvSpec::of_spec);
        spec.ok_or_else(|| Error::internal("a worker without an environment"))
    }

    fn batch(&mut self, number: u32) -> Result<&mut PythonEnvBatch> {
        let batch = self.batches.get_mut(&number).map(|(batch, _)| batch);
        batch.ok_or_else(|| Error::internal(format!("a worker without a batch {number}")))
    }
}

/// Appends observations of slots, or none if that fails: whoever needs them asks for them, and is told why.
fn observe(batch: &mut PythonEnvBatch, slots: &[usize], to: &mut Writer) {
    let (mut seen, mut masks) = (Observations::new(), Vec::new());
    if batch.observe(slots, &mut seen, &mut masks).is_err() {
        (seen, masks) = (Observations::new(), Vec::new());
    }
    to.observations(&seen);
    to.bools(&masks);
}

fn step(
    batch: &mut PythonEnvBatch,
    slots: &[usize],
    actions: &Actions,
    to: &mut Writer,
) -> Result<()> {
    let mut steps = Vec::with_capacity(slots.len());
    batch.step(slots, actions, &mut steps)?;
    to.f32s(&steps.iter().map(|step| step.reward).collect::<Vec<_>>());
    let flags = steps.iter().zip(slots).map(|(step, &slot)| {
        let (terminated, truncated) = (u32::from(step.terminated), u32::from(step.truncated));
        terminated | truncated << 1 | u32::from(batch.solved(slot)) << 2
    });
    to.u32s(&flags.collect::<Vec<_>>());
    let goes_on = |(step, &slot): (&Step, &usize)| (!step.done()).then_some(slot);
    let on: Vec<usize> = steps.iter().zip(slots).filter_map(goes_on).collect();
    observe(batch, &on, to);
    Ok(())
}
