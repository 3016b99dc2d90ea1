//! Observations, masks, actions and states between Python and the batches of core.

use crate::error::refuse;
use numpy::{
    PyArray1, PyArrayDyn, PyArrayMethods as _, PyReadonlyArrayDyn, PyUntypedArrayMethods as _,
};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyList, PyTuple};
use twisterl_core::space::{
    Action, ActionComponent, ActionSpace, Actions, ObservationSpace, Observations,
};

/// A row of numbers from Python, before it is known what they mean.
enum Numbers<'py> {
    /// An array of single precision, read where it is.
    F32(PyReadonlyArrayDyn<'py, f32>),
    /// Whole numbers.
    Whole(Vec<i64>),
    /// Anything else, converted.
    Other(Vec<f64>, Vec<usize>),
}

impl<'py> Numbers<'py> {
    fn of(value: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = value.py();
        if let Ok(array) = value.cast::<PyArrayDyn<f32>>()
            && array.is_c_contiguous()
        {
            return Ok(Self::F32(array.try_readonly().map_err(|e| {
                refuse(
                    py,
                    "ObservationError",
                    "observation",
                    "an array that can be read",
                    &e.to_string(),
                )
            })?));
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
}

/// Whether it is a list or a tuple, whose length can be trusted.
fn is_row(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>()
}

/// `value` as a contiguous array of f64.
fn as_f64<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
    let py = value.py();
    let not_numbers = |e: &dyn std::fmt::Display| {
        refuse(py, "ObservationError", "array", "numbers", &format!("{} ({e})", kind(value)))
    };
    let numpy = py.import("numpy")?;
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

/// What a value is, for messages.
pub fn kind(value: &Bound<'_, PyAny>) -> String {
    let name = value.get_type().name().map_or_else(|_| "an object".into(), |n| n.to_string());
    match value.getattr("shape").and_then(|shape| shape.extract::<Vec<usize>>()) {
        Ok(shape) => format!("{name} of shape {shape:?}"),
        Err(_) => match value.len() {
            Ok(len) => format!("{name} of length {len}"),
            Err(_) => name,
        },
    }
}

/// The shape of an observation as Python sees it; bits and numbers together are one row, the bits first.
pub fn shape(space: &ObservationSpace) -> Vec<usize> {
    match space {
        ObservationSpace::SparseBinary { shape } | ObservationSpace::Dense { shape } => {
            shape.clone()
        }
        ObservationSpace::Mixed { .. } => vec![space.size().unwrap_or(0)],
    }
}

/// Adds a row of values, of the right number, to a batch.
///
/// # Errors
/// `ObservationError` if a bit is neither 0 nor 1, or a number is not finite.
pub fn push_values(
    py: Python<'_>,
    observations: &mut Observations,
    row: &[f32],
    space: &ObservationSpace,
) -> PyResult<()> {
    let (bits, numbers) = row.split_at(space.bits().unwrap_or(0).min(row.len()));
    let refused = |expected: &str, i: usize| {
        let found = format!("{} at position {i}", row.get(i).copied().unwrap_or(f32::NAN));
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

/// A row as an array of values, bits as zeros and ones before the numbers.
pub fn row_values(observations: &Observations, row: usize, space: &ObservationSpace) -> Vec<f32> {
    let mut values = vec![0.0; space.bits().unwrap_or(0)];
    for &one in observations.ones(row) {
        if let Some(bit) = values.get_mut(one as usize) {
            *bit = 1.0;
        }
    }
    values.extend_from_slice(observations.values(row));
    values
}

/// Adds one observation to a batch: the indices of the ones, or the values, flat or in their shape.
///
/// # Errors
/// `ObservationError` if it does not fit the space.
pub fn push_observation(
    observations: &mut Observations,
    value: &Bound<'_, PyAny>,
    space: &ObservationSpace,
) -> PyResult<()> {
    let py = value.py();
    let size = space.size().unwrap_or(0);
    let misfit = || {
        let (expected, shape) =
            (format!("{size} values of shape {:?}", self::shape(space)), kind(value));
        let expected = match space {
            ObservationSpace::SparseBinary { .. } => {
                format!("indices of ones below {size}, or {expected}")
            }
            ObservationSpace::Dense { .. } | ObservationSpace::Mixed { .. } => expected,
        };
        refuse(py, "ObservationError", "observation", &expected, &shape)
    };
    let numbers = Numbers::of(value)?;
    let shape = match &numbers {
        Numbers::F32(array) => array.shape(),
        Numbers::Whole(_) => &[],
        Numbers::Other(_, shape) => shape,
    };
    if shape.len() > 1 && shape != self::shape(space) {
        return Err(misfit());
    }
    if !matches!(space, ObservationSpace::SparseBinary { .. }) {
        let converted: Vec<f32>;
        let values = match &numbers {
            Numbers::F32(array) => array.as_slice().map_err(|_| misfit())?,
            Numbers::Whole(whole) => {
                converted = whole.iter().map(|&v| v as f32).collect();
                &converted
            }
            Numbers::Other(values, _) => {
                converted = values.iter().map(|&v| v as f32).collect();
                &converted
            }
        };
        if values.len() != size {
            return Err(misfit());
        }
        return push_values(py, observations, values, space);
    }
    let bit = |i: usize, v: f64| match v {
        0.0 => Ok(None),
        1.0 => Ok(Some(i)),
        _ => {
            let found = format!("{v} at position {i}");
            Err(refuse(py, "ObservationError", "observation", "zeros and ones", &found))
        }
    };
    let dense = |values: &mut dyn Iterator<Item = f64>| -> PyResult<Vec<usize>> {
        values.enumerate().map(|(i, v)| bit(i, v)).filter_map(Result::transpose).collect()
    };
    let ones = match &numbers {
        Numbers::F32(array) => match array.as_slice().map_err(|_| misfit())? {
            values if values.len() == size => dense(&mut values.iter().map(|&v| f64::from(v)))?,
            _ => return Err(misfit()),
        },
        Numbers::Whole(whole) if whole.len() != size => {
            indices(py, whole.iter().map(|&v| v as f64), size)?
        }
        Numbers::Whole(whole) => dense(&mut whole.iter().map(|&v| v as f64))?,
        Numbers::Other(values, _) if values.len() == size => dense(&mut values.iter().copied())?,
        Numbers::Other(values, shape) if shape.len() == 1 => {
            indices(py, values.iter().copied(), size)?
        }
        Numbers::Other(..) => return Err(misfit()),
    };
    observations.push_with(|row| row.ones(ones.iter().copied()));
    Ok(())
}

fn indices(
    py: Python<'_>,
    values: impl ExactSizeIterator<Item = f64>,
    size: usize,
) -> PyResult<Vec<usize>> {
    let mut ones = Vec::with_capacity(values.len());
    for value in values {
        let fits = value.fract() == 0.0 && value >= 0.0 && value < size as f64;
        if !fits || ones.contains(&(value as usize)) {
            let expected = format!("different indices of ones below {size}");
            let found = value.to_string();
            return Err(refuse(py, "ObservationError", "observation", &expected, &found));
        }
        ones.push(value as usize);
    }
    Ok(ones)
}

/// Adds one action mask, all true where there is none.
///
/// # Errors
/// `ObservationError` if it is not as many booleans as there are choices, or leaves none of a component.
pub fn push_mask(
    masks: &mut Vec<bool>,
    value: Option<&Bound<'_, PyAny>>,
    space: &ActionSpace,
) -> PyResult<()> {
    let width = space.mask_width();
    let Some(value) = value else {
        masks.resize(masks.len() + width, true);
        return Ok(());
    };
    let py = value.py();
    let first = masks.len();
    if let Ok(array) = value.cast::<PyArrayDyn<bool>>()
        && array.ndim() == 1
        && let Ok(array) = array.try_readonly()
        && let Ok(values) = array.as_slice()
    {
        masks.extend_from_slice(values);
    } else {
        let truth = |item: PyResult<Bound<'_, PyAny>>| {
            let item = item?;
            match item.cast::<PyBool>() {
                Ok(truth) => Ok(truth.is_true()),
                Err(_) => item
                    .is_truthy()
                    .map_err(|_| refuse(py, "ObservationError", "mask", "booleans", &kind(&item))),
            }
        };
        // One more than fits is enough to see that there are too many, even of an iterator without end.
        for item in value.try_iter()?.take(width + 1) {
            masks.push(truth(item)?);
        }
    }
    let row = masks.get(first..).unwrap_or(&[]);
    if row.len() != width || !space.leaves_a_choice(row) {
        let found = if row.len() == width { "none".into() } else { kind(value) };
        let expected = format!("{width} booleans, at least one of them true");
        return Err(refuse(py, "ObservationError", "mask", &expected, &found));
    }
    Ok(())
}

/// The rows of a batch: a sequence of them, or an array whose first axis they are.
///
/// # Errors
/// `ObservationError` if it is neither.
pub fn rows<'py>(value: &Bound<'py, PyAny>, what: &str) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let refused =
        || refuse(value.py(), "ObservationError", what, "a sequence of rows", &kind(value));
    let len = value.len().map_err(|_| refused())?;
    value.try_iter().map_err(|_| refused())?.take(len).collect()
}

/// An action of `space` from Python: a number, an array of values, or a tuple with one part for each component.
///
/// # Errors
/// `ActionError` if it is not in the space.
pub fn push_action(
    actions: &mut Actions,
    value: &Bound<'_, PyAny>,
    space: &ActionSpace,
) -> PyResult<()> {
    let py = value.py();
    let misfit = || {
        let expected = match space.single_discrete() {
            Some(n) => format!("a whole number from 0 to {}", n - 1),
            None => format!("an element of {:?}", space.components()),
        };
        let found = value.str().map_or_else(|_| kind(value), |s| s.to_string());
        refuse(py, "ActionError", "action", &expected, &found)
    };
    if let Some(n) = space.single_discrete() {
        let index = value.extract::<usize>().map_err(|_| misfit())?;
        if index >= n {
            return Err(misfit());
        }
        actions.discrete.push(index as u32);
        return Ok(());
    }
    let numbers = |part: &Bound<'_, PyAny>| match part.extract::<f64>() {
        Ok(number) => Ok(vec![number]),
        Err(_) => as_f64(part).map_err(|_| misfit())?.to_vec().map_err(|_| misfit()),
    };
    let values: Vec<f64> = match value.cast::<PyTuple>() {
        Ok(parts) => {
            parts.iter().map(|part| numbers(&part)).collect::<PyResult<Vec<_>>>()?.concat()
        }
        Err(_) => numbers(value)?,
    };
    let (mut discrete, mut continuous) = (Vec::new(), Vec::new());
    let mut values = values.into_iter();
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

/// An action of `space` as Python sees it: a number for one choice, an array for bits and real numbers, a list for
/// several choices, else a tuple with one part for each component. [`push_action`] takes it back.
pub fn action_object<'py>(
    py: Python<'py>,
    action: Action<'_>,
    space: &ActionSpace,
) -> PyResult<Bound<'py, PyAny>> {
    let (discrete, continuous) = match action {
        Action::Discrete(index) => return Ok(index.into_pyobject(py)?.into_any()),
        Action::Parts { discrete, continuous } => (discrete, continuous),
    };
    let (mut choices, mut values) = (discrete.iter().copied(), continuous.iter().copied());
    let mut part = |component: &ActionComponent| -> PyResult<Bound<'py, PyAny>> {
        Ok(match component {
            ActionComponent::Discrete { .. } => {
                choices.next().unwrap_or(0).into_pyobject(py)?.into_any()
            }
            ActionComponent::Binary { n } => {
                PyArray1::from_iter(py, choices.by_ref().take(*n).map(|bit| bit as i8)).into_any()
            }
            ActionComponent::Continuous { low, shape, .. } => {
                let values: Vec<f32> = values.by_ref().take(low.len()).collect();
                PyArray1::from_vec(py, values).reshape(shape.clone())?.into_any()
            }
        })
    };
    let parts = space.components();
    if parts.iter().all(|part| matches!(part, ActionComponent::Discrete { .. })) {
        return Ok(discrete.to_vec().into_pyobject(py)?.into_any());
    }
    match parts {
        [one] => part(one),
        many => {
            let many = many.iter().map(part).collect::<PyResult<Vec<_>>>()?;
            Ok(PyTuple::new(py, many)?.into_any())
        }
    }
}

/// A state from Python: a sequence or array of finite numbers.
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

/// A state as Python sees it: whole numbers where all are.
pub fn state_object<'py>(py: Python<'py>, state: &[f64]) -> PyResult<Bound<'py, PyAny>> {
    if state.iter().all(|v| v.fract() == 0.0 && v.abs() < 9e15) {
        let whole: Vec<i64> = state.iter().map(|&v| v as i64).collect();
        return Ok(whole.into_pyobject(py)?.into_any());
    }
    Ok(state.to_vec().into_pyobject(py)?.into_any())
}
