//! Rows of numbers from Python, before it is known what they mean.

use super::bounded::bounded;
use crate::error::refuse;
use numpy::{
    PyArrayDyn, PyArrayMethods as _, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods as _,
};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use std::borrow::Cow;

pub use super::kind::{is_masked, kind, shape_of};

/// The most rows of a batch of Python objects.
const MAX_ROWS: usize = 1 << 24;

/// A row of numbers.
pub enum Numbers<'py> {
    /// An array of single precision, read where it is.
    F32(PyReadonlyArrayDyn<'py, f32>),
    /// Whole numbers.
    Whole(Vec<i64>),
    /// Anything else, converted, with its shape.
    Other(Vec<f64>, Vec<usize>),
}

impl<'py> Numbers<'py> {
    /// Reads a row.
    ///
    /// # Errors
    /// `ObservationError` if it does not consist of numbers.
    pub fn of(value: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Some(array) = plain_f32(value) {
            return Ok(Self::F32(readable(array, "observation")?));
        }
        if is_row(value)
            && let Ok(whole) = value.extract::<Vec<i64>>()
        {
            return Ok(Self::Whole(whole));
        }
        let array = as_f64(value)?;
        let shape = array.shape().to_vec();
        Ok(Self::Other(array.to_vec()?, shape))
    }

    /// Returns the shape of an array, and none for a list.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::F32(array) => array.shape(),
            Self::Whole(_) => &[],
            Self::Other(_, shape) => shape,
        }
    }

    /// Returns true for a row whose numbers may be indices: not an array of single precision, nor one of several axes.
    pub fn may_be_indices(&self) -> bool {
        match self {
            Self::F32(_) => false,
            Self::Whole(_) => true,
            Self::Other(_, shape) => shape.len() == 1,
        }
    }

    /// Returns the numbers in single precision.
    ///
    /// # Errors
    /// Never: arrays of single precision are only taken where they are contiguous.
    pub fn to_f32(&self) -> PyResult<Cow<'_, [f32]>> {
        Ok(match self {
            Self::F32(array) => Cow::Borrowed(array.as_slice()?),
            Self::Whole(whole) => whole.iter().map(|&v| v as f32).collect(),
            Self::Other(values, _) => values.iter().map(|&v| v as f32).collect(),
        })
    }

    /// Returns the numbers in double precision.
    ///
    /// # Errors
    /// As for [`to_f32`](Self::to_f32).
    pub fn to_f64(&self) -> PyResult<Cow<'_, [f64]>> {
        Ok(match self {
            Self::F32(array) => array.as_slice()?.iter().map(|&v| f64::from(v)).collect(),
            Self::Whole(whole) => whole.iter().map(|&v| v as f64).collect(),
            Self::Other(values, _) => Cow::Borrowed(values),
        })
    }
}

/// Returns a contiguous array of single precision that is no subclass, which may hide entries.
pub fn plain_f32<'a, 'py>(value: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, PyArrayDyn<f32>>> {
    let array = value.cast::<PyArrayDyn<f32>>().ok()?;
    (value.is_exact_instance_of::<PyUntypedArray>() && array.is_c_contiguous()).then_some(array)
}

/// Returns a view of an array.
///
/// # Errors
/// `ObservationError` if something else is writing to it.
pub fn readable<'py>(
    array: &Bound<'py, PyArrayDyn<f32>>,
    what: &str,
) -> PyResult<PyReadonlyArrayDyn<'py, f32>> {
    array.try_readonly().map_err(|e| {
        let expected = "an array that can be read";
        refuse(array.py(), "ObservationError", what, expected, &e.to_string())
    })
}

/// Returns true for a list or a tuple, whose length can be trusted. That of a subclass may be anything.
pub fn is_row(value: &Bound<'_, PyAny>) -> bool {
    value.is_exact_instance_of::<PyList>() || value.is_exact_instance_of::<PyTuple>()
}

/// Returns `value` as a contiguous array of f64.
///
/// # Errors
/// `ObservationError` if it does not consist of real numbers.
pub fn as_f64<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
    let py = value.py();
    let not_numbers = |e: &dyn std::fmt::Display| {
        refuse(py, "ObservationError", "array", "numbers", &format!("{} ({e})", kind(value)))
    };
    let numpy = py.import("numpy")?;
    let value = &bounded(value)?;
    // Complex numbers would lose their imaginary part, and a single number is no row.
    let given = numpy.call_method1("asarray", (value,)).map_err(|e| not_numbers(&e))?;
    let kind_of: String = given.getattr("dtype")?.getattr("kind")?.extract()?;
    if !"biuf".contains(&kind_of) || given.getattr("ndim")?.extract::<usize>()? == 0 {
        return Err(not_numbers(&"not a row of them"));
    }
    let array =
        numpy.call_method1("ascontiguousarray", (given, "float64")).map_err(|e| not_numbers(&e))?;
    array.cast_into::<PyArrayDyn<f64>>().map_err(|e| not_numbers(&e))
}

/// Returns the rows of a batch: a sequence of them, or an array whose first axis they are.
///
/// # Errors
/// `ObservationError` if it is neither.
pub fn rows<'py>(value: &Bound<'py, PyAny>, what: &str) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let refused =
        || refuse(value.py(), "ObservationError", what, "a sequence of rows", &kind(value));
    let len = value.len().map_err(|_| refused())?;
    if len > MAX_ROWS {
        let expected = format!("at most {MAX_ROWS} rows");
        return Err(refuse(value.py(), "ObservationError", what, &expected, &kind(value)));
    }
    value.try_iter().map_err(|_| refused())?.take(len).collect()
}
