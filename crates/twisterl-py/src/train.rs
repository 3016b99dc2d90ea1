//! Training runs: on a thread of their own, with Ctrl-C and the callback on the thread that called.

use crate::error::{exception, raise};
use crate::registry::registry;
use numpy::{PyArray1, PyArrayMethods as _};
use pyo3::exceptions::{PyKeyboardInterrupt, PyUserWarning};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde_json::{Map, Value};
use std::any::Any;
use std::ffi::CString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};
use twisterl_train::config::{IgnoredField, Override, RunConfig};
use twisterl_train::record::run_folder::RunFolder;
use twisterl_train::trainer::{self, GRACE, Observer, Options, Summary};
use twisterl_train::{Error, Result};

/// How often signals are looked for.
pub const LOOK: Duration = Duration::from_millis(50);

/// Metrics of an iteration, and where to say whether to go on.
type Report = (Map<String, Value>, SyncSender<bool>);

/// Reads and checks a config (JSON), with `sets` (`path=value`) set in it one after the other; returns it with all
/// defaults written out.
#[pyfunction]
#[pyo3(signature = (config, sets=Vec::new()))]
pub fn resolve_config(py: Python<'_>, config: &str, sets: Vec<String>) -> PyResult<String> {
    let (config, ignored) = read(config, &sets).map_err(|e| exception(py, &e))?;
    warn(py, &ignored)?;
    Ok(config.to_value().to_string())
}

/// Reads a config that [`resolve_config`] wrote.
pub fn parse(config: &str) -> Result<RunConfig> {
    read(config, &[]).map(|(config, _)| config)
}

fn read(config: &str, sets: &[String]) -> Result<(RunConfig, Vec<IgnoredField>)> {
    let mut value: Value =
        serde_json::from_str(config).map_err(|e| Error::config("config", "JSON", e))?;
    for set in sets {
        Override::parse(set)?.apply(&mut value)?;
    }
    RunConfig::read(value)
}

/// Issues a `UserWarning` for each field of a config that is ignored.
fn warn(py: Python<'_>, ignored: &[IgnoredField]) -> PyResult<()> {
    let category = py.get_type::<PyUserWarning>();
    for field in ignored {
        // A path from JSON may hold a NUL, which C strings cannot.
        let message = CString::new(field.to_string().replace('\0', "\\0"))?;
        PyErr::warn(py, &category, &message, 2)?;
    }
    Ok(())
}

/// The JSON Schema of configs.
#[pyfunction]
pub fn schema() -> String {
    RunConfig::schema().to_string()
}

/// The first of `path`, `path-2`, `path-3`, ... that does not exist.
#[pyfunction]
pub fn free_run_path(path: PathBuf) -> PathBuf {
    RunFolder::unused_path(&path)
}

/// Writes the policy that `input` leads to as one `.safetensors` file.
#[pyfunction]
#[pyo3(signature = (input, output, config=None))]
pub fn convert(
    py: Python<'_>,
    input: PathBuf,
    output: PathBuf,
    config: Option<PathBuf>,
) -> PyResult<()> {
    py.detach(|| {
        twisterl_train::record::load::convert(&input, config.as_deref(), &output, registry())
    })
    .map_err(|e| exception(py, &e))
}

/// Writes the tensors of a `.pt` file as they are as a `.safetensors` file.
#[pyfunction]
pub fn convert_tensors(py: Python<'_>, input: PathBuf, output: PathBuf) -> PyResult<()> {
    py.detach(|| twisterl_train::record::load::convert_tensors(&input, &output))
        .map_err(|e| exception(py, &e))
}

