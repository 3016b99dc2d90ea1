//! The messages between a worker and the process that started it.

use super::wire::{Reader, Writer};
use crate::python_env::raised;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use twisterl_core::error::Raised;
use twisterl_core::{Error, Result};

/// The ticket of messages that nobody answers.
pub(super) const NO_TICKET: u32 = 0;

/// A part of the memory, for the answers about one batch, of which one at a time is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) start: u64,
    pub(super) length: u64,
}

/// A request to a worker. Slots are those of the worker's part of a batch.
pub(super) enum Request {
    /// Raises `KeyboardInterrupt` in the environment that is being called.
    Interrupt,
    /// Opens the environment that Python described, and the memory by its descriptor. The first request.
    Environment(Vec<u8>, i32),
    /// Makes a batch of this length, whose long answers go to a region of the memory.
    Open(u32, usize, Region),
    /// Begins an episode in a slot: with its difficulty, seed and state.
    Begin(u32, usize, Option<usize>, u32, Option<Vec<f64>>),
    /// Observes slots.
    Observe(u32, Vec<usize>),
    /// Steps slots by actions, discrete and continuous values, and observes those whose episodes go on.
    Step(u32, Vec<usize>, Vec<u32>, Vec<f32>),
    /// Returns the state of a slot.
    State(u32, usize),
    /// Returns keys of states.
    Keys(u32, Vec<usize>),
    /// Copies slots, in pairs.
    Copy(u32, Vec<usize>),
    /// Makes another batch of copies, with its region.
    Duplicate(u32, u32, Region),
    /// Returns a state as text.
    Render(u32, usize),
    /// Returns the state of the inverse problem of a slot.
    InverseState(u32, usize),
    /// Turns a solution of the inverse problem of a slot around.
    InvertSolution(u32, usize, Vec<u32>),
    /// Closes the environments of a batch.
    Close(u32),
    /// Ends a batch.
    Release(u32),
}

impl Request {
    /// Returns the request as bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::default();
        let list = |slots: &[usize]| slots.iter().map(|&slot| slot as u64).collect::<Vec<_>>();
        match self {
            Self::Interrupt => to.byte(0),
            Self::Environment(described, memory) => {
                to.byte(1);
                to.bytes(described);
                to.number(u64::from(memory.cast_unsigned()));
            }
            Self::Open(batch, len, memory) => {
                head(&mut to, 2, *batch, *len);
                region(&mut to, *memory);
            }
            Self::Begin(batch, slot, difficulty, seed, state) => {
                head(&mut to, 3, *batch, *slot);
                to.byte(u8::from(difficulty.is_some()));
                to.number(difficulty.unwrap_or(0) as u64);
                to.number(u64::from(*seed));
                to.byte(u8::from(state.is_some()));
                to.f64s(state.as_deref().unwrap_or(&[]));
            }
            Self::Observe(batch, slots) => {
                head(&mut to, 4, *batch, 0);
                to.u64s(&list(slots));
            }
            Self::Step(batch, slots, discrete, continuous) => {
                head(&mut to, 5, *batch, 0);
                to.u64s(&list(slots));
                to.u32s(discrete);
                to.f32s(continuous);
            }
            Self::State(batch, slot) => head(&mut to, 6, *batch, *slot),
            Self::Keys(batch, slots) => {
                head(&mut to, 7, *batch, 0);
                to.u64s(&list(slots));
            }
            Self::Copy(batch, pairs) => {
                head(&mut to, 8, *batch, 0);
                to.u64s(&list(pairs));
            }
            Self::Duplicate(batch, other, memory) => {
                head(&mut to, 9, *batch, *other as usize);
                region(&mut to, *memory);
            }
            Self::Render(batch, slot) => head(&mut to, 10, *batch, *slot),
            Self::Close(batch) => head(&mut to, 11, *batch, 0),
            Self::Release(batch) => head(&mut to, 12, *batch, 0),
            Self::InverseState(batch, slot) => head(&mut to, 13, *batch, *slot),
            Self::InvertSolution(batch, slot, actions) => {
                head(&mut to, 14, *batch, *slot);
                to.u32s(actions);
            }
        }
        to.into_bytes()
    }

    /// The batch whose observations the answer holds, if it does.
    pub(super) fn observes(&self) -> Option<u32> {
        match self {
            Self::Observe(batch, ..) | Self::Step(batch, ..) => Some(*batch),
            _ => None,
        }
    }

    /// Reads a request.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn read(message: &[u8]) -> Result<Self> {
        let from = &mut Reader::new(message);
        let kind = from.byte()?;
        match kind {
            0 => return Ok(Self::Interrupt),
            1 => {
                let (described, memory) = (from.bytes()?.to_vec(), from.number()? as u32);
                return Ok(Self::Environment(described, memory.cast_signed()));
            }
            _ => {}
        }
        let (batch, other) = (from.number()? as u32, from.size()?);
        Ok(match kind {
            2 => Self::Open(batch, other, read_region(from)?),
            3 => {
                let (has_difficulty, difficulty) = (from.byte()? != 0, from.size()?);
                let (seed, has_state, state) = (from.number()? as u32, from.byte()?, from.f64s()?);
                let state = (has_state != 0).then_some(state);
                Self::Begin(batch, other, has_difficulty.then_some(difficulty), seed, state)
            }
            4 => Self::Observe(batch, from.slots()?),
            5 => Self::Step(batch, from.slots()?, from.u32s()?, from.f32s()?),
            6 => Self::State(batch, other),
            7 => Self::Keys(batch, from.slots()?),
            8 => Self::Copy(batch, from.slots()?),
            9 => Self::Duplicate(batch, other as u32, read_region(from)?),
            10 => Self::Render(batch, other),
            11 => Self::Close(batch),
            12 => Self::Release(batch),
            13 => Self::InverseState(batch, other),
            14 => Self::InvertSolution(batch, other, from.u32s()?),
            _ => return Err(Error::internal(format!("a request of kind {kind} to a worker"))),
        })
    }
}

