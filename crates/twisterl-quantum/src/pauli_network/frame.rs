//! Names of the Paulis of each qubit that do not depend on gates on one qubit.
//!
//! A gate on one qubit permutes X, Z and Y of its qubit, in the rotations and in the tableau alike. Where such gates are free, each
//! qubit is brought to a *frame*: the first letter that it has in the rotations, from the first to the last, and after them in
//! the columns of the tableau, is X, and the first one other than that is Z. Each class of equivalent states thus has one state,
//! which policies see and which keys are made of.

use super::{CliffordOf, Network};
use crate::gates::{Gate, Kind};
use crate::tableau::local::WORDS;

/// The gates that make X of one letter and Z of another, by these.
#[derive(Debug)]
pub(super) struct Frames([[&'static [Kind]; 4]; 4]);

impl Frames {
    pub(super) fn new() -> Self {
        let mut words = [[WORDS[0]; 4]; 4];
        for word in WORDS {
            let source =
                |made: usize| (1..4).find(|&letter| word.iter().fold(letter, image) == made);
            if let (Some(first), Some(second)) = (source(1), source(2)) {
                words[first][second] = word;
            }
        }
        Self(words)
    }
}

/// Returns the letter that a gate on one qubit makes of a letter: X is 1, Z is 2, Y is 3.
fn image(letter: usize, kind: &Kind) -> usize {
    let (x, z) = (letter & 1, letter >> 1);
    match kind.effect() {
        Kind::H => z | x << 1,
        Kind::S => x | (z ^ x) << 1,
        Kind::Sx => (x ^ z) | z << 1,
        _ => letter,
    }
}

impl<T: CliffordOf> Network<T> {
    /// Brings each qubit to its frame. Hands each gate to `applied`.
    pub(super) fn rename(&mut self, mut applied: impl FnMut(Gate)) {
        for qubit in 0..self.problem().qubits {
            let (first, second) = self.first_letters(qubit);
            let word = self.problem().frames.0[first][second];
            for &kind in word {
                // At most 32 qubits.
                let gate = Gate { kind, first: qubit as u8, second: qubit as u8 };
                self.conjugate(gate);
                applied(gate);
            }
        }
    }

    /// Returns the first letter of a qubit, and the first one other than that.
    fn first_letters(&self, qubit: usize) -> (usize, usize) {
        let rows = self.tableau.rows();
        let (x, z) = (rows[qubit], rows[self.problem().qubits + qubit]);
        let columns = (0..rows.len()).map(|at| (x >> at & 1 | (z >> at & 1) << 1) as usize);
        let rotations = self.rotations.as_slice().iter();
        let letters = rotations.map(|rotation| rotation.pauli.letter(qubit)).chain(columns);
        let mut letters = letters.filter(|&letter| letter != 0);
        let first = letters.next().unwrap_or(1);
        // The rows of a symplectic matrix are different, so that there are two letters.
        (first, letters.find(|&letter| letter != first).unwrap_or(first ^ 3))
    }
}
