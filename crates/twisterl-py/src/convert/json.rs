//! JSON between Python and the crates.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde_json::Value;
use twisterl_train::config::{Override, RunConfig};
use twisterl_train::{Error, Result};

/// Reads and checks a config (JSON), with `sets` (`path=value`) set in it one after the other.
///
/// # Errors
/// If it is no valid config.
pub fn config(config: &str, sets: &[String]) -> Result<RunConfig> {
    let mut value: Value =
        serde_json::from_str(config).map_err(|e| Error::config("config", "JSON", e))?;
    for set in sets {
        Override::parse(set)?.apply(&mut value)?;
    }
    RunConfig::from_value(value)
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