/// The tensors of a file of weights by name, as arrays.
#[pyfunction]
pub fn read_tensors(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyDict>> {
    let tensors = py.detach(|| twisterl_train::record::load::read_tensors(&path));
    let dict = PyDict::new(py);
    for (name, shape, values) in tensors.map_err(|e| exception(py, &e))? {
        dict.set_item(name, PyArray1::from_vec(py, values).reshape(shape)?)?;
    }
    Ok(dict)
}

/// Collects the transitions of one PPO iteration of the run that `config` describes, with the weights of `policy`.
#[pyfunction]
#[pyo3(signature = (policy, config, difficulty, iteration=0))]
pub fn collect<'py>(
    py: Python<'py>,
    policy: &crate::policy::Policy,
    config: &str,
    difficulty: usize,
    iteration: u64,
) -> PyResult<Bound<'py, PyDict>> {
    let gathered = py.detach(|| policy.collect(&parse(config)?, difficulty, iteration));
    let (batch, values, rewards) = gathered.map_err(|e| exception(py, &e))?;
    let rows = 0..batch.len();
    let dict = PyDict::new(py);
    if batch.observations.dense().is_empty() {
        dict.set_item(
            "obs",
            rows.map(|i| batch.observations.ones(i).to_vec()).collect::<Vec<_>>(),
        )?;
    } else {
        let values = PyArray1::from_slice(py, batch.observations.dense());
        dict.set_item("obs", values.call_method1("reshape", (batch.len(), -1))?)?;
    }
    dict.set_item("actions", PyArray1::from_vec(py, batch.actions.discrete))?;
    dict.set_item("log_probs", PyArray1::from_vec(py, batch.log_probs))?;
    dict.set_item("values", PyArray1::from_vec(py, values))?;
    dict.set_item("rewards", PyArray1::from_vec(py, rewards))?;
    dict.set_item("rets", PyArray1::from_vec(py, batch.returns))?;
    dict.set_item("advs", PyArray1::from_vec(py, batch.advantages))?;
    Ok(dict)
}

/// Starts a run in the folder `path` and returns what came of it, as a dict.
#[pyfunction]
#[pyo3(signature = (config, path, load_checkpoint=None, num_cores=None, quiet=false, callback=None))]
pub fn train<'py>(
    py: Python<'py>,
    config: &str,
    path: PathBuf,
    load_checkpoint: Option<PathBuf>,
    num_cores: Option<usize>,
    quiet: bool,
    callback: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let config = parse(config).map_err(|e| exception(py, &e))?;
    let options =
        Options { load_checkpoint, quiet, threads: num_cores.map(threads), ..Options::default() };
    watch(py, options, callback, move |options| trainer::train(&config, &path, options, registry()))
}

/// Goes on with the run in the folder `path`, up to `num_iterations` in all.
#[pyfunction]
#[pyo3(signature = (path, num_iterations=None, num_cores=None, quiet=false, callback=None))]
pub fn resume<'py>(
    py: Python<'py>,
    path: PathBuf,
    num_iterations: Option<u64>,
    num_cores: Option<usize>,
    quiet: bool,
    callback: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let read = RunFolder::open(&path).and_then(|folder| folder.config());
    warn(py, &read.map_err(|e| exception(py, &e))?.1)?;
    let options = Options { quiet, threads: num_cores.map(threads), ..Options::default() };
    watch(py, options, callback, move |options| {
        trainer::resume(&path, num_iterations, options, registry())
    })
}

fn threads(bound: usize) -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(bound).max(1)
}