fn head(to: &mut Writer, kind: u8, batch: u32, other: usize) {
    to.byte(kind);
    to.number(u64::from(batch));
    to.number(other as u64);
}

fn region(to: &mut Writer, region: Region) {
    to.number(region.start);
    to.number(region.length);
}

fn read_region(from: &mut Reader<'_>) -> Result<Region> {
    Ok(Region { start: from.number()?, length: from.number()? })
}

/// The module that carries exceptions and warnings over.
const CARRIED: &str = "twisterl._internal.processes.carried";

/// Returns the answer to a request as bytes: whether the environment measures success, and the result, which `store` writes
/// elsewhere if it returns where.
pub(super) fn answer(
    measures_success: bool,
    result: Result<Vec<u8>>,
    store: impl FnOnce(&[u8]) -> Option<u64>,
) -> Vec<u8> {
    let mut to = Writer::default();
    to.byte(u8::from(measures_success));
    match result {
        Ok(bytes) => match store(&bytes) {
            Some(start) => {
                to.byte(6);
                to.number(start);
                to.number(bytes.len() as u64);
            }
            None => {
                to.byte(0);
                let mut answer = to.into_bytes();
                answer.extend_from_slice(&bytes);
                return answer;
            }
        },
        Err(Error::Interrupted) => to.byte(1),
        Err(Error::Contract { name, rule, found }) => texts(&mut to, 2, &[&name, &rule, &found]),
        Err(Error::Config { path, expected, found }) => {
            texts(&mut to, 3, &[&path, &expected, &found]);
        }
        Err(Error::Raised { name, raised }) => match raised.downcast_ref::<PyErr>().map(packed) {
            Some(Ok(bytes)) => {
                to.byte(4);
                to.bytes(&bytes);
            }
            _ => texts(&mut to, 2, &[&name, "environments raise exceptions", &raised.to_string()]),
        },
        Err(other) => texts(&mut to, 5, &[&other.to_string()]),
    }
    to.into_bytes()
}

fn texts(to: &mut Writer, kind: u8, texts: &[&str]) {
    to.byte(kind);
    texts.iter().for_each(|text| to.bytes(text.as_bytes()));
}

/// Returns an exception as bytes, with its traceback as text.
fn packed(error: &PyErr) -> PyResult<Vec<u8>> {
    Python::attach(|py| {
        py.import(CARRIED)?.call_method1("packed", (error.value(py),))?.extract::<Vec<u8>>()
    })
}

/// The result in an answer.
pub(super) enum Answered {
    /// The rest of the answer, from here on.
    Here(usize),
    /// In the memory: start and length.
    InMemory(u64, usize),
}

/// Reads an answer: whether the environment, `name`, measures success, and the result.
///
/// # Errors
/// The error of the worker.
pub(super) fn read_answer(name: &str, answer: &[u8]) -> Result<(bool, Answered)> {
    let mut from = Reader::new(answer);
    let (measures_success, kind) = (from.byte()? != 0, from.byte()?);
    Err(match kind {
        0 => return Ok((measures_success, Answered::Here(2))),
        6 => return Ok((measures_success, Answered::InMemory(from.number()?, from.size()?))),
        1 => Error::Interrupted,
        2 => Error::contract(from.text()?, from.text()?, from.text()?),
        3 => Error::config(from.text()?, from.text()?, from.text()?),
        4 => {
            let bytes = from.bytes()?;
            let error = Python::attach(|py| unpacked(py, bytes));
            Error::Raised { name: name.into(), raised: Raised::new(error) }
        }
        _ => Error::internal(from.text()?),
    })
}

fn unpacked(py: Python<'_>, bytes: &[u8]) -> PyErr {
    let bytes = PyBytes::new(py, bytes);
    match py.import(CARRIED).and_then(|carried| carried.call_method1("unpacked", (bytes,))) {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

/// Issues a warning that a worker carried over.
///
/// # Errors
/// The warning, where the user turns warnings into exceptions.
pub(super) fn warn(name: &str, bytes: &[u8]) -> Result<()> {
    let warned = Python::attach(|py| {
        let bytes = PyBytes::new(py, bytes);
        py.import(CARRIED)?.call_method1("warn", (bytes,)).map(drop)
    });
    warned.map_err(|error| raised(name, error))
}

/// Returns the error for a request that only Python can answer.
pub(super) fn no_socket() -> PyErr {
    PyRuntimeError::new_err("expected a process that twisterl started as a worker")
}
