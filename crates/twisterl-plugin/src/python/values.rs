//! Observations, spaces and actions as Python and Gymnasium have them.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use twisterl_core::space::{ActionComponent, ActionSpace, Actions, ObservationSpace, Observations};
use twisterl_core::{Error, error::escape::escape_controls};

/// Returns the exception for an error.
pub(super) fn raise(error: Error) -> PyErr {
    let text = escape_controls(&error.to_string()).into_owned();
    match error {
        Error::Config { .. } | Error::State { .. } | Error::Action { .. } => {
            PyValueError::new_err(text)
        }
        _ => PyRuntimeError::new_err(text),
    }
}

/// Returns the shape of the array that an observation is: that of the space, or a row of bits and values.
pub(super) fn shape(space: &ObservationSpace) -> Vec<usize> {
    match space {
        ObservationSpace::Mixed { .. } => vec![space.size().unwrap_or(0)],
        space => space.shape().to_vec(),
    }
}

/// Returns an observation as an array of NumPy: bits as `int8`, numbers as `float32`.
pub(super) fn array<'py>(
    py: Python<'py>,
    space: &ObservationSpace,
    observed: &Observations,
) -> PyResult<Bound<'py, PyAny>> {
    let numpy = py.import("numpy")?;
    let bits = space.bits().unwrap_or(0);
    let mut values = vec![0f32; bits];
    for &one in observed.ones(0) {
        if let Some(bit) = values.get_mut(one as usize) {
            *bit = 1.0;
        }
    }
    values.extend(observed.dense());
    let sparse = matches!(space, ObservationSpace::SparseBinary { .. });
    let kind = numpy.getattr(if sparse { "int8" } else { "float32" })?;
    numpy.call_method1("array", (values, kind))?.call_method1("reshape", (shape(space),))
}

/// Returns the observation space of Gymnasium.
pub(super) fn observation_space<'py>(
    py: Python<'py>,
    space: &ObservationSpace,
) -> PyResult<Bound<'py, PyAny>> {
    let spaces = py.import("gymnasium.spaces")?;
    if let ObservationSpace::SparseBinary { shape } = space {
        return spaces.call_method1("MultiBinary", (shape.clone(),));
    }
    let infinite = f64::INFINITY;
    let options = PyDict::new(py);
    options.set_item("shape", shape(space))?;
    spaces.call_method("Box", (-infinite, infinite), Some(&options))
}

/// Returns the action space of Gymnasium.
pub(super) fn action_space<'py>(
    py: Python<'py>,
    space: &ActionSpace,
) -> PyResult<Bound<'py, PyAny>> {
    let spaces = py.import("gymnasium.spaces")?;
    let component = |component: &ActionComponent| match component {
        ActionComponent::Discrete { n } => spaces.call_method1("Discrete", (*n,)),
        ActionComponent::Binary { n } => spaces.call_method1("MultiBinary", (*n,)),
        ActionComponent::Continuous { low, high, shape } => {
            let numpy = py.import("numpy")?;
            let array = |values: &[f32]| {
                let values = numpy.call_method1("array", (values.to_vec(), "float32"))?;
                values.call_method1("reshape", (shape.clone(),))
            };
            spaces.call_method1("Box", (array(low)?, array(high)?))
        }
    };
    match space.components() {
        [only] => component(only),
        all => {
            let parts: PyResult<Vec<_>> = all.iter().map(component).collect();
            spaces.call_method1("Tuple", (parts?,))
        }
    }
}

/// Appends an action: a number, or an array or a tuple of one for each component.
pub(super) fn push_action(
    space: &ActionSpace,
    action: &Bound<'_, PyAny>,
    actions: &mut Actions,
) -> PyResult<()> {
    let parts = match space.components() {
        [_] => vec![action.clone()],
        _ => action.try_iter()?.collect::<PyResult<_>>()?,
    };
    if parts.len() != space.components().len() {
        let expected = format!("{} components", space.components().len());
        return Err(raise(Error::action(expected, parts.len())));
    }
    let (mut discrete, mut continuous) = (Vec::new(), Vec::new());
    for (component, part) in space.components().iter().zip(parts) {
        match component {
            ActionComponent::Discrete { .. } => discrete.push(part.extract::<u32>()?),
            ActionComponent::Binary { .. } => {
                for bit in part.try_iter()? {
                    discrete.push(bit?.extract::<u32>()?);
                }
            }
            ActionComponent::Continuous { .. } => {
                let flat = match part.call_method0("ravel") {
                    Ok(flat) => flat,
                    Err(_) => part,
                };
                for number in flat.try_iter()? {
                    continuous.push(number?.extract::<f32>()?);
                }
            }
        }
    }
    let action =
        twisterl_core::space::Action::Parts { discrete: &discrete, continuous: &continuous };
    space.check(action).map_err(raise)?;
    actions.push(action);
    Ok(())
}
