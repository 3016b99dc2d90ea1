//! Requests.

use serde_json::{Map, Value};
use twisterl_core::env::Start;
use twisterl_core::error::names::{nearest, question};
use twisterl_core::error::{from_serde, json};
use twisterl_core::registry::EnvSpec;
use twisterl_core::{Error, Result};

/// The longest request, in bytes.
pub(crate) const MAX_REQUEST: usize = 1 << 24;
/// The largest difficulty of a scramble.
const MAX_DIFFICULTY: usize = 1_000_000;

/// The calls of an agent. A request without one is to solve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Solve,
    Evaluate,
    Step,
    Describe,
    Render,
    Scramble,
}

const CALLS: [(&str, Call); 6] = [
    ("solve", Call::Solve),
    ("evaluate", Call::Evaluate),
    ("step", Call::Step),
    ("describe", Call::Describe),
    ("render", Call::Render),
    ("scramble", Call::Scramble),
];

/// A request: its call, and the other fields, which the call takes out one by one.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) call: Call,
    fields: Map<String, Value>,
}

/// A problem to be solved.
#[derive(Debug, Clone, PartialEq)]
pub enum Problem {
    /// A given state, with the full budget.
    State(Vec<f64>),
    /// A scramble of this difficulty, by default that of the environment. The seed of the options draws it.
    Scramble(Option<usize>),
}

impl Request {
    pub(super) fn read(text: &[u8]) -> Result<Self> {
        if text.len() > MAX_REQUEST {
            let expected = format!("at most {MAX_REQUEST} bytes");
            return Err(Error::config("request", expected, text.len()));
        }
        let refused = |found: String| Error::config("request", "a JSON object", found);
        let value: Value = json::parse(text).map_err(|error| refused(error.to_string()))?;
        let Value::Object(mut fields) = value else {
            return Err(refused(from_serde::describe(&value)));
        };
        let name = fields.shift_remove("call");
        let Some(name) = name else { return Ok(Self { call: Call::Solve, fields }) };
        match CALLS.iter().find(|(call, _)| name == *call) {
            Some((_, call)) => Ok(Self { call: *call, fields }),
            None => Err(unknown_call(&name)),
        }
    }

    /// Takes out a field and reads it; `None` if it is not there.
    pub(super) fn take<T: serde::de::DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>> {
        match self.fields.shift_remove(name) {
            None => Ok(None),
            Some(value) => from_serde::read(value).map(Some).map_err(|error| error.below(name)),
        }
    }

    /// Takes out the state.
    pub(super) fn take_state(&mut self) -> Result<Option<Vec<f64>>> {
        let Some(value) = self.take::<Value>("state")? else { return Ok(None) };
        let mut numbers = Vec::new();
        flatten(&value, &mut numbers)?;
        Ok(Some(numbers))
    }

    /// Takes out the state, which has to be there.
    pub(super) fn required_state(&mut self) -> Result<Vec<f64>> {
        let missing = || Error::config("state", "a list of numbers", "none");
        self.take_state()?.ok_or_else(missing)
    }

    /// Takes out a state, or the difficulty of a scramble.
    pub(super) fn take_problem(&mut self) -> Result<Problem> {
        let difficulty = self.take::<usize>("difficulty")?;
        match (self.take_state()?, difficulty) {
            (Some(_), Some(difficulty)) => {
                Err(Error::config("difficulty", "none beside a state", difficulty))
            }
            (Some(state), None) => Ok(Problem::State(state)),
            (None, difficulty) => Ok(Problem::Scramble(difficulty)),
        }
    }

    /// Returns the fields that were not taken.
    pub(super) fn into_rest(self) -> Map<String, Value> {
        self.fields
    }

    /// Checks that no field is left.
    pub(super) fn finish(self, known: &[&str]) -> Result<()> {
        match self.fields.keys().next() {
            Some(key) => Err(from_serde::unknown_key(key, known.iter().copied())),
            None => Ok(()),
        }
    }
}

impl Problem {
    /// Returns the start of its episode.
    pub(super) fn start(&self, spec: &dyn EnvSpec) -> Result<Start<'_>> {
        match self {
            Self::State(state) => Ok(Start::State { state, difficulty: None }),
            Self::Scramble(difficulty) => {
                let difficulty = difficulty.unwrap_or_else(|| spec.difficulty());
                let difficulty =
                    twisterl_core::error::in_range("difficulty", difficulty, 0..=MAX_DIFFICULTY)?;
                Ok(Start::Scramble { difficulty })
            }
        }
    }
}

fn unknown_call(name: &Value) -> Error {
    let names: Vec<&str> = CALLS.iter().map(|(name, _)| *name).collect();
    let near = name.as_str().and_then(|name| nearest(name, names.iter().copied()));
    let found = format!("{}{}", from_serde::describe(name), near.map(question).unwrap_or_default());
    Error::config("call", format!("one of {}", names.join(", ")), found)
}

/// Appends the numbers of a list, which may be in rows.
fn flatten(value: &Value, numbers: &mut Vec<f64>) -> Result<()> {
    match value {
        Value::Array(list) => list.iter().try_for_each(|value| flatten(value, numbers)),
        value => match value.as_f64() {
            Some(number) => {
                numbers.push(number);
                Ok(())
            }
            None => Err(Error::config("state", "a list of numbers", from_serde::describe(value))),
        },
    }
}
