//! Actions and their masks between Python and the crates.

use super::codec::Codec;
use super::numbers::{as_f64, is_masked, kind};
use crate::error::refuse;
use numpy::{
    PyArray1, PyArrayDyn, PyArrayMethods as _, PyUntypedArray, PyUntypedArrayMethods as _,
};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyList, PyTuple};
use twisterl_core::error::from_serde::shorten;
use twisterl_core::space::{Action, ActionComponent, ActionSpace, Actions};

/// The longest sequence that an error shows, in items.
const MAX_SHOWN: usize = 32;

/// One component of an action: number of choices, or 0; lower bounds; upper bounds; shape.
pub type Component = (usize, Vec<f32>, Vec<f32>, Vec<usize>);

/// Returns the components of an action. Bits have two choices and a shape, a single choice has none.
pub fn components(space: &ActionSpace) -> Vec<Component> {
    let parts = |component: &ActionComponent| match component {
        ActionComponent::Discrete { n } => (*n, vec![], vec![], vec![]),
        ActionComponent::Binary { n } => (2, vec![], vec![], vec![*n]),
        ActionComponent::Continuous { low, high, shape } => {
            (0, low.clone(), high.clone(), shape.clone())
        }
    };
    space.components().iter().map(parts).collect()
}

/// Returns the component that [`components`] describes like this.
pub fn component((n, low, high, shape): Component) -> ActionComponent {
    match n {
        0 => ActionComponent::Continuous { low, high, shape },
        n if shape.is_empty() => ActionComponent::Discrete { n },
        _ => ActionComponent::Binary { n: shape.iter().product() },
    }
}

/// Adds one action mask, all true where there is none. `codec` reads those that are not a plain row of zeros and ones as its
/// environment's own; without one, the same rules hold for `space`.
///
/// # Errors
/// `ObservationError` if it is no mask of the space, or leaves none of a component.
pub fn push_mask(
    masks: &mut Vec<bool>,
    value: Option<&Bound<'_, PyAny>>,
    space: &ActionSpace,
    codec: Option<&Codec>,
) -> PyResult<()> {
    let width = space.mask_width();
    let Some(value) = value else {
        masks.resize(masks.len() + width, true);
        return Ok(());
    };
    let py = value.py();
    let first = masks.len();
    if !push_bits(masks, value, width) {
        masks.truncate(first);
        let read = match codec {
            Some(codec) => codec.read_mask(value)?,
            None => py
                .import("twisterl._internal.adapter.reading.masks")?
                .call_method1("read_mask", (components(space), value))?
                .extract()?,
        };
        masks.extend(read);
    }
    let row = &masks[first..];
    if row.len() != width || !space.leaves_a_choice(row) {
        let expected = format!("{width} booleans, at least one of them true");
        return Err(refuse(py, "ObservationError", "mask", &expected, "none"));
    }
    Ok(())
}

/// Adds a one-dimensional array of booleans that is no subclass, which may hide entries, or a list of booleans, zeros and ones. Returns false for anything else.
pub fn push_bits(masks: &mut Vec<bool>, value: &Bound<'_, PyAny>, width: usize) -> bool {
    if let Ok(array) = value.cast::<PyArrayDyn<bool>>()
        && value.is_exact_instance_of::<PyUntypedArray>()
        && array.ndim() == 1
        && array.len() == width
        && let Ok(array) = array.try_readonly()
        && let Ok(values) = array.as_slice()
    {
        masks.extend_from_slice(values);
        return true;
    }
    let Ok(list) = value.cast::<PyList>() else { return false };
    let bit = |item: Bound<'_, PyAny>| match item.cast_exact::<PyInt>() {
        Ok(number) => match number.extract::<u8>() {
            Ok(0) => Some(false),
            Ok(1) => Some(true),
            _ => None,
        },
        Err(_) => item.cast::<PyBool>().ok().map(|truth| truth.is_true()),
    };
    let first = masks.len();
    masks.extend(list.iter().map_while(bit));
    masks.len() == first + width && list.len() == width
}

