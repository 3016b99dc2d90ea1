//! Training runs: on a thread of their own, with Ctrl-C and the callback on the thread that called.

use crate::convert::arguments::{Cores, quiet_of, trust_of};
use crate::convert::json;
use crate::distributed::{engine_of, engines};
use crate::enter::calls::interrupt_envs;
use crate::enter::{Enter as _, LOOK, Signals, wait};
use crate::registry::{name_of, registry_for_file};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Map, Value};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use twisterl_train::Result;
use twisterl_train::config::Override;
use twisterl_train::record::run_folder::{self, RunFolder, RunPath};
use twisterl_train::trainer::{
    self, EngineChoice, GRACE, Observer, Options, StartObserver, Summary, Warner,
};

/// Metrics of an iteration, and where to answer whether to go on.
type Report = (Map<String, Value>, SyncSender<bool>);

/// Starts a run in the folder `path`, or in the first new one of `path`, `path-2`, ... if `numbered`, with `env` in place of
/// the environment that the config names, if given. Returns its summary as a dict.
#[pyfunction]
#[pyo3(signature = (
    config, path, numbered, load_checkpoint=None, num_cores=None, quiet=false, callback=None, env=None, difficulty=None,
    peer_names=false, engine=None
))]
#[allow(clippy::too_many_arguments)] // as of the Python function
pub fn train<'py>(
    py: Python<'py>,
    config: &str,
    path: PathBuf,
    numbered: bool,
    load_checkpoint: Option<PathBuf>,
    num_cores: Option<Cores>,
    #[pyo3(from_py_with = quiet_of)] quiet: bool,
    callback: Option<&Bound<'py, PyAny>>,
    env: Option<&Bound<'py, PyAny>>,
    difficulty: Option<usize>,
    peer_names: bool,
    engine: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let registry = registry_for_file(env, true)?;
    let config = json::config(py, config, &[])?;
    let threads = num_cores.map(|cores| cores.0.threads());
    let options = Options {
        engine: choice(engine)?,
        engines: Some(engines()),
        load_checkpoint,
        difficulty,
        peer_names,
        quiet,
        threads,
        ..Options::default()
    };
    watch(py, &path.clone(), options, callback, move |options| {
        let path = if numbered { RunPath::Numbered(&path) } else { RunPath::At(&path) };
        trainer::train(&config, path, options, &registry)
    })
}

/// Continues the run in the folder `path`, with `sets` (`path=value`) set in its config.
#[pyfunction]
#[pyo3(signature = (
    path, sets=Vec::new(), num_cores=None, quiet=false, callback=None, env=None, trust=false, difficulty=None,
    engine=None
))]
#[allow(clippy::too_many_arguments)] // as of the Python function
pub fn resume<'py>(
    py: Python<'py>,
    path: PathBuf,
    sets: Vec<String>,
    num_cores: Option<Cores>,
    #[pyo3(from_py_with = quiet_of)] quiet: bool,
    callback: Option<&Bound<'py, PyAny>>,
    env: Option<&Bound<'py, PyAny>>,
    #[pyo3(from_py_with = trust_of)] trust: bool,
    difficulty: Option<usize>,
    engine: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let registry = registry_for_file(env, trust)?;
    let (overrides, ignored) = py.enter(|| -> Result<_> {
        let overrides = overrides(&sets)?;
        let (_, ignored) = RunFolder::open(&path)?.config_with(&overrides)?;
        Ok((overrides, ignored))
    })?;
    json::warn(py, &ignored)?;
    let threads = num_cores.map(|cores| cores.0.threads());
    let options = Options {
        engine: choice(engine)?,
        engines: Some(engines()),
        env: env.map(name_of).transpose()?,
        difficulty,
        quiet,
        overrides,
        threads,
        ..Options::default()
    };
    watch(py, &path.clone(), options, callback, move |options| {
        trainer::resume(&path, options, &registry)
    })
}

/// Returns the engine that the caller gives, if it gives one.
fn choice(engine: Option<&Bound<'_, PyAny>>) -> PyResult<EngineChoice> {
    Ok(match engine {
        Some(engine) => EngineChoice::Given(engine_of(engine)?),
        None => EngineChoice::OfConfig,
    })
}

/// Returns the fields in which the config of the run in `path`, with `sets` set in it, differs from the one that it was
/// trained with, each as one line.
#[pyfunction]
pub fn config_changes(py: Python<'_>, path: PathBuf, sets: Vec<String>) -> PyResult<Vec<String>> {
    let changes = py.enter(|| trainer::changes(&path, &overrides(&sets)?))?;
    Ok(changes.iter().map(ToString::to_string).collect())
}

