//! The operations of circuits that solutions stand for.

use crate::gates::Gate;

/// One operation of a circuit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The name of a gate in lower case, `rx`, `ry` or `rz`.
    pub name: String,
    /// The qubits, the control of CX first.
    pub qubits: Vec<usize>,
    /// The position in the state of the rotation that this executes, `None` for a gate.
    pub index: Option<usize>,
    /// The angle is minus that of the rotation of the state.
    pub negative: bool,
}

impl From<Gate> for Operation {
    fn from(gate: Gate) -> Self {
        let (first, second) = (usize::from(gate.first), usize::from(gate.second));
        let qubits = if gate.edge().is_some() { vec![first, second] } else { vec![first] };
        let name = gate.kind.name().to_ascii_lowercase();
        Self { name, qubits, index: None, negative: false }
    }
}