/// Does `work` on a thread of its own. The calling thread shows metrics to the callback and looks for signals; either
/// may stop the run, which is then brought to an end in order before the exception is raised.
fn watch<'py>(
    py: Python<'py>,
    mut options: Options,
    callback: Option<&Bound<'py, PyAny>>,
    work: impl FnOnce(&Options) -> Result<Summary> + Send + 'static,
) -> PyResult<Bound<'py, PyDict>> {
    let (reports, mut received) = mpsc::sync_channel::<Report>(0);
    let (done, mut finished) = mpsc::sync_channel(1);
    if callback.is_some() {
        options.observer = Some(Observer::new(move |metrics| {
            let (answer, answered) = mpsc::sync_channel(1);
            // Nobody listens any more once the calling thread has left.
            reports.send((metrics.clone(), answer)).is_ok() && answered.recv().unwrap_or(false)
        }));
    }
    let (stop, interrupt) = (Arc::clone(&options.stop), options.interrupt.clone());
    let worker = thread::Builder::new()
        .name("twisterl".into())
        .spawn(move || {
            let result = work(&options);
            // The other side waits until this thread ends.
            let _ = done.send(());
            result
        })
        .map_err(|e| exception(py, &Error::threads(&e)))?;
    let mut reason: Option<(PyErr, Instant)> = None;
    loop {
        if callback.is_some()
            && let Ok((metrics, answer)) = wait(py, &mut received, LOOK)
        {
            let shown = callback.map_or(Ok(true), |callback| show(callback, &metrics));
            let go_on = match shown {
                Ok(go_on) => go_on,
                Err(error) => {
                    reason.get_or_insert((error, Instant::now()));
                    false
                }
            };
            // The run waits for this answer, or has failed.
            let _ = answer.send(go_on);
        }
        let time = if callback.is_some() { Duration::ZERO } else { LOOK };
        if wait(py, &mut finished, time) != Err(RecvTimeoutError::Timeout) {
            break;
        }
        if let Err(signal) = py.check_signals() {
            reason.get_or_insert((signal, Instant::now()));
        }
        if let Some((_, since)) = &reason {
            stop.store(true, Ordering::Relaxed);
            if since.elapsed() >= GRACE {
                interrupt.set();
            }
        }
    }
    let summary = match py.detach(|| worker.join()) {
        Ok(Ok(summary)) => summary,
        Ok(Err(error)) => return Err(exception(py, &error)),
        Err(payload) => return Err(raise(py, "TwisteRLError", &panicked(&*payload))),
    };
    match reason {
        Some((error, _)) if error.is_instance_of::<PyKeyboardInterrupt>(py) => {
            let path = summary.path.display();
            let message = format!(
                "{path}: stopped after iteration {}; twisterl.resume({path:?}) goes on",
                summary.iterations
            );
            Err(PyKeyboardInterrupt::new_err(message))
        }
        Some((error, _)) => Err(error),
        None => dict(py, &summary),
    }
}

/// What comes next, if it comes in this time.
pub fn wait<T: Send>(
    py: Python<'_>,
    receiver: &mut Receiver<T>,
    time: Duration,
) -> Result<T, RecvTimeoutError> {
    py.detach(move || {
        // The exclusive reference itself, since a receiver cannot be shared.
        let receiving = receiver;
        receiving.recv_timeout(time)
    })
}

/// Whether the callback wants the run to go on: only False stops it.
fn show(callback: &Bound<'_, PyAny>, metrics: &Map<String, Value>) -> PyResult<bool> {
    let answer = callback.call1((object(callback.py(), &Value::Object(metrics.clone()))?,))?;
    Ok(!answer.extract::<bool>().is_ok_and(|go_on| !go_on))
}

fn dict<'py>(py: Python<'py>, summary: &Summary) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("path", &summary.path)?;
    dict.set_item("iterations", summary.iterations)?;
    dict.set_item("env_steps", summary.env_steps)?;
    dict.set_item("difficulty", summary.difficulty)?;
    dict.set_item("elapsed", summary.elapsed)?;
    dict.set_item("interrupted", summary.interrupted)?;
    Ok(dict)
}

/// JSON as Python objects.
pub fn object<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(truth) => truth.into_pyobject(py)?.to_owned().into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => whole.into_pyobject(py)?.into_any(),
            (_, Some(whole)) => whole.into_pyobject(py)?.into_any(),
            _ => number.as_f64().into_pyobject(py)?.into_any(),
        },
        Value::String(text) => text.into_pyobject(py)?.into_any(),
        Value::Array(items) => {
            let items = items.iter().map(|item| object(py, item)).collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items)?.into_any()
        }
        Value::Object(map) => {
            let dict = PyDict::new(py);
            for (name, item) in map {
                dict.set_item(name, object(py, item)?)?;
            }
            dict.into_any()
        }
    })
}

pub fn panicked(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    format!("a defect of twisterl, please report it: {}", text.unwrap_or_default())
}
