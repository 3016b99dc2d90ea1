//! Configs, and files of weights.

use crate::convert::json;
use crate::enter::Enter as _;
use crate::registry::{registry, registry_for_file};
use numpy::{PyArray1, PyArrayMethods as _};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;
use std::path::PathBuf;
use twisterl_core::envs::registry::Trust;
use twisterl_train::config::{Override, RunConfig};
use twisterl_train::presets;
use twisterl_train::record::load;
use twisterl_train::record::run_folder::RunFolder;
use twisterl_train::{Error, Result};

/// Reads and checks a config (JSON), with `sets` (`path=value`) set in it one after the other. Returns it with all
/// defaults written out.
#[pyfunction]
#[pyo3(signature = (config, sets=Vec::new()))]
pub fn resolve_config(py: Python<'_>, config: &str, sets: Vec<String>) -> PyResult<String> {
    Ok(json::config(py, config, &sets)?.to_value().to_string())
}

/// Completes a config (JSON) by the preset of its environment if it has no algorithm, and then does as [`resolve_config`].
/// With `steps`, the number of iterations is that in which the run makes so many. Returns also what preset was used.
#[pyfunction]
#[pyo3(signature = (config, sets=Vec::new(), steps=None))]
pub fn complete_config(
    py: Python<'_>,
    config: &str,
    sets: Vec<String>,
    steps: Option<u64>,
) -> PyResult<(String, Option<String>)> {
    let registry = registry().with_trust(Trust::Code);
    let (config, ignored, preset) = py.enter(|| -> Result<_> {
        let mut value: Value =
            serde_json::from_str(config).map_err(|e| Error::config("config", "JSON", e))?;
        let preset = presets::complete(&mut value, &registry)?;
        for set in sets {
            Override::parse(&set)?.apply(&mut value)?;
        }
        let (mut config, ignored) = RunConfig::read(value)?;
        if let Some(steps) = steps {
            config.num_iterations = Some(presets::iterations(&config.to_value(), steps)?);
        }
        Ok((config, ignored, preset))
    })?;
    json::warn(py, &ignored)?;
    Ok((config.to_value().to_string(), preset.map(|preset| preset.to_string())))
}

/// Returns the JSON Schema of configs.
#[pyfunction]
pub fn schema() -> String {
    RunConfig::schema().to_string()
}

/// Returns the first of `path`, `path-2`, `path-3`, ... that does not exist.
#[pyfunction]
pub fn free_run_path(path: PathBuf) -> PathBuf {
    RunFolder::unused_path(&path)
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
    trust: bool,
) -> PyResult<()> {
    let registry = registry_for_file(env, trust)?;
    py.enter(|| load::convert(&input, config.as_deref(), &output, &registry))
}

/// Writes the tensors of a `.pt` file as they are as a `.safetensors` file.
#[pyfunction]
pub fn convert_tensors(py: Python<'_>, input: PathBuf, output: PathBuf) -> PyResult<()> {
    py.enter(|| load::convert_tensors(&input, &output))
}

/// Returns the tensors of a file of weights by name, as arrays.
#[pyfunction]
pub fn read_tensors(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    for (name, shape, values) in py.enter(|| load::read_tensors(&path))? {
        dict.set_item(name, PyArray1::from_vec(py, values).reshape(shape)?)?;
    }
    Ok(dict)
}