/// Adds an action of `space` from Python: as the environment takes it if there is a `codec` for that, or else a number, an
/// array of values, or a tuple with one part for each component.
///
/// # Errors
/// `ActionError` if it is not in the space.
pub fn push_action(
    actions: &mut Actions,
    value: &Bound<'_, PyAny>,
    space: &ActionSpace,
    codec: Option<&Codec>,
) -> PyResult<()> {
    let Some(codec) = codec.filter(|codec| codec.decodes) else {
        return push_parts(actions, value, space);
    };
    match codec.read_action(value) {
        Ok((discrete, continuous)) => {
            let continuous: Vec<f32> = continuous.iter().map(|&number| number as f32).collect();
            let action = Action::Parts { discrete: &discrete, continuous: &continuous };
            space.check(action).map_err(|_| misfit(value, space))?;
            actions.push(action);
            Ok(())
        }
        // Also as a policy has them that knows nothing of the environment's own.
        Err(_) if codec.takes_indices && push_parts(actions, value, space).is_ok() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Returns the error for a value that is no action of `space`.
fn misfit(value: &Bound<'_, PyAny>, space: &ActionSpace) -> PyErr {
    let expected = match space.single_discrete() {
        Some(n) => format!("a whole number from 0 to {}", n - 1),
        None => format!("an element of {:?}", space.components()),
    };
    let found = match value.len() {
        Ok(len) if len > MAX_SHOWN => kind(value),
        _ => value.str().map_or_else(|_| kind(value), |s| shorten(&s.to_string_lossy())),
    };
    refuse(value.py(), "ActionError", "action", &expected, &found)
}

/// Adds an action as a number, an array of values, or a tuple with one part for each component.
fn push_parts(
    actions: &mut Actions,
    value: &Bound<'_, PyAny>,
    space: &ActionSpace,
) -> PyResult<()> {
    let misfit = || misfit(value, space);
    if is_masked(value)? {
        return Err(misfit());
    }
    if let Some(n) = space.single_discrete() {
        let index = value.extract::<usize>().map_err(|_| misfit())?;
        if index >= n {
            return Err(misfit());
        }
        actions.discrete.push(index as u32);
        return Ok(());
    }
    let (mut discrete, mut continuous) = (Vec::new(), Vec::new());
    let mut values = values(value).ok_or_else(misfit)?.into_iter();
    let mut next = || values.next().ok_or_else(misfit);
    for component in space.components() {
        match component {
            ActionComponent::Discrete { .. } | ActionComponent::Binary { .. } => {
                for _ in 0..component.widths().0 {
                    let value = next()?;
                    if value.fract() != 0.0 || !(0.0..=f64::from(u32::MAX)).contains(&value) {
                        return Err(misfit());
                    }
                    discrete.push(value as u32);
                }
            }
            ActionComponent::Continuous { low, .. } => {
                for _ in low {
                    continuous.push(next()? as f32);
                }
            }
        }
    }
    let action = Action::Parts { discrete: &discrete, continuous: &continuous };
    if values.next().is_some() || space.check(action).is_err() {
        return Err(misfit());
    }
    actions.push(action);
    Ok(())
}

/// Returns the numbers of an action one after the other, or `None` where there are others than numbers.
fn values(value: &Bound<'_, PyAny>) -> Option<Vec<f64>> {
    let numbers = |part: &Bound<'_, PyAny>| match part.extract::<f64>() {
        Ok(number) => Some(vec![number]),
        Err(_) => as_f64(part).ok()?.to_vec().ok(),
    };
    match value.cast::<PyTuple>() {
        Ok(parts) => {
            Some(parts.iter().map(|part| numbers(&part)).collect::<Option<Vec<_>>>()?.concat())
        }
        Err(_) => numbers(value),
    }
}

/// Returns an action of `space` as Python sees it: as the environment takes it if there is a `codec` for that, else a number
/// for one choice, an array for bits and real numbers, a list for several choices, and otherwise a tuple with one part for
/// each component. [`push_action`] takes it back.
pub fn action_object<'py>(
    py: Python<'py>,
    action: Action<'_>,
    space: &ActionSpace,
    codec: Option<&Codec>,
) -> PyResult<Bound<'py, PyAny>> {
    if let Some(codec) = codec.filter(|codec| codec.decodes) {
        return codec.action(py, action, space);
    }
    let (mut choices, mut values) = match action {
        Action::Discrete(index) => return Ok(index.into_pyobject(py)?.into_any()),
        Action::Parts { discrete, continuous } => (discrete, continuous),
    };
    let parts = space.components();
    if parts.iter().all(|part| matches!(part, ActionComponent::Discrete { .. })) {
        return Ok(choices.to_vec().into_pyobject(py)?.into_any());
    }
    // An action of the space has as many choices and values as its components ask for.
    let mut part = |component: &ActionComponent| -> PyResult<Bound<'py, PyAny>> {
        let (of_component, rest) = choices.split_at(component.widths().0);
        choices = rest;
        Ok(match component {
            ActionComponent::Discrete { .. } => of_component[0].into_pyobject(py)?.into_any(),
            ActionComponent::Binary { .. } => {
                PyArray1::from_iter(py, of_component.iter().map(|&bit| bit as i8)).into_any()
            }
            ActionComponent::Continuous { low, shape, .. } => {
                let (of_component, rest) = values.split_at(low.len());
                values = rest;
                PyArray1::from_slice(py, of_component).reshape(shape.clone())?.into_any()
            }
        })
    };
    match parts {
        [one] => part(one),
        many => {
            let many = many.iter().map(part).collect::<PyResult<Vec<_>>>()?;
            Ok(PyTuple::new(py, many)?.into_any())
        }
    }
}
