//! Solutions as circuits.

use super::PauliNetwork;
use super::rotations::Rotation;
use crate::operation::Operation;
use twisterl_core::{Error, Result};

impl Operation {
    /// Returns a rotation about a Pauli on one qubit.
    fn rotation(rotation: Rotation) -> Self {
        let pauli = rotation.pauli;
        let name = match (pauli.x != 0, pauli.z != 0) {
            (true, true) => "ry",
            (true, false) => "rx",
            _ => "rz",
        };
        Self {
            name: name.to_owned(),
            qubits: vec![pauli.support().trailing_zeros() as usize],
            index: Some(rotation.index.into()),
            negative: rotation.negative,
        }
    }
}

impl PauliNetwork {
    /// Returns the circuit of some actions from a state, in the order of execution: each gate, and each rotation where it is
    /// removed, in front those that the state has on one qubit. If the actions solve the state, the circuit followed by some
    /// Pauli is the unitary of the state: the Pauli makes up for the signs of the Clifford, which the state does not hold.
    ///
    /// # Errors
    /// If the state or an action is refused.
    pub fn circuit(&self, state: &[f64], actions: &[usize]) -> Result<Vec<Operation>> {
        let mut env = self.clone();
        (env.tableau, env.rotations, env.layers) = self.read(state)?;
        let mut operations = Vec::with_capacity(actions.len());
        env.rotations.clean(&self.problem().params, |rotation| {
            operations.push(Operation::rotation(rotation))
        });
        for &action in actions {
            let Some(&gate) = self.gates().get(action) else {
                let expected = format!("0 to {}", self.gates().len().saturating_sub(1));
                return Err(Error::action(expected, action));
            };
            operations.push(gate.into());
            env.apply(gate, |rotation| operations.push(Operation::rotation(rotation)));
        }
        Ok(operations)
    }
}
