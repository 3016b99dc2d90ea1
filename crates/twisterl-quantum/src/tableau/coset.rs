//! Cliffords up to gates on one qubit: cosets of the local Cliffords, from the left.
//!
//! A gate on two qubits that commutes with the Pauli P on one and Q on the other is CX between bases of these qubits
//! ([`Kind::COUPLINGS`]). Gates on one qubit turn the nine gates on two qubits into each other, so that what the nine make of
//! equivalent states is equivalent again. They are therefore never needed as moves, and a search needs one state of each coset.

use super::local::{self, Decoder, Local};
use super::{CliffordGroup, CliffordTableau, Tableau};
use crate::gates::{Gate, Kind};
use crate::metrics::Costs;
use crate::params::Rules;
use twisterl_core::Result;
use twisterl_core::rng::{Rng, RngExt as _};
use twisterl_core::space::ObservationRow;

/// A symplectic matrix of at most 32 qubits that is solved if each row is on one qubit alone.
#[derive(Debug)]
pub struct CosetTableau(CliffordTableau);

impl Clone for CosetTableau {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }

    fn clone_from(&mut self, source: &Self) {
        self.0.clone_from(&source.0);
    }
}

impl CosetTableau {
    /// The rows, the first column in the lowest bit, `[2 * qubits]`.
    pub(crate) fn rows(&self) -> &[u64] {
        self.0.rows()
    }

    fn qubits(&self) -> usize {
        self.0.rows().len() / 2
    }

    /// Returns the rows of X and Z of each qubit.
    fn pairs(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let (x, z) = self.0.rows().split_at(self.qubits());
        x.iter().copied().zip(z.iter().copied())
    }

    /// Returns the number of qubits whose rows are on other qubits, too.
    fn entangled(&self) -> usize {
        let n = self.qubits();
        let own = |qubit: usize| 1_u64 << qubit | 1 << (n + qubit);
        self.pairs().enumerate().filter(|(qubit, (x, z))| (x | z) & !own(*qubit) != 0).count()
    }

    /// Returns the gates on one qubit that the solved state is, `[qubits]`.
    pub(crate) fn locals(&self) -> Vec<Local> {
        let n = self.qubits();
        let own = |qubit: usize, row: u64| (row >> qubit & 1 | (row >> (n + qubit) & 1) << 1) as u8;
        self.pairs().enumerate().map(|(q, (x, z))| Local([own(q, x), own(q, z)])).collect()
    }
}

impl Tableau for CosetTableau {
    const NAME: &'static str = "CliffordCoset";
    const RULES: Rules = Rules {
        max_qubits: 32,
        allowed: &Kind::COUPLINGS,
        basis: &Kind::COUPLINGS,
        up_to_local: true,
        has_dual: false,
    };
    const HAS_DUALS: bool = true;

    type Group = CliffordGroup;

    /// The group that CX and all gates on one qubit generate.
    fn group(qubits: usize, gates: &[Gate]) -> CliffordGroup {
        // At most 32 qubits.
        let one =
            |kind| (0..qubits as u8).map(move |qubit| Gate { kind, first: qubit, second: qubit });
        let two = gates.iter().map(|gate| Gate { kind: Kind::Cx, ..*gate });
        let gates: Vec<Gate> = two.chain(one(Kind::H)).chain(one(Kind::S)).collect();
        CliffordTableau::group(qubits, &gates)
    }

    fn identity(qubits: usize) -> Self {
        Self(CliffordTableau::identity(qubits))
    }

    fn side(qubits: usize) -> usize {
        2 * qubits
    }

    fn entries(qubits: usize) -> usize {
        4 * qubits * qubits
    }

    fn read(qubits: usize, state: &[f64], group: &CliffordGroup) -> Result<Self> {
        CliffordTableau::read(qubits, state, group).map(Self)
    }

    fn write(&self, out: &mut Vec<f64>) {
        self.0.write(out);
    }

    fn restart(&mut self) {
        self.0.restart();
    }

    /// Draws one of the six gates on each qubit.
    fn restart_anywhere(&mut self, rng: &mut Rng) {
        self.restart();
        for qubit in 0..self.qubits() {
            let word = local::WORDS[rng.random_range(0..local::WORDS.len() as u32) as usize];
            for &kind in word {
                // At most 32 qubits.
                self.apply(Gate { kind, first: qubit as u8, second: qubit as u8 });
            }
        }
    }

    #[inline]
    fn apply(&mut self, gate: Gate) {
        self.0.apply(gate);
    }

    #[inline]
    fn solved(&self) -> bool {
        self.entangled() == 0
    }

    #[inline]
    fn observe(&self, row: &mut ObservationRow<'_>) {
        self.0.observe(row);
    }

    fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.words()
    }

    /// The rows of X, Z and Y of each qubit in order, of which two tell the third.
    fn class_words(&self) -> impl Iterator<Item = u64> + '_ {
        self.pairs().flat_map(|(x, z)| {
            let y = x ^ z;
            let least = x.min(z).min(y);
            let most = x.max(z).max(y);
            [least, most]
        })
    }

    fn draw(&mut self, group: &CliffordGroup, rng: &mut Rng) -> bool {
        self.0.draw(group, rng)
    }

    fn relabelled(&self, image: &[u32]) -> Self {
        Self(self.0.relabelled(image))
    }

    fn inverse(&self) -> Self {
        Self(self.0.inverse())
    }

    /// From `G M^-1 = L`, with gates on one qubit in `L`, follows `L M = G`: the gates in reverse order solve `L M`, and
    /// conjugated by `L` they solve `M`.
    fn invert_gates(&self, gates: &[Gate]) -> Option<Vec<Gate>> {
        let mut end = self.inverse();
        gates.iter().for_each(|&gate| end.apply(gate));
        let locals = end.locals();
        Some(gates.iter().rev().map(|gate| local::conjugated(*gate, &locals)).collect())
    }

    /// A gate on two qubits frees at most two of all others.
    fn least_cost(&self, _group: &CliffordGroup, costs: &Costs) -> f32 {
        match self.entangled() {
            0 => 0.0,
            entangled => entangled.div_ceil(2) as f32 * costs.least(&Kind::COUPLINGS),
        }
    }

    /// Returns the gates as CX between gates on one qubit, and the gates on one qubit that are left at the end.
    fn circuit(&self, gates: &[Gate], has_cx: &dyn Fn(u8, u8) -> bool) -> Vec<Gate> {
        let mut end = self.clone();
        gates.iter().for_each(|&gate| end.apply(gate));
        let mut decoder = Decoder::new(self.qubits(), has_cx);
        gates.iter().for_each(|&gate| decoder.gate(gate));
        if end.solved() {
            let locals = end.locals().into_iter().enumerate();
            locals.for_each(|(qubit, local)| decoder.local(qubit, local.inverse()));
        }
        decoder.finish()
    }

    fn render(&self) -> String {
        self.0.render()
    }
}
