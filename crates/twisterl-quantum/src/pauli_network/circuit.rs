//! Solutions as circuits.

use super::rotations::Rotation;
use super::{CliffordOf, Executed, Network};
use crate::gates::Gate;
use crate::operation::Operation;
use crate::tableau::local::Decoder;
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

impl<T: CliffordOf> Network<T> {
    /// Returns the circuit of some actions from a state, in the order of execution: each gate, and each rotation where it is
    /// removed, in front those that the state has on one qubit. If the actions solve the state, the circuit followed by some
    /// Pauli is the unitary of the state: the Pauli makes up for the signs of the Clifford, which the state does not hold. Where
    /// gates on one qubit are free, the circuit has them as H, S and SX, and CX in the directions of the coupling map.
    ///
    /// # Errors
    /// If the state or an action is refused.
    pub fn circuit(&self, state: &[f64], actions: &[usize]) -> Result<Vec<Operation>> {
        let mut env = self.clone();
        (env.tableau, env.rotations, env.layers) = self.read(state)?;
        let mut rotations = env.rotations.clone();
        let mut executed = Vec::with_capacity(actions.len());
        env.settle(|each| executed.push(each));
        for &action in actions {
            let Some(&gate) = self.gates().get(action) else {
                let expected = format!("0 to {}", self.gates().len().saturating_sub(1));
                return Err(Error::action(expected, action));
            };
            env.apply(gate, |each| executed.push(each));
        }
        let (gates, places) = self.decoded(&executed);
        let mut operations = Vec::with_capacity(executed.len());
        let mut places = places.into_iter().peekable();
        for at in 0..=gates.len() {
            while let Some((_, index)) = places.next_if(|&(place, _)| place == at) {
                operations.extend(rotations.find(index).map(Operation::rotation));
            }
            if let Some(&gate) = gates.get(at) {
                // The signs of the Paulis are those that these gates make.
                rotations.conjugate(gate);
                operations.push(gate.into());
            }
        }
        Ok(operations)
    }

    /// Returns the gates of a circuit, and for each rotation the number of gates before it and its position in the state.
    fn decoded(&self, executed: &[Executed]) -> (Vec<Gate>, Vec<(usize, u16)>) {
        let arcs = &self.problem().arcs;
        let has_cx = |a: u8, b: u8| arcs.contains(&[usize::from(a), usize::from(b)]);
        let mut decoder = Decoder::new(self.problem().qubits, &has_cx);
        let (mut gates, mut places) = (Vec::new(), Vec::new());
        for &each in executed {
            match each {
                Executed::Gate(gate) if T::RULES.up_to_local => decoder.gate(gate),
                Executed::Gate(gate) => gates.push(gate),
                Executed::Rotation(rotation) if T::RULES.up_to_local => {
                    let qubit = rotation.pauli.support().trailing_zeros() as usize;
                    places.push((decoder.flush(qubit), rotation.index));
                }
                Executed::Rotation(rotation) => places.push((gates.len(), rotation.index)),
            }
        }
        gates.extend(decoder.finish());
        (gates, places)
    }
}
