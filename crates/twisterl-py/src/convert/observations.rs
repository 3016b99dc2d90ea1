//! Observations between Python and the crates.

use super::numbers::{Numbers, is_row, kind};
use crate::error::refuse;
use pyo3::prelude::*;
use twisterl_core::error::counts::counted;
use twisterl_core::space::{ObservationSpace, Observations};

/// Returns the shape of an observation as Python sees it; bits and numbers together are one row, the bits first.
///
/// # Errors
/// As for [`size`].
pub fn shape(py: Python<'_>, space: &ObservationSpace) -> PyResult<Vec<usize>> {
    Ok(match space {
        ObservationSpace::SparseBinary { shape } | ObservationSpace::Dense { shape } => {
            shape.clone()
        }
        ObservationSpace::Mixed { .. } => vec![size(py, space)?],
    })
}

/// Returns the number of bits and values of an observation.
///
/// # Errors
/// `ObservationError` if it is too large for the memory of any machine.
pub fn size(py: Python<'_>, space: &ObservationSpace) -> PyResult<usize> {
    space.size().ok_or_else(|| too_large(py, space))
}

/// Returns the number of bits of an observation.
fn bits(py: Python<'_>, space: &ObservationSpace) -> PyResult<usize> {
    space.bits().ok_or_else(|| too_large(py, space))
}

fn too_large(py: Python<'_>, space: &ObservationSpace) -> PyErr {
    let found = format!("{space:?}");
    refuse(py, "ObservationError", "observation space", "a size that memory can hold", &found)
}

/// Adds a row of values, bits first, to a batch. There are as many as the space has.
///
/// # Errors
/// `ObservationError` if a bit is neither 0 nor 1, or a number is not finite.
pub fn push_values(
    py: Python<'_>,
    observations: &mut Observations,
    row: &[f32],
    space: &ObservationSpace,
) -> PyResult<()> {
    let (bits, numbers) = row.split_at(bits(py, space)?);
    let refused = |expected: &str, i: usize| {
        let found = format!("{} at position {i}", row[i]);
        Err(refuse(py, "ObservationError", "observation", expected, &found))
    };
    if let Some(i) = bits.iter().position(|&v| v != 0.0 && v != 1.0) {
        return refused("zeros and ones", i);
    }
    if let Some(i) = numbers.iter().position(|v| !v.is_finite()) {
        return refused("finite values", bits.len() + i);
    }
    observations.push_with(|out| {
        out.ones(bits.iter().enumerate().filter(|&(_, &v)| v == 1.0).map(|(i, _)| i));
        out.values(numbers);
    });
    Ok(())
}

/// Returns a row of a batch as values, bits as zeros and ones before the numbers.
///
/// # Errors
/// As for [`size`].
pub fn row_values(
    py: Python<'_>,
    observations: &Observations,
    row: usize,
    space: &ObservationSpace,
) -> PyResult<Vec<f32>> {
    let mut values = vec![0.0; bits(py, space)?];
    for &one in observations.ones(row) {
        values[one as usize] = 1.0;
    }
    values.extend_from_slice(observations.values(row));
    Ok(values)
}

/// Adds one observation to a batch: the indices of the ones, or the values, flat or in their shape. If the environment
/// `declares` what arrays it observes, arrays are none of indices.
///
/// # Errors
/// `ObservationError` if it does not fit the space.
pub fn push_observation(
    observations: &mut Observations,
    value: &Bound<'_, PyAny>,
    space: &ObservationSpace,
    declares: bool,
) -> PyResult<()> {
    let py = value.py();
    let (size, shape) = (size(py, space)?, shape(py, space)?);
    let sparse = matches!(space, ObservationSpace::SparseBinary { .. });
    let misfit = || {
        let values = format!("{} of shape {shape:?}", counted(size, "value"));
        let expected =
            if sparse { format!("indices of ones below {size}, or {values}") } else { values };
        refuse(py, "ObservationError", "observation", &expected, &kind(value))
    };
    let numbers = Numbers::of(value)?;
    if numbers.shape().len() > 1 && numbers.shape() != shape {
        return Err(misfit());
    }
    if !sparse {
        let values = numbers.to_f32()?;
        if values.len() != size {
            return Err(misfit());
        }
        return push_values(py, observations, &values, space);
    }
    let values = numbers.to_f64()?;
    if declares && !is_row(value) && values.len() != size {
        return Err(misfit());
    }
    // A list of whole numbers is one of indices wherever it can be, as that of an environment is. An array as long as the
    // observation consists of zeros and ones.
    let listed = matches!(numbers, Numbers::Whole(_)).then(|| indices(&values, size)).flatten();
    let ones = match listed {
        Some(indices) => indices,
        None if values.len() == size => ones(py, &values)?,
        None if numbers.may_be_indices() => indices(&values, size).ok_or_else(|| {
            let expected = format!("different indices of ones below {size}");
            refuse(py, "ObservationError", "observation", &expected, &listing(&values))
        })?,
        None => return Err(misfit()),
    };
    observations.push_with(|row| row.ones(ones.iter().copied()));
    Ok(())
}

/// Returns the positions of the ones among zeros and ones.
fn ones(py: Python<'_>, values: &[f64]) -> PyResult<Vec<usize>> {
    let mut ones = Vec::new();
    for (i, &value) in values.iter().enumerate() {
        match value {
            0.0 => {}
            1.0 => ones.push(i),
            _ => {
                let found = format!("{value} at position {i}");
                return Err(refuse(
                    py,
                    "ObservationError",
                    "observation",
                    "zeros and ones",
                    &found,
                ));
            }
        }
    }
    Ok(ones)
}

/// Returns the numbers as indices, or `None` unless they are whole, below `size`, and all different.
fn indices(values: &[f64], size: usize) -> Option<Vec<usize>> {
    let mut ones = Vec::with_capacity(values.len());
    for &value in values {
        let fits = value.fract() == 0.0 && value >= 0.0 && value < size as f64;
        if !fits {
            return None;
        }
        ones.push(value as usize);
    }
    let mut sorted = ones.clone();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair[0] != pair[1]).then_some(ones)
}

/// Returns the beginning of a row, for messages.
fn listing(values: &[f64]) -> String {
    let (shown, rest) = values.split_at(values.len().min(20));
    format!("{shown:?}{}", if rest.is_empty() { "" } else { "..." })
}
