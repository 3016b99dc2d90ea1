//! Inverse problems, and their solutions turned around.

use super::back::frame_after;
use super::rotations::{Pauli, Rotation};
use super::{CliffordOf, Network, state};
use crate::gates::Gate;
use crate::tableau::local::{self, Local};

impl<T: CliffordOf> Network<T> {
    /// Returns the state of the inverse unitary, whose gates in reverse order are those of the unitary: with the rotations
    /// `C P C^-1` in reverse order and the inverse of the Clifford.
    pub(super) fn inverse_problem(&self) -> Vec<f64> {
        let n = self.problem().qubits;
        let inverse = self.tableau.inverse();
        let image = |Pauli { x, z }: Pauli| {
            let letters = u64::from(x) | u64::from(z) << n;
            let bit = |line: usize| (inverse.rows()[line] & letters).count_ones() & 1;
            let bits = |first: usize| (0..n).fold(0, |word, at| word | bit(first + at) << at);
            Pauli { x: bits(0), z: bits(n) }
        };
        let rotations = self.rotations.as_slice().iter().rev().zip(0..);
        let rotations =
            rotations.map(|(rotation, at)| Rotation::new(image(rotation.pauli), at, at));
        let mut state = Vec::new();
        state::write(&inverse, &rotations.collect::<Vec<_>>(), &mut state);
        state
    }

    /// Returns the actions that solve this state up to gates on one qubit, given those that solve the inverse problem. Actions
    /// are gates in the frame of the state that they are taken in; gates that all are in the frame of the first state can be
    /// turned around as those of a tableau.
    pub(super) fn inverted(&self, actions: &[u32]) -> Option<Vec<u32>> {
        let mut other = self.clone();
        (other.tableau, other.rotations, other.layers) = self.read(&self.inverse_problem()).ok()?;
        let mut frame = vec![Local::IDENTITY; self.problem().qubits];
        other.settle(|executed| frame_after(&mut frame, executed));
        let mut gates: Vec<Gate> = Vec::with_capacity(actions.len());
        for &action in actions {
            let gate = *self.gates().get(action as usize)?;
            gates.push(local::conjugated(gate, &frame));
            other.apply(gate, |executed| frame_after(&mut frame, executed));
        }
        let mut env = self.clone();
        frame.fill(Local::IDENTITY);
        let turned = self.tableau.invert_gates(&gates)?.into_iter().map(|gate| {
            let action = env.in_frame(gate, &frame)?;
            env.apply(self.gates()[action], |executed| frame_after(&mut frame, executed));
            Some(action as u32) // at most 65,536 gates
        });
        turned.collect()
    }
}
