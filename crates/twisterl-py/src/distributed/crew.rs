//! Worker processes of this machine, for `twisterl.spread.Processes`.

use crate::enter::Enter as _;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::ffi::OsString;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use twisterl_train::trainer::distributed::processes::{self as train, Program};
use twisterl_train::trainer::distributed::scheduler::Outcome;
use twisterl_train::{Error, Result};

/// The longest time between two looks for signals.
const LOOK: Duration = Duration::from_millis(50);

/// Worker processes.
#[pyclass(frozen, module = "twisterl._core")]
pub struct Crew {
    /// `None` once it is closed. Only waited for without the interpreter's lock.
    inner: Mutex<Option<train::Crew>>,
}

/// The number of the next data, of all crews: workers know data again by their numbers.
static DATA: AtomicU64 = AtomicU64::new(0);

/// Bytes that worker processes may need.
#[pyclass(frozen, module = "twisterl._core")]
pub struct CrewData(train::Data);

impl Crew {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&mut train::Crew) -> Result<T> + Send,
    ) -> PyResult<T> {
        py.enter(|| match &mut *self.inner.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(crew) => call(crew),
            None => Err(Error::usage("engine", "one that is not closed", "a closed one")),
        })
    }
}

#[pymethods]
impl Crew {
    /// Returns `workers` processes, each started by this command when it is needed.
    #[new]
    fn new(py: Python<'_>, command: Vec<OsString>, workers: usize) -> PyResult<Self> {
        let crew = py.enter(|| {
            let mut words = command.into_iter();
            let path = words.next().unwrap_or_default();
            train::Crew::new(Program { path, args: words.collect() }, workers)
        })?;
        Ok(Self { inner: Mutex::new(Some(crew)) })
    }

    /// Makes bytes available to workers.
    #[staticmethod]
    fn put(data: &[u8]) -> CrewData {
        let number = DATA.fetch_add(1, Ordering::Relaxed);
        CrewData(Arc::new((number, data.to_vec())))
    }

    /// Has a part answered, as the task with this number.
    fn submit(
        &self,
        py: Python<'_>,
        task: u64,
        config: &CrewData,
        question: &CrewData,
        part: usize,
    ) -> PyResult<()> {
        let (config, question) = (Arc::clone(&config.0), Arc::clone(&question.0));
        self.with(py, |crew| {
            crew.submit(task, config, question, part);
            Ok(())
        })
    }

    /// Takes back a task if it was not begun. Returns True if it was taken back.
    fn withdraw(&self, py: Python<'_>, task: u64) -> PyResult<bool> {
        self.with(py, |crew| Ok(crew.withdraw(task)))
    }

    /// Waits until a task has ended, but at most for some time. Returns the tasks that have ended, each with its answer, or
    /// with whether its worker was lost and a text.
    #[allow(clippy::type_complexity)] // as Python sees it
    fn wait<'py>(
        &self,
        py: Python<'py>,
        seconds: f64,
    ) -> PyResult<Vec<(u64, Option<Bound<'py, PyBytes>>, bool, String)>> {
        let time = Duration::try_from_secs_f64(seconds.clamp(0.0, 1e9)).unwrap_or_default();
        let begun = Instant::now();
        let ended = loop {
            let left = time.saturating_sub(begun.elapsed());
            let ended = self.with(py, |crew| Ok(crew.wait(left.min(LOOK))))?;
            if !ended.is_empty() || begun.elapsed() >= time {
                break ended;
            }
            py.check_signals()?;
        };
        let told = ended.into_iter().map(|(task, outcome)| match outcome {
            Outcome::Answer(answer) => {
                (task, Some(PyBytes::new(py, &answer)), false, String::new())
            }
            Outcome::Lost(text) => (task, None, true, text),
            Outcome::Failed(text) => (task, None, false, text),
        });
        Ok(told.collect())
    }

    /// Changes the number of workers.
    fn resize(&self, py: Python<'_>, workers: usize) -> PyResult<()> {
        self.with(py, |crew| crew.resize(workers))
    }

    /// Returns the numbers of the processes that were started.
    fn pids(&self, py: Python<'_>) -> PyResult<Vec<u32>> {
        self.with(py, |crew| Ok(crew.pids()))
    }

    /// Ends the processes.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        py.enter(|| {
            drop(self.inner.lock().unwrap_or_else(PoisonError::into_inner).take());
            Ok::<_, Error>(())
        })
    }
}
