//! The numbers of a state, and solutions as circuits.

use super::circuit::Circuit;
use super::params::MAX_GATES;
use super::{FAR, Routing};
use crate::operation::Operation;
use twisterl_core::env::whole_numbers;
use twisterl_core::{Error, Result};

impl Routing {
    /// Reads a circuit and a layout.
    pub(super) fn read(&self, state: &[f64]) -> Result<(Circuit, Vec<u8>)> {
        let problem = self.problem();
        let qubits = problem.qubits;
        let fits = |len: usize| len >= qubits && (len - qubits).is_multiple_of(2);
        if !fits(state.len()) || state.len() > qubits + 2 * MAX_GATES {
            let expected = format!(
                "{qubits} entries of a layout and two for each of at most {MAX_GATES} gates"
            );
            return Err(Error::state(expected, state.len()));
        }
        let entries: Result<Vec<usize>> = whole_numbers(state, qubits).collect();
        let entries: Vec<u8> = entries?.into_iter().map(|entry| entry as u8).collect(); // below 256
        let (layout, gates) = entries.split_at(qubits);
        let mut held = vec![None; qubits];
        for (qubit, &at) in layout.iter().enumerate() {
            if let Some(first) = held[usize::from(at)].replace(qubit) {
                let found = format!("{at} at positions {first} and {qubit}");
                return Err(Error::state("a layout, with each qubit once", found));
            }
        }
        let (gates, _) = gates.as_chunks();
        for (index, &[a, b]) in gates.iter().enumerate() {
            if a == b {
                let found = format!("qubit {a} twice in gate {index}");
                return Err(Error::state("gates on two different qubits", found));
            }
            let [at, other] = [a, b].map(|qubit| layout[usize::from(qubit)]);
            if problem.distance(at, other) == FAR {
                let found = format!("gate {index} on qubits {a} and {b}, at {at} and {other}");
                return Err(Error::state("gates on qubits that the coupling map connects", found));
            }
        }
        Ok((Circuit::new(qubits, gates.to_vec()), layout.to_vec()))
    }

    /// Writes the gates that are left behind a layout.
    pub(super) fn write(&self, layout: &[u8], out: &mut Vec<f64>) {
        out.extend(layout.iter().map(|&at| f64::from(at)));
        for index in 0..self.circuit.len() as u32 {
            if self.circuit.is_left(&self.places, index) {
                out.extend(self.circuit.gate(index).map(f64::from));
            }
        }
    }

    /// Returns the circuit of some actions from a state, in the order of execution and on the qubits of the map: each SWAP, and
    /// as operations named `gate`, with the position of the gate in the state, the gates where they are executed.
    ///
    /// # Errors
    /// If the state or an action is refused.
    pub fn circuit(&self, state: &[f64], actions: &[usize]) -> Result<Vec<Operation>> {
        let mut env = self.clone();
        let (circuit, layout) = self.read(state)?;
        env.load(circuit, layout);
        let mut executed = Vec::new();
        env.execute_all(|index| executed.push(index));
        let mut operations = Vec::with_capacity(actions.len() + env.circuit.len());
        env.emit(&mut executed, &mut operations);
        for &action in actions {
            let Some(&gate) = self.gates().get(action) else {
                let expected = format!("0 to {}", self.gates().len().saturating_sub(1));
                return Err(Error::action(expected, action));
            };
            operations.push(gate.into());
            env.swap(gate);
            env.execute_after(gate, |index| executed.push(index));
            env.emit(&mut executed, &mut operations);
        }
        Ok(operations)
    }

    /// Moves gates that were executed at the current layout to `operations`.
    fn emit(&self, executed: &mut Vec<u32>, operations: &mut Vec<Operation>) {
        operations.extend(executed.drain(..).map(|index| {
            let at = |qubit: u8| usize::from(self.layout[usize::from(qubit)]);
            Operation {
                name: "gate".to_owned(),
                qubits: self.circuit.gate(index).map(at).to_vec(),
                index: Some(index as usize),
                negative: false,
            }
        }));
    }
}
