//! ES whose iterations are distributed over processes or machines by the caller.

use crate::convert::arguments::Cores;
use crate::convert::json;
use crate::enter::Enter as _;
use crate::registry::registry;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use twisterl_core::error::interrupt::Interrupt;
use twisterl_train::Result;
use twisterl_train::algorithms::es::Returns;
use twisterl_train::trainer::distributed::es as train;
use twisterl_train::trainer::threads::in_pool;

/// A run of ES without its loop.
#[pyclass(frozen, module = "twisterl._core")]
pub struct DistributedEs {
    /// Only waited for without the interpreter's lock, which environments written in Python need meanwhile.
    inner: Arc<RwLock<train::DistributedEs>>,
    interrupt: Interrupt,
}

impl DistributedEs {
    fn read<T>(&self, read: impl FnOnce(&train::DistributedEs) -> T) -> T {
        read(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Calls `work` on a thread of its own and `num_cores` more, while this one looks for signals.
    fn interruptible<T: Send + 'static>(
        &self,
        py: Python<'_>,
        num_cores: Option<Cores>,
        work: impl FnOnce(&RwLock<train::DistributedEs>) -> Result<T> + Send + 'static,
    ) -> PyResult<T> {
        let (inner, num_cores) = (Arc::clone(&self.inner), num_cores.map(|cores| cores.0));
        py.enter_interruptible(&self.interrupt, move || in_pool(num_cores, || work(&inner)))
    }
}

#[pymethods]
impl DistributedEs {
    /// Begins the run that `config` (JSON) describes, with fresh weights or those that a path leads to, or continues from
    /// `checkpoint`.
    #[new]
    #[pyo3(signature = (config, weights=None, checkpoint=None))]
    fn new(
        py: Python<'_>,
        config: &str,
        weights: Option<PathBuf>,
        checkpoint: Option<PathBuf>,
    ) -> PyResult<Self> {
        let config = json::config(py, config, &[])?;
        let run = py.enter_interruptible(&Interrupt::default(), move || match checkpoint {
            Some(folder) => train::DistributedEs::load(&config, &folder, registry()),
            None => train::DistributedEs::new(&config, weights.as_deref(), registry()),
        })?;
        Ok(Self { interrupt: run.interrupt().clone(), inner: Arc::new(RwLock::new(run)) })
    }

    /// The number of the next iteration, from 0.
    #[getter]
    fn iteration(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.read(train::DistributedEs::iteration))
    }

    /// The difficulty of its episodes.
    #[getter]
    fn difficulty(&self, py: Python<'_>) -> usize {
        py.detach(|| self.read(train::DistributedEs::difficulty))
    }

    /// Returns the current policy, as the file that holds it.
    fn policy_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.enter(|| self.read(|es| es.policy().to_safetensors()))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Plays the members from `first` to below `last`. Returns their results, as bytes.
    #[pyo3(signature = (first, last, num_cores=None))]
    fn ask_range<'py>(
        &self,
        py: Python<'py>,
        first: u64,
        last: u64,
        num_cores: Option<Cores>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let work = move |es: &RwLock<train::DistributedEs>| {
            es.read().unwrap_or_else(PoisonError::into_inner).ask_range(first..last)
        };
        Ok(PyBytes::new(py, &self.interruptible(py, num_cores, work)?.to_bytes()))
    }

    /// Ends the iteration with the results of all members. Returns its metrics.
    #[pyo3(signature = (parts, num_cores=None))]
    fn tell<'py>(
        &self,
        py: Python<'py>,
        parts: Vec<Bound<'py, PyBytes>>,
        num_cores: Option<Cores>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let parts = parts.iter().map(|part| Returns::from_bytes(part.as_bytes()));
        let parts: Vec<Returns> = py.attached(|| parts.collect::<Result<_>>())?;
        let work = move |es: &RwLock<train::DistributedEs>| {
            let mut es = es.write().unwrap_or_else(PoisonError::into_inner);
            Ok((es.tell(&parts)?, es.take_notices()))
        };
        let (metrics, notices) = self.interruptible(py, num_cores, work)?;
        notices.iter().try_for_each(|text| json::warn_of(py, text))?;
        json::object(py, &Value::Object(metrics))
    }

    /// Writes a checkpoint of this moment.
    fn save(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        py.enter(|| self.read(|es| es.save(&folder)))
    }
}
