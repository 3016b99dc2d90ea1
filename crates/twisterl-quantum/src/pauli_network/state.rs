//! The numbers of a state.

use super::params::{MAX_ROTATIONS, Order};
use super::rotations::{Pauli, Rotation, Rotations};
use super::{CliffordOf, Network};
use crate::metrics::Layers;
use twisterl_core::env::whole_numbers;
use twisterl_core::{Error, Result};

impl<T: CliffordOf> Network<T> {
    /// Reads the rotations of a state, which begin behind its tableau.
    fn read_rotations(&self, entries: &[f64], count: usize) -> Result<Vec<Rotation>> {
        let problem = self.problem();
        let mut taken = vec![false; count];
        let mut rotations = Vec::with_capacity(count);
        for (index, entries) in entries.chunks_exact(problem.qubits + 1).enumerate() {
            let (head, letters) = entries.split_at(1);
            let column = whole_numbers(head, count).next().transpose();
            let letters: Result<Vec<usize>> = whole_numbers(letters, 4).collect();
            let within = |error: Error| match error {
                Error::State { expected, found } => {
                    Error::state(expected, format!("{found} of rotation {index}"))
                }
                other => other,
            };
            let column = column.map_err(within)?.unwrap_or_default();
            let mut pauli = Pauli::default();
            for (qubit, letter) in letters.map_err(within)?.into_iter().enumerate() {
                pauli.x |= (letter as u32 & 1) << qubit;
                pauli.z |= (letter as u32 >> 1) << qubit;
            }
            let in_order = problem.params.order == Order::QiskitGym || column == index;
            if std::mem::replace(&mut taken[column], true) || !in_order {
                let found = format!("{column} for rotation {index}");
                return Err(Error::state("each column once, in the order of rotations", found));
            }
            if pauli.support() == 0 {
                let found = format!("the identity for rotation {index}");
                return Err(Error::state("rotations about Paulis other than the identity", found));
            }
            if !problem.group.reduces(pauli.support()) {
                let found = format!("rotation {index} on qubits that no gate joins");
                return Err(Error::state("rotations that the gates can make", found));
            }
            // At most 1,024 rotations.
            rotations.push(Rotation::new(pauli, column as u16, index as u16));
        }
        Ok(rotations)
    }

    /// Reads a state before any rotation is removed.
    pub(super) fn read(&self, state: &[f64]) -> Result<(T, Rotations, Layers)> {
        let problem = self.problem();
        let qubits = problem.qubits;
        let count = whole_numbers(state.get(..1).unwrap_or_default(), MAX_ROTATIONS + 1).next();
        let count = count.transpose()?.unwrap_or_default();
        let tableau = T::entries(qubits);
        let entries = 1 + tableau + count.saturating_mul(qubits + 1);
        let expected = format!("{qubits} qubits and {count} rotations");
        let (state, slacks) = self.layers.split(state, entries, &expected)?;
        let (matrix, list) = state[1..].split_at(tableau);
        let list = self.read_rotations(list, count)?;
        let tableau = T::read(qubits, matrix, &problem.group)?;
        Ok((tableau, Rotations::new(list), self.layers.read(slacks)?))
    }
}

/// Writes a state without the slacks.
pub(super) fn write<T: CliffordOf>(tableau: &T, rotations: &[Rotation], out: &mut Vec<f64>) {
    out.push(rotations.len() as f64);
    tableau.write(out);
    let qubits = tableau.rows().len() / 2;
    for rotation in rotations {
        out.push(f64::from(rotation.column));
        out.extend((0..qubits).map(|qubit| rotation.pauli.letter(qubit) as f64));
    }
}