/// Gives up the locks of run folders in a process that was just forked. They belong to the process that it came from.
#[pyfunction]
pub fn forget_locks() {
    run_folder::forget_after_fork();
}

fn overrides(sets: &[String]) -> Result<Vec<Override>> {
    sets.iter().map(|set| Override::parse(set)).collect()
}

/// Runs `work` on a thread of its own. The calling thread shows metrics to the callback and looks for signals; either
/// may stop the run in the folder `path`, which ends in order before the exception is raised. A second signal raises at
/// once, as does the first if the run does not end within a second.
fn watch<'py>(
    py: Python<'py>,
    path: &Path,
    mut options: Options,
    callback: Option<&Bound<'py, PyAny>>,
    work: impl FnOnce(&Options) -> Result<Summary> + Send + 'static,
) -> PyResult<Bound<'py, PyDict>> {
    let (reports, mut received) = mpsc::sync_channel::<Report>(0);
    if callback.is_some() {
        options.observer = Some(Observer::new(move |metrics| {
            let (answer, answered) = mpsc::sync_channel(1);
            // Nobody listens any more once the calling thread has left.
            reports.send((metrics.clone(), answer)).is_ok() && answered.recv().unwrap_or(false)
        }));
    }
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let queue = Arc::clone(&warnings);
    options.warner = Some(Warner::new(move |text| lock(&queue).push(text.to_owned())));
    let (stop, interrupt) = (Arc::clone(&options.stop), options.interrupt.clone());
    let place = Arc::new(Mutex::new(path.to_owned()));
    let known = Arc::clone(&place);
    options.start_observer =
        Some(StartObserver::new(move |path| path.clone_into(&mut lock(&known))));
    let mut signals = Signals::default();
    // With a callback, the time between two looks for signals is spent on waiting for metrics.
    let pause = if callback.is_some() { Duration::ZERO } else { LOOK };
    let run = move || work(&options);
    let ended = py.enter_watched(run, pause, |heard| {
        signals.hear(heard);
        let shown = callback.map_or(Ok(()), |callback| answer(callback, &mut received));
        signals.hear_callback(py, shown);
        signals.hear_callback(py, warn(py, &warnings));
        if let Some(since) = signals.since() {
            stop.store(true, Ordering::Relaxed);
            if since >= GRACE {
                interrupt.set();
                interrupt_envs(py);
            }
        }
        if signals.abandon(py) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    signals.hear_callback(py, warn(py, &warnings));
    let summary = ended?;
    match (signals.into_exception(), summary) {
        (Some(raised), summary) if raised.is_instance_of::<PyKeyboardInterrupt>(py) => {
            Err(PyKeyboardInterrupt::new_err(stopped(&lock(&place), summary.as_ref())))
        }
        (Some(raised), _) => Err(raised),
        (None, Some(summary)) => dict(py, &summary),
        (None, None) => Err(PyKeyboardInterrupt::new_err(stopped(&lock(&place), None))),
    }
}

/// The message about a run that was stopped.
fn stopped(path: &Path, summary: Option<&Summary>) -> String {
    let at = summary
        .map_or("stopped".to_owned(), |s| format!("stopped after iteration {}", s.iterations));
    format!("{}: {at}; twisterl.resume({path:?}) continues it", path.display())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Issues the warnings that the run has given since the last call.
fn warn(py: Python<'_>, warnings: &Mutex<Vec<String>>) -> PyResult<()> {
    let texts = std::mem::take(&mut *lock(warnings));
    texts.iter().try_for_each(|text| json::warn_of(py, text))
}

/// Waits for the metrics of an iteration, shows them to the callback and answers the run, which waits for it. Only False
/// or an exception stops the run.
fn answer(callback: &Bound<'_, PyAny>, received: &mut Receiver<Report>) -> PyResult<()> {
    let py = callback.py();
    let Ok((metrics, answer)) = wait(py, received, LOOK) else { return Ok(()) };
    let shown = json::object(py, &Value::Object(metrics)).and_then(|m| callback.call1((m,)));
    let go_on = match &shown {
        Ok(said) => !said.extract::<bool>().is_ok_and(|go_on| !go_on),
        Err(_) => false,
    };
    // The run waits for this answer, or has failed.
    let _ = answer.send(go_on);
    shown.map(drop)
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
