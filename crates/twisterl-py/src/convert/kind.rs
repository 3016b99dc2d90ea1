//! The kinds of values from Python, for messages and for checks.

use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// The most levels of nested lists, and the most axes of an array.
pub const MAX_AXES: usize = 32;

/// Returns what a value is, for messages.
pub fn kind(value: &Bound<'_, PyAny>) -> String {
    let name = value.get_type().name().map_or_else(|_| "an object".into(), |n| n.to_string());
    match shape_of(value) {
        Some(shape) => format!("{name} of shape {shape:?}"),
        None => match value.len() {
            Ok(len) => format!("{name} of length {len}"),
            Err(_) => name,
        },
    }
}

/// Returns true for an array of `numpy.ma` with masked entries. NumPy's conversions show what is behind a mask, which may be
/// anything.
///
/// # Errors
/// If NumPy raises.
pub fn is_masked(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    if value.is_exact_instance_of::<PyUntypedArray>() || !value.is_instance_of::<PyUntypedArray>() {
        return Ok(false);
    }
    value.py().import("numpy.ma")?.call_method1("is_masked", (value,))?.extract()
}

/// Returns the shape of an array or of what claims to be one.
pub fn shape_of(value: &Bound<'_, PyAny>) -> Option<Vec<usize>> {
    let shape = value.getattr("shape").ok()?.cast_into_exact::<PyTuple>().ok()?;
    (shape.len() <= MAX_AXES).then(|| shape.extract().ok()).flatten()
}
