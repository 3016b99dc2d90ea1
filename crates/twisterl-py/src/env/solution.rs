//! Solutions as circuits.

use super::EnvSpec;
use crate::enter::Enter as _;
use pyo3::prelude::*;

/// An operation: name, qubits, the position of what it executes in the state (`None` for a gate), and true for the negative
/// angle.
type Operation = (String, Vec<usize>, Option<usize>, bool);

/// Returns the circuit that some actions from a state stand for, in the order of execution, in an environment of circuits.
#[pyfunction]
pub fn circuit(
    py: Python<'_>,
    spec: &EnvSpec,
    state: Vec<f64>,
    actions: Vec<usize>,
) -> PyResult<Vec<Operation>> {
    let operations = py
        .attached(|| twisterl_quantum::circuit(spec.0.name(), spec.0.params(), &state, &actions))?;
    let parts = operations.into_iter().map(|it| (it.name, it.qubits, it.index, it.negative));
    Ok(parts.collect())
}
