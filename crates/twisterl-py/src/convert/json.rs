//! JSON between Python and the crates.

use crate::enter::Enter as _;
use pyo3::exceptions::PyUserWarning;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde_json::Value;
use std::ffi::CString;
use twisterl_core::error::escape::escape_controls;
use twisterl_core::error::json;
use twisterl_train::config::{ConfigSource, IgnoredField, Override, RunConfig};
use twisterl_train::{Error, Result};

/// Reads and checks a config (JSON), with `sets` (`path=value`) set in it one after the other. Issues a `UserWarning` for
/// each of its fields that is ignored.
///
/// # Errors
/// If it is no valid config, or warnings are errors.
pub fn config(py: Python<'_>, config: &str, sets: &[String]) -> PyResult<RunConfig> {
    let value = value(py, config)?;
    let (config, ignored) = py.attached(|| {
        let sets = sets.iter().map(|set| Override::parse(set)).collect::<Result<Vec<_>>>()?;
        ConfigSource::of(value).with(&sets).read(None)
    })?;
    warn(py, &ignored)?;
    Ok(config)
}

/// Reads a config as JSON.
///
/// # Errors
/// If it is no JSON.
pub fn value(py: Python<'_>, config: &str) -> PyResult<Value> {
    py.attached(|| {
        json::parse(config.as_bytes()).map_err(|e| Error::config("config", e.expected, e.found))
    })
}

/// Issues a `UserWarning` for each field of a config that is ignored.
///
/// # Errors
/// If warnings are errors.
pub fn warn(py: Python<'_>, ignored: &[IgnoredField]) -> PyResult<()> {
    ignored.iter().try_for_each(|field| warn_of(py, &field.to_string()))
}

/// Issues a `UserWarning`.
///
/// # Errors
/// If warnings are errors.
pub fn warn_of(py: Python<'_>, text: &str) -> PyResult<()> {
    // Without NUL, too, which C strings cannot hold.
    let message = CString::new(escape_controls(text).into_owned())?;
    PyErr::warn(py, &py.get_type::<PyUserWarning>(), &message, 2)
}

/// Returns JSON as Python objects.
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
