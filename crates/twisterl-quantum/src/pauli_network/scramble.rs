//! Random problems.

use super::rotations::Pauli;
use crate::connectivity::{FAR, distances};
use crate::gates::Gate;
use twisterl_core::rng::{Rng, RngExt as _};

/// The share of gates on two qubits in a scramble, as in `qiskit-gym`.
const TWO_QUBIT_SHARE: f32 = 0.7;

/// The most gates by which a rotation is drawn where the gates do not make all Cliffords.
const MAX_CONJUGATIONS: usize = 64;

/// The constants of random problems.
#[derive(Debug)]
pub(crate) struct Scramble {
    /// The gates on one qubit, and those on two.
    one: Vec<Gate>,
    two: Vec<Gate>,
    /// The pairs of qubits at each distance on the map of CX and CZ gates, from 1 on; no list is empty.
    pairs: Vec<Vec<(u8, u8)>>,
    /// The qubits that such gates join with each one, itself among them, `[qubits]`.
    joined: Vec<u32>,
    /// The gates make all Cliffords on the qubits that they connect.
    makes_all: bool,
    num_qubits_decay: f64,
}

impl Scramble {
    pub(crate) fn new(
        qubits: usize,
        gates: &[Gate],
        makes_all: bool,
        num_qubits_decay: f64,
    ) -> Self {
        let (one, two) = gates.iter().partition(|gate| gate.kind.qubits() == 1);
        let entangling = gates.iter().filter(|gate| gate.kind.spreads());
        let apart = distances(qubits, entangling.filter_map(|gate| gate.edge()));
        let joined = apart.chunks(qubits).map(|row| {
            let near = row.iter().enumerate().filter(|&(_, &distance)| distance != FAR);
            near.fold(0, |joined, (qubit, _)| joined | 1 << qubit)
        });
        let joined = joined.collect();
        let mut pairs: Vec<Vec<(u8, u8)>> = Vec::new();
        for (place, &distance) in apart.iter().enumerate() {
            let (a, b) = (place / qubits, place % qubits);
            if a < b && distance != FAR {
                let distance = usize::from(distance);
                pairs.resize_with(pairs.len().max(distance), Vec::new);
                pairs[distance - 1].push((a as u8, b as u8)); // at most 32 qubits
            }
        }
        Self { one, two, pairs, joined, makes_all, num_qubits_decay }
    }

    /// Draws a gate.
    pub(crate) fn gate(&self, rng: &mut Rng) -> Gate {
        let of_two = match (self.one.is_empty(), self.two.is_empty()) {
            (false, false) => rng.random::<f32>() < TWO_QUBIT_SHARE,
            (one_is_empty, _) => one_is_empty,
        };
        let gates = if of_two { &self.two } else { &self.one };
        gates[rng.random_range(0..gates.len() as u32) as usize]
    }

    /// Draws a rotation that takes at most `budget` distances between qubits. Returns it with the distances that it takes, at
    /// least 1; `None` if there is none.
    pub(crate) fn rotation(&self, budget: usize, rng: &mut Rng) -> Option<(Pauli, usize)> {
        if self.pairs.is_empty() || budget == 0 {
            return None;
        }
        if !self.makes_all {
            return Some(self.conjugated(budget, rng));
        }
        let mut support = 0;
        let mut left = budget;
        while let Some((pair, distance)) = self.pair(support, left, rng) {
            support |= pair;
            left -= distance;
            if rng.random::<f64>() < self.num_qubits_decay {
                break;
            }
        }
        let mut pauli = Pauli::default();
        for qubit in (0..u32::BITS).filter(|qubit| support >> qubit & 1 == 1) {
            set(&mut pauli, qubit, rng.random_range(1..4));
        }
        Some((pauli, budget - left))
    }

    /// Draws a rotation of an evolution: uniformly among the Paulis on qubits that gates join, where these make all of them.
    pub(crate) fn evolution(&self, rng: &mut Rng) -> Pauli {
        let qubit = rng.random_range(0..self.joined.len() as u32);
        let joined = self.joined[qubit as usize];
        if !self.makes_all && !self.pairs.is_empty() {
            return self.conjugated(MAX_CONJUGATIONS, rng).0;
        }
        loop {
            let pauli = Pauli { x: rng.random::<u32>() & joined, z: rng.random::<u32>() & joined };
            if pauli.support() != 0 {
                return pauli;
            }
        }
    }

    /// Draws a distance of at most `most`, and a pair of qubits at this distance, of which one is in `support`, or none if that
    /// is empty.
    fn pair(&self, support: u32, most: usize, rng: &mut Rng) -> Option<(u32, usize)> {
        let adds = |&&(a, b): &&(u8, u8)| {
            let (has_a, has_b) = (support >> a & 1, support >> b & 1);
            has_a ^ has_b == u32::from(support != 0)
        };
        let pairs = || {
            let lists = self.pairs.iter().enumerate().take(most);
            lists.filter(|(_, pairs)| pairs.iter().any(|pair| adds(&pair)))
        };
        let choice = |count: usize, rng: &mut Rng| rng.random_range(0..count as u32) as usize;
        let lists = pairs().count();
        if lists == 0 {
            return None;
        }
        let (distance, list) = pairs().nth(choice(lists, rng))?;
        let count = list.iter().filter(adds).count();
        let &(a, b) = list.iter().filter(adds).nth(choice(count, rng))?;
        Some((1 << a | 1 << b, distance + 1))
    }

    /// Draws a rotation on one qubit and lets random gates act on it, so that gates of the set can undo them.
    fn conjugated(&self, budget: usize, rng: &mut Rng) -> (Pauli, usize) {
        let mut pauli = Pauli::default();
        let edge = self.two[rng.random_range(0..self.two.len() as u32) as usize];
        set(&mut pauli, edge.first.into(), rng.random_range(1..4));
        for _ in 0..budget.min(MAX_CONJUGATIONS) {
            pauli.conjugate(self.gate(rng));
        }
        (pauli, pauli.weight().saturating_sub(1).max(1) as usize)
    }
}

/// Sets the letter of a qubit: 1 for X, 2 for Z, 3 for Y.
pub(crate) fn set(pauli: &mut Pauli, qubit: u32, letter: u32) {
    pauli.x |= (letter & 1) << qubit;
    pauli.z |= (letter >> 1) << qubit;
}
