//! Values from Python with bounds on their size, for numpy, which trusts what objects say of themselves.
//!
//! A range of 10^12 numbers, an object whose length is a lie or whose items never end, or a list that is nested in itself
//! would otherwise fill the memory or hang the interpreter. docs/security.md lists the bounds.

use super::kind::{MAX_AXES, is_masked, kind};
use crate::error::refuse;
use numpy::{PyUntypedArray, PyUntypedArrayMethods as _};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

/// The most numbers of one observation, state or action.
const MAX_NUMBERS: usize = 1 << 24;
/// Methods of objects that become arrays without their items being read one by one.
const ARRAYS: [&str; 3] = ["__array__", "__array_interface__", "__array_struct__"];

/// Returns `value` as something that numpy converts within bounds: a scalar, an array, or plain lists of them.
///
/// # Errors
/// `ObservationError` if it has too many numbers or levels, more items than its length says, or masked entries.
pub fn bounded<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    Bounds { whole: value, left: MAX_NUMBERS }.convert(value, MAX_AXES)
}

struct Bounds<'a, 'py> {
    /// The value that errors describe.
    whole: &'a Bound<'py, PyAny>,
    /// The numbers that may still come.
    left: usize,
}

impl<'py> Bounds<'_, 'py> {
    fn convert(&mut self, value: &Bound<'py, PyAny>, levels: usize) -> PyResult<Bound<'py, PyAny>> {
        if is_scalar(value) {
            self.spend(1)?;
            return Ok(value.clone());
        }
        if let Ok(array) = value.cast::<PyUntypedArray>() {
            if is_masked(value)? {
                return Err(self.refused("numbers, none of them masked", &kind(value)));
            }
            self.spend(array.len())?;
            return Ok(value.clone());
        }
        if is_array_like(value)? {
            let array = value.py().import("numpy")?.call_method1("asarray", (value,))?;
            self.spend(array.getattr("size")?.extract()?)?;
            return Ok(array);
        }
        if !value.hasattr("__getitem__")? {
            // A single object, as numpy sees it.
            self.spend(1)?;
            return Ok(value.clone());
        }
        let Ok(length) = value.len() else {
            self.spend(1)?;
            return Ok(value.clone());
        };
        let below = levels
            .checked_sub(1)
            .ok_or_else(|| self.refused(&format!("at most {MAX_AXES} nested levels"), "more"))?;
        if length > self.left {
            return Err(self.too_many());
        }
        let items = PyList::empty(value.py());
        for item in value.try_iter()? {
            if items.len() == length {
                let expected = format!("{length} items, as its length says");
                return Err(self.refused(&expected, "more"));
            }
            items.append(self.convert(&item?, below)?)?;
        }
        Ok(items.into_any())
    }

    fn spend(&mut self, numbers: usize) -> PyResult<()> {
        match self.left.checked_sub(numbers) {
            Some(left) => self.left = left,
            None => return Err(self.too_many()),
        }
        Ok(())
    }

    fn too_many(&self) -> PyErr {
        self.refused(&format!("at most {MAX_NUMBERS} numbers"), &kind(self.whole))
    }

    fn refused(&self, expected: &str, found: &str) -> PyErr {
        refuse(self.whole.py(), "ObservationError", "array", expected, found)
    }
}

/// Returns true for numbers, and for text and dictionaries, which numpy does not look into.
fn is_scalar(value: &Bound<'_, PyAny>) -> bool {
    value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_none()
        || value.is_instance_of::<PyString>()
        || value.is_instance_of::<PyBytes>()
        || value.is_instance_of::<PyDict>()
}

/// Returns true for objects that become arrays by a method or a buffer of theirs.
fn is_array_like(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    if value.is_exact_instance_of::<PyList>() || value.is_exact_instance_of::<PyTuple>() {
        return Ok(false);
    }
    let class = value.get_type();
    for name in ARRAYS {
        if class.hasattr(name)? {
            return Ok(true);
        }
    }
    // `bytearray`, `memoryview`, `array.array`.
    Ok(value.py().import("builtins")?.getattr("memoryview")?.call1((value,)).is_ok())
}
