//! Configs, and files of weights.

use crate::convert::arguments::trust_of;
use crate::convert::json;
use crate::enter::Enter as _;
use crate::registry::registry_for_file;
use numpy::{PyArray1, PyArrayMethods as _};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_train::config::RunConfig;
use twisterl_train::record::load;

/// Reads and checks a config (JSON), with `sets` (`path=value`) set in it one after the other. Returns it with all
/// defaults written out.
#[pyfunction]
#[pyo3(signature = (config, sets=Vec::new()))]
pub fn resolve_config(py: Python<'_>, config: &str, sets: Vec<String>) -> PyResult<String> {
    Ok(json::config(py, config, &sets)?.to_value().to_string())
}

/// Returns the JSON Schema of configs.
#[pyfunction]
pub fn schema() -> String {
    RunConfig::schema().to_string()
}

/// Writes the policy that `input` leads to as one `.safetensors` file.
#[pyfunction]
#[pyo3(signature = (input, output, config=None, env=None, trust=false))]
pub fn convert(
    py: Python<'_>,
    input: PathBuf,
    output: PathBuf,
    config: Option<PathBuf>,
    env: Option<&Bound<'_, PyAny>>,
    #[pyo3(from_py_with = trust_of)] trust: bool,
) -> PyResult<()> {
    let registry = registry_for_file(env, trust)?;
    py.enter_interruptible(&Interrupt::default(), move || {
        load::convert(&input, config.as_deref(), &output, &registry)
    })
}

/// Writes the tensors of a `.pt` file as they are as a `.safetensors` file.
#[pyfunction]
pub fn convert_tensors(py: Python<'_>, input: PathBuf, output: PathBuf) -> PyResult<()> {
    py.enter_interruptible(&Interrupt::default(), move || load::convert_tensors(&input, &output))
}

/// Returns the tensors of a file of weights by name, as arrays.
#[pyfunction]
pub fn read_tensors(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    let read = move || load::read_tensors(&path);
    for (name, shape, values) in py.enter_interruptible(&Interrupt::default(), read)? {
        dict.set_item(name, PyArray1::from_vec(py, values).reshape(shape)?)?;
    }
    Ok(dict)
}
