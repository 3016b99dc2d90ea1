//! Observations and masks as the adapter returns them.

use crate::convert::actions::push_bits;
use numpy::{PyArray2, PyArrayMethods as _};
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt, PyList};
use twisterl_core::space::{ActionSpace, Observations};

/// The observations of some slots.
pub(super) enum Observed {
    /// Lengths and indices of sparse rows.
    Sparse(Vec<usize>, Vec<u32>),
    /// Values of dense rows.
    Dense(Vec<f32>),
}

impl Observed {
    /// Reads what `batch`, a `twisterl._internal.adapter.Batch`, observed in `slots`.
    ///
    /// # Errors
    /// The exception of the adapter that says which environment returned what.
    pub(super) fn read(
        batch: &Bound<'_, PyAny>,
        seen: Bound<'_, PyAny>,
        slots: &[usize],
        size: usize,
        sparse: bool,
    ) -> PyResult<Self> {
        if !sparse {
            let values = seen.cast_into::<PyArray2<f32>>()?.to_vec()?;
            if let Some(at) = values.iter().position(|v| !v.is_finite()) {
                let at_slot = (slots.get(at / size), at % size, values[at]);
                batch.call_method1("not_finite", at_slot)?;
            }
            return Ok(Self::Dense(values));
        }
        let (lengths, given): (Vec<usize>, Bound<'_, PyList>) = seen.extract()?;
        if let Some(indices) = indices(&lengths, &given, size) {
            return Ok(Self::Sparse(lengths, indices));
        }
        let arguments = (slots.to_vec(), lengths, given);
        let (lengths, indices) = batch.call_method1("reread", arguments)?.extract()?;
        Ok(Self::Sparse(lengths, indices))
    }

    /// Adds the rows, each of `size` values, to a batch.
    pub(super) fn push(&self, size: usize, observations: &mut Observations) {
        match self {
            Self::Sparse(lengths, indices) => {
                // The adapter returns as many indices as the lengths add up to.
                let mut rest = &indices[..];
                for &length in lengths {
                    let (ones, others) = rest.split_at(length);
                    observations.push_ones(ones);
                    rest = others;
                }
            }
            Self::Dense(values) => {
                for row in values.chunks_exact(size) {
                    observations.push_with(|out| out.values(row));
                }
            }
        }
    }
}

/// Returns the indices, or `None` unless all are whole numbers below `size` and no row has one twice.
fn indices(lengths: &[usize], given: &Bound<'_, PyList>, size: usize) -> Option<Vec<u32>> {
    let mut indices = Vec::with_capacity(given.len());
    for item in given {
        // A boolean is a number too, and no index.
        indices.push(item.cast_exact::<PyInt>().ok()?.extract::<u32>().ok()?);
    }
    // The row, counted from 1, in which each index was seen last.
    let mut last = vec![0; size];
    let mut rest = &indices[..];
    for (row, &length) in lengths.iter().enumerate() {
        let (ones, others) = rest.split_at_checked(length)?;
        for &one in ones {
            let seen = last.get_mut(one as usize)?;
            if std::mem::replace(seen, row + 1) == row + 1 {
                return None;
            }
        }
        rest = others;
    }
    rest.is_empty().then_some(indices)
}

/// Adds the masks of `slots`, all true where there are none.
///
/// # Errors
/// The exception of the adapter that says which environment returned what.
pub(super) fn push_masks(
    masks: &mut Vec<bool>,
    batch: &Bound<'_, PyAny>,
    given: Option<Bound<'_, PyList>>,
    slots: &[usize],
    actions: &ActionSpace,
) -> PyResult<()> {
    let width = actions.mask_width();
    let Some(given) = given else {
        masks.resize(masks.len() + width * slots.len(), true);
        return Ok(());
    };
    for (mask, &slot) in given.iter().zip(slots) {
        let first = masks.len();
        if mask.is_none() && width == 0 {
            continue;
        }
        let usual = push_bits(masks, &mask, width)
            && masks.get(first..).is_some_and(|row| actions.leaves_a_choice(row));
        if !usual {
            masks.truncate(first);
            let read: Vec<bool> = truths(&batch.call_method1("mask", (slot, mask))?)?;
            masks.extend(read);
        }
    }
    Ok(())
}

fn truths(list: &Bound<'_, PyAny>) -> PyResult<Vec<bool>> {
    list.try_iter()?.map(|item| item?.is_truthy()).collect()
}

/// Returns the rewards of `slots`.
///
/// # Errors
/// The exception of the adapter that says which environment returned what.
pub(super) fn rewards(
    batch: &Bound<'_, PyAny>,
    given: &Bound<'_, PyList>,
    slots: &[usize],
) -> PyResult<Vec<f32>> {
    let read = |(reward, &slot): (Bound<'_, PyAny>, &usize)| {
        if let Ok(number) = reward.cast_exact::<PyFloat>() {
            let number = number.value() as f32;
            if number.is_finite() {
                return Ok(number);
            }
        }
        let number: f64 = batch.call_method1("reward", (slot, reward))?.extract()?;
        Ok(number as f32)
    };
    given.iter().zip(slots).map(read).collect()
}
