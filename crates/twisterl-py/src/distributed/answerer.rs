//! The worker of a distributed run.

use crate::convert::arguments::Cores;
use crate::enter::Enter as _;
use crate::registry::registry;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::{Arc, Mutex, PoisonError};
use twisterl_core::error::interrupt::Interrupt;
use twisterl_train::trainer::distributed::answerer as train;
use twisterl_train::trainer::threads::in_pool;

/// Answers questions about one run.
#[pyclass(frozen, module = "twisterl._core")]
pub struct Answerer {
    /// Only waited for without the interpreter's lock, which environments written in Python need meanwhile.
    inner: Arc<Mutex<train::Answerer>>,
    interrupt: Interrupt,
}

#[pymethods]
impl Answerer {
    /// Prepares for questions about the run that `config` (JSON) describes.
    #[new]
    fn new(py: Python<'_>, config: String) -> PyResult<Self> {
        let made = py.enter_interruptible(&Interrupt::default(), move || {
            train::Answerer::new(&config, registry())
        })?;
        Ok(Self { interrupt: made.interrupt().clone(), inner: Arc::new(Mutex::new(made)) })
    }

    /// Returns the answer to a part of a question, as bytes.
    #[pyo3(signature = (question, part, num_cores=None))]
    fn answer<'py>(
        &self,
        py: Python<'py>,
        question: &[u8],
        part: usize,
        num_cores: Option<Cores>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (inner, question) = (Arc::clone(&self.inner), question.to_vec());
        let num_cores = num_cores.map(|cores| cores.0);
        let answer = py.enter_interruptible(&self.interrupt, move || {
            in_pool(num_cores, || {
                inner.lock().unwrap_or_else(PoisonError::into_inner).answer(&question, part)
            })
        })?;
        Ok(PyBytes::new(py, &answer))
    }
}
