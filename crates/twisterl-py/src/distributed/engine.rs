//! Engines written in Python.

use crate::convert::json;
use crate::python_env::raised;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use twisterl_train::algorithms::spread::Engine;
use twisterl_train::config::EngineName;
use twisterl_train::trainer::Engines;
use twisterl_train::trainer::distributed::scheduler::{Outcome, Scheduler, Workers};
use twisterl_train::{Error, Result};

const MODULE: &str = "twisterl._internal.processes.spread.engine";

/// Returns the engine that a caller gives: a `twisterl.spread.Engine`, or its name.
///
/// # Errors
/// `UsageError` if it is neither; what the making of an engine raises.
pub fn engine_of(given: &Bound<'_, PyAny>) -> PyResult<Arc<dyn Engine>> {
    let engine = given.py().import(MODULE)?.call_method1("of", (given,))?.unbind();
    // What was made here ends with the run.
    let owned = given.is_instance_of::<PyString>();
    let (handles, numbers) = (HashMap::new(), PyDict::new(given.py()).unbind());
    Ok(Arc::new(Scheduler::new(PythonWorkers { engine, owned, handles, numbers })))
}

/// Returns what makes the engines of this package by their names.
pub fn engines() -> Engines {
    Engines::new(|name: &EngineName| {
        Python::attach(|py| engine_of(PyString::new(py, &name.to_string()).as_any()))
            .map_err(|error| Error::from(raised("engine", error)))
    })
}

/// Returns the kind of an engine's name, and its number of workers.
///
/// # Errors
/// `UsageError` if there is no such engine.
#[pyfunction]
pub fn engine_name(py: Python<'_>, name: &str) -> PyResult<(&'static str, Option<usize>)> {
    match EngineName::parse(name) {
        Ok(EngineName::Processes(workers)) => Ok(("processes", workers)),
        Ok(EngineName::Ray) => Ok(("ray", None)),
        Err(error) => Err(crate::error::raise(py, "UsageError", &error.to_string())),
    }
}

/// The workers of an engine: `twisterl.spread.Engine`.
struct PythonWorkers {
    engine: Py<PyAny>,
    owned: bool,
    /// The engine's tasks by their numbers, and the other way round.
    handles: HashMap<u64, Py<PyAny>>,
    numbers: Py<PyDict>,
}

impl PythonWorkers {
    /// Calls a method of the engine, and takes its result.
    fn call<T>(
        &self,
        call: impl for<'py> FnOnce(Python<'py>, &Bound<'py, PyAny>) -> PyResult<T>,
    ) -> Result<T> {
        Python::attach(|py| call(py, self.engine.bind(py)))
            .map_err(|error| Error::from(raised("engine", error)))
    }

    /// Forgets a task.
    fn forget(&mut self, py: Python<'_>, number: u64) -> PyResult<()> {
        match self.handles.remove(&number) {
            Some(handle) => self.numbers.bind(py).del_item(handle),
            None => Ok(()),
        }
    }

    fn ended(&mut self, py: Python<'_>, seconds: f64) -> PyResult<Vec<(u64, Outcome)>> {
        let tasks = self.numbers.bind(py).keys();
        let told = self.engine.bind(py).call_method1("wait", (tasks, seconds))?;
        let mut ended = Vec::new();
        for pair in told.try_iter()? {
            let (task, outcome): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair?.extract()?;
            // One that was given up may be told of as well.
            let Some(number) = self.numbers.bind(py).get_item(&task)? else { continue };
            let number: u64 = number.extract()?;
            self.forget(py, number)?;
            ended.push((number, outcome_of(&outcome)?));
        }
        Ok(ended)
    }
}

/// Returns what `wait` of an engine tells of a task.
fn outcome_of(told: &Bound<'_, PyAny>) -> PyResult<Outcome> {
    let py = told.py();
    if let Ok(answer) = told.cast::<PyBytes>() {
        return Ok(Outcome::Answer(answer.as_bytes().to_vec()));
    }
    if !told.is_instance_of::<PyException>() {
        let expected = "the answer (bytes) or the exception of each task from wait()";
        let found = told.get_type().name()?.to_string();
        return Err(crate::error::refuse(py, "UsageError", "engine", expected, &found));
    }
    let (lost, text) = (py.import(MODULE)?.getattr("WorkerLostError")?, told.str()?.to_string());
    Ok(if told.is_instance(&lost)? { Outcome::Lost(text) } else { Outcome::Failed(text) })
}

impl Workers for PythonWorkers {
    type Data = Arc<Py<PyAny>>;

    fn put(&mut self, data: &[u8]) -> Result<Self::Data> {
        self.call(|py, engine| {
            Ok(Arc::new(engine.call_method1("put", (PyBytes::new(py, data),))?.unbind()))
        })
    }

    fn submit(
        &mut self,
        task: u64,
        config: &Self::Data,
        question: &Self::Data,
        part: usize,
    ) -> Result<()> {
        let handle = self.call(|py, engine| {
            let handle = engine.call_method1("submit", (&**config, &**question, part))?;
            self.numbers.bind(py).set_item(&handle, task)?;
            Ok(handle.unbind())
        })?;
        self.handles.insert(task, handle);
        Ok(())
    }

    fn wait(&mut self, time: Duration) -> Result<Vec<(u64, Outcome)>> {
        Python::attach(|py| self.ended(py, time.as_secs_f64()))
            .map_err(|error| Error::from(raised("engine", error)))
    }

    fn width(&mut self) -> Result<usize> {
        self.call(|_, engine| engine.call_method0("width")?.extract())
    }

    fn withdraw(&mut self, task: u64) -> Result<bool> {
        let Some(handle) = self.handles.get(&task) else { return Ok(false) };
        let withdrawn =
            self.call(|_, engine| engine.call_method1("withdraw", (handle,))?.is_truthy())?;
        if withdrawn {
            Python::attach(|py| self.forget(py, task))
                .map_err(|error| Error::from(raised("engine", error)))?;
        }
        Ok(withdrawn)
    }

    fn cancel(&mut self, task: u64) -> Result<()> {
        let Some(handle) = self.handles.get(&task) else { return Ok(()) };
        self.call(|_, engine| engine.call_method1("cancel", (handle,)).map(drop))?;
        Python::attach(|py| self.forget(py, task))
            .map_err(|error| Error::from(raised("engine", error)))
    }

    fn warn(&mut self, text: &str) -> Result<()> {
        self.call(|py, _| json::warn_of(py, text))
    }
}

impl Drop for PythonWorkers {
    fn drop(&mut self) {
        if self.owned {
            // What cannot be ended now ends with this process.
            Python::attach(|py| drop(self.engine.call_method0(py, "close")));
        }
    }
}
