//! Arguments that are numbers or flags, with the rules of the command line.

use super::numbers::kind;
use crate::error::refuse;
use pyo3::prelude::*;
use twisterl_train::config::NumCores;

/// The longest part of a value that an error repeats, in characters.
const MAX_QUOTE: usize = 100;

/// An upper bound on threads.
#[derive(Clone, Copy)]
pub struct Cores(pub NumCores);

/// The accepted seeds.
pub const SEEDS: &str = "a whole number from 0 to 18446744073709551615";

/// A random seed.
#[derive(Clone, Copy)]
pub struct Seed(pub u64);

/// Returns the exception for an argument that cannot be used.
pub fn refused(name: &str, value: &Bound<'_, PyAny>, expected: &str) -> PyErr {
    let found = value.repr().map_or_else(|_| kind(value), |text| text.to_string());
    let found: String = found.chars().take(MAX_QUOTE).collect();
    refuse(value.py(), "UsageError", name, expected, &found)
}

/// Returns a flag: a boolean of Python or NumPy, 0 or 1. Other values have a truth value, too, but text such as "False" has
/// the wrong one.
///
/// # Errors
/// `UsageError` if it is anything else.
#[pyfunction]
pub fn flag(name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
    if let Ok(truth) = value.extract::<bool>() {
        return Ok(truth);
    }
    match value.extract::<i64>() {
        Ok(0) => Ok(false),
        Ok(1) => Ok(true),
        _ => Err(refused(name, value, "True or False")),
    }
}

/// Returns the [`flag`] `trust`.
///
/// # Errors
/// As for [`flag`].
pub fn trust_of(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    flag("trust", value)
}

/// Returns the [`flag`] `portable`.
///
/// # Errors
/// As for [`flag`].
pub fn portable_of(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    flag("portable", value)
}

/// Returns the [`flag`] `quiet`.
///
/// # Errors
/// As for [`flag`].
pub fn quiet_of(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    flag("quiet", value)
}

/// Returns the [`flag`] `deterministic`.
///
/// # Errors
/// As for [`flag`].
pub fn deterministic_of(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    flag("deterministic", value)
}

impl<'py> FromPyObject<'_, 'py> for Cores {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let cores = value.extract::<i64>().ok().and_then(NumCores::new);
        cores.map(Self).ok_or_else(|| refused("num_cores", &value, NumCores::EXPECTED))
    }
}

/// Returns a seed.
///
/// # Errors
/// `UsageError` if it is not a whole number of 64 bits.
pub fn seed_of(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    value.extract().map_err(|_| refused("seed", value, SEEDS))
}

impl<'py> FromPyObject<'_, 'py> for Seed {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        seed_of(&value).map(Self)
    }
}
