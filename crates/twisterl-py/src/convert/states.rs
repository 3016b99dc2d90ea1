//! States between Python and the crates.

use super::numbers::{as_f64, is_row, kind, rows};
use crate::error::refuse;
use numpy::PyArrayMethods as _;
use pyo3::prelude::*;
use pyo3::types::PyString;
use twisterl_train::system::files::states;

/// Returns a state from Python: finite numbers as a sequence or an array, flat or in rows, or as text.
///
/// # Errors
/// `StateError` if it is anything else.
pub fn state(value: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
    named("state", value)
}

/// Returns the states of a batch. Errors give the position of a wrong one, unless there is only one.
///
/// # Errors
/// `ObservationError` if it is no sequence, and as for [`state`].
pub fn batch(values: &Bound<'_, PyAny>) -> PyResult<Vec<Vec<f64>>> {
    let values = rows(values, "states")?;
    let name = |i| if values.len() == 1 { "state".to_owned() } else { format!("states[{i}]") };
    values.iter().enumerate().map(|(i, value)| named(&name(i), value)).collect()
}

fn named(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
    let refused =
        |found: &str| refuse(value.py(), "StateError", name, "a sequence of finite numbers", found);
    if let Ok(text) = value.cast::<PyString>() {
        let text = text.to_cow().map_err(|_| refused("text that is not Unicode"))?;
        return states::one(&text).map_err(|(_, found)| refused(&found));
    }
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
