//! ES whose iterations are spread over processes or machines by someone else.

use crate::error::{exception, raise};
use crate::registry::registry;
use crate::train::{LOOK, object, panicked, parse, wait};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{PoisonError, RwLock};
use std::thread;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::policy::Policy;
use twisterl_train::Result;
use twisterl_train::algorithms::es::Returns;
use twisterl_train::threads::in_pool;
use twisterl_train::trainer::distributed_es::DistributedEs;

/// A run of ES without its loop.
#[pyclass(frozen, module = "twisterl._core")]
pub struct Spread {
    /// Only waited for without the interpreter, which environments written in Python need meanwhile.
    inner: RwLock<DistributedEs>,
    interrupt: Interrupt,
}

impl Spread {
    fn read<T>(&self, read: impl FnOnce(&DistributedEs) -> T) -> T {
        read(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn policy_now(&self) -> Policy {
        self.read(DistributedEs::policy)
    }

    /// Does `work` on a thread of its own, while this one looks for signals.
    fn watched<T: Send>(
        &self,
        py: Python<'_>,
        num_cores: Option<usize>,
        work: impl FnOnce() -> Result<T> + Send,
    ) -> PyResult<T> {
        let (done, mut finished) = mpsc::sync_channel(1);
        let mut reason = None;
        let joined = thread::scope(|scope| {
            let worker = scope.spawn(move || {
                let result = in_pool(num_cores, work);
                // The other side waits until this thread ends.
                let _ = done.send(());
                result
            });
            while wait(py, &mut finished, LOOK) == Err(RecvTimeoutError::Timeout) {
                if let Err(signal) = py.check_signals() {
                    reason.get_or_insert(signal);
                    self.interrupt.set();
                }
            }
            py.detach(|| worker.join())
        });
        if let Some(signal) = reason {
            self.interrupt.clear();
            return Err(signal);
        }
        match joined {
            Ok(result) => result.map_err(|e| exception(py, &e)),
            Err(payload) => Err(raise(py, "TwisteRLError", &panicked(&*payload))),
        }
    }
}

#[pymethods]
impl Spread {
    /// The beginning of the run that `config` (JSON) describes, with fresh weights or those that a path leads to; or
    /// where it was when it wrote `checkpoint`.
    #[new]
    #[pyo3(signature = (config, weights=None, checkpoint=None))]
    fn new(
        py: Python<'_>,
        config: &str,
        weights: Option<PathBuf>,
        checkpoint: Option<PathBuf>,
    ) -> PyResult<Self> {
        let make = || {
            let config = parse(config)?;
            match checkpoint {
                Some(folder) => DistributedEs::load(&config, &folder, registry()),
                None => DistributedEs::new(&config, weights.as_deref(), registry()),
            }
        };
        let run = py.detach(make).map_err(|e| exception(py, &e))?;
        Ok(Self { interrupt: run.interrupt().clone(), inner: RwLock::new(run) })
    }

    /// The number of the iteration that is to be asked, from 0.
    #[getter]
    fn iteration(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.read(DistributedEs::iteration))
    }

    /// The difficulty of its episodes.
    #[getter]
    fn difficulty(&self, py: Python<'_>) -> usize {
        py.detach(|| self.read(DistributedEs::difficulty))
    }

    /// Plays the members from `first` to below `last`, and returns what they answer, as bytes.
    #[pyo3(signature = (first, last, num_cores=None))]
    fn ask_range<'py>(
        &self,
        py: Python<'py>,
        first: u64,
        last: u64,
        num_cores: Option<usize>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let work = || self.read(|spread| spread.ask_range(first..last));
        Ok(PyBytes::new(py, &self.watched(py, num_cores, work)?.to_bytes()))
    }

    /// Ends the iteration with the answers of all members. Returns its metrics.
    #[pyo3(signature = (parts, num_cores=None))]
    fn tell<'py>(
        &self,
        py: Python<'py>,
        parts: Vec<Bound<'py, PyBytes>>,
        num_cores: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let parts = parts.iter().map(|part| Returns::from_bytes(part.as_bytes()));
        let parts: Vec<Returns> = parts.collect::<Result<_>>().map_err(|e| exception(py, &e))?;
        let work = || self.inner.write().unwrap_or_else(PoisonError::into_inner).tell(&parts);
        object(py, &Value::Object(self.watched(py, num_cores, work)?))
    }

    /// Writes a checkpoint of this moment.
    fn save(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        py.detach(|| self.read(|spread| spread.save(&folder))).map_err(|e| exception(py, &e))
    }
}
