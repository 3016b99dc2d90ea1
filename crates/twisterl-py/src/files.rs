//! Configs, and files of weights.

use crate::convert::arguments::trust_of;
use crate::convert::json;
use crate::enter::Enter as _;
use crate::registry::{registry, registry_for_file};
use numpy::{PyArray1, PyArrayMethods as _};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_train::Result;
use twisterl_train::config::{ConfigSource, Override, RunConfig};
use twisterl_train::record::load;

/// Reads and checks a config (JSON), with `sets` (`path=value`) set in it one after the other. Returns it with all
/// defaults written out.
#[pyfunction]
#[pyo3(signature = (config, sets=Vec::new()))]
pub fn resolve_config(py: Python<'_>, config: &str, sets: Vec<String>) -> PyResult<String> {
    Ok(json::config(py, config, &sets)?.to_value().to_string())
}

/// Does as [`resolve_config`] with a config that may lack an algorithm, which the preset of its environment completes. With
/// `steps`, the number of iterations is that in which the run makes so many. Returns also what preset was used and why, in
/// lines. Errors give the places of values in `file`, which the config was read from.
#[pyfunction]
#[pyo3(signature = (config, sets=Vec::new(), steps=None, file=None))]
pub fn complete_config(
    py: Python<'_>,
    config: &str,
    sets: Vec<String>,
    steps: Option<u64>,
    file: Option<PathBuf>,
) -> PyResult<(String, Vec<String>)> {
    let value = json::value(py, config)?;
    let read = py.enter(|| {
        let sets = sets.iter().map(|set| Override::parse(set)).collect::<Result<Vec<_>>>()?;
        let source = ConfigSource::of(value).with(&sets);
        let source = file.map_or_else(|| source.clone(), |file| source.clone().in_file(&file));
        source.complete(steps, registry())
    })?;
    json::warn(py, &read.ignored)?;
    Ok((read.config.to_value().to_string(), read.notes))
}

/// Reads a config file, which is a JSON object, and returns its text.
#[pyfunction]
pub fn read_config(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    py.enter(|| ConfigSource::open(&path).map(|source| source.text().to_owned()))
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
