//! States between Python and the crates.

use super::numbers::{as_f64, is_row, kind};
use crate::error::refuse;
use numpy::PyArrayMethods as _;
use pyo3::prelude::*;

/// Returns a state from Python: a sequence or array of finite numbers.
///
/// # Errors
/// `StateError` if it is anything else.
pub fn state(value: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
    let refused = |found: &str| {
        refuse(value.py(), "StateError", "state", "a sequence of finite numbers", found)
    };
    let numbers = match is_row(value).then(|| value.extract::<Vec<f64>>()) {
        Some(Ok(numbers)) => numbers,
        _ => as_f64(value).and_then(|a| Ok(a.to_vec()?)).map_err(|_| refused(&kind(value)))?,
    };
    match numbers.iter().find(|n| !n.is_finite()) {
        Some(number) => Err(refused(&number.to_string())),
        None => Ok(numbers),
    }
}

/// Returns a state as Python sees it: whole numbers where all are.
pub fn state_object<'py>(py: Python<'py>, state: &[f64]) -> PyResult<Bound<'py, PyAny>> {
    if state.iter().all(|v| v.fract() == 0.0 && v.abs() < 9e15) {
        let whole: Vec<i64> = state.iter().map(|&v| v as i64).collect();
        return Ok(whole.into_pyobject(py)?.into_any());
    }
    Ok(state.to_vec().into_pyobject(py)?.into_any())
}
