//! Gates on one qubit up to Paulis, and gates on two qubits as CX between them.

use crate::gates::{Gate, Kind};

/// Words of gates for the six Cliffords of a qubit up to Paulis, the first gate first.
pub(crate) const WORDS: [&[Kind]; 6] =
    [&[], &[Kind::H], &[Kind::S], &[Kind::Sx], &[Kind::H, Kind::S], &[Kind::S, Kind::H]];

/// A Clifford of one qubit up to Paulis: the rows of X and Z, each X (1), Z (2) or Y (3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Local(pub(crate) [u8; 2]);

impl Local {
    pub(crate) const IDENTITY: Self = Self([1, 2]);

    /// Returns this followed by a gate.
    pub(crate) fn then(self, kind: Kind) -> Self {
        let Self([x, z]) = self;
        Self(match kind.effect() {
            Kind::H => [z, x],
            Kind::S => [x, z ^ x],
            Kind::Sx => [x ^ z, z],
            _ => [x, z],
        })
    }

    /// Returns this followed by some gates.
    fn then_all(self, word: &[Kind]) -> Self {
        word.iter().fold(self, |local, &kind| local.then(kind))
    }

    /// Returns the gates that make this of the identity.
    fn word(self) -> &'static [Kind] {
        // There are no other matrices than those of the words.
        WORDS.into_iter().find(|word| Self::IDENTITY.then_all(word) == self).unwrap_or(&[])
    }

    /// Returns the inverse.
    pub(crate) fn inverse(self) -> Self {
        let undoes = |word: &&&[Kind]| self.then_all(word) == Self::IDENTITY;
        Self::IDENTITY.then_all(WORDS.iter().find(undoes).unwrap_or(&&[][..]))
    }

    /// Returns this followed by another one.
    pub(crate) fn followed_by(self, other: Self) -> Self {
        self.then_all(other.word())
    }

    /// Returns the image of a row: X (1), Z (2) or Y (3).
    fn row(self, row: u8) -> u8 {
        let Self([x, z]) = self;
        (if row & 1 == 0 { 0 } else { x }) ^ (if row & 2 == 0 { 0 } else { z })
    }
}

/// Returns the rows that a gate on two qubits does not change, on its first and on its second qubit: X (1), Z (2) or Y (3).
pub(crate) fn kept(kind: Kind) -> (u8, u8) {
    match kind {
        Kind::Cy => (1, 3),
        Kind::Cz => (1, 1),
        Kind::Xcx => (2, 2),
        Kind::Xcy => (2, 3),
        Kind::Ycy => (3, 3),
        _ => (1, 2), // CX
    }
}

/// Returns the gate that does not change these rows.
fn keeping(first: (u8, u8), second: (u8, u8)) -> Gate {
    let ((first, row), (second, other)) = (first, second);
    let kind = Kind::COUPLINGS.into_iter().find(|&kind| kept(kind) == (row, other));
    match kind {
        Some(kind) => Gate { kind, first, second },
        // Each of the nine pairs is kept by a gate in one of the two orders.
        None => {
            let kind = Kind::COUPLINGS.into_iter().find(|&kind| kept(kind) == (other, row));
            Gate { kind: kind.unwrap_or(Kind::Cx), first: second, second: first }
        }
    }
}

/// Returns the gate that acts as `gate` does after the gates on one qubit `locals`.
pub(crate) fn conjugated(gate: Gate, locals: &[Local]) -> Gate {
    let (row, other) = kept(gate.kind);
    let image = |qubit: u8, row: u8| (qubit, locals[usize::from(qubit)].row(row));
    keeping(image(gate.first, row), image(gate.second, other))
}

/// Returns the gates before and after CX, on its control and on its target, that make it the gate `kind`; they undo themselves.
fn bases(kind: Kind) -> (Local, Local) {
    let (control, target) = match kind {
        Kind::Cy => (Kind::Cx, Kind::S),
        Kind::Cz => (Kind::Cx, Kind::H),
        Kind::Xcx => (Kind::H, Kind::Cx),
        Kind::Xcy => (Kind::H, Kind::S),
        Kind::Ycy => (Kind::Sx, Kind::S),
        _ => (Kind::Cx, Kind::Cx),
    };
    // CX changes nothing on one qubit.
    (Local::IDENTITY.then(control), Local::IDENTITY.then(target))
}

/// A circuit of CX, H, S and SX under way, in which gates on one qubit wait for the next operation on their qubit. Up to
/// Paulis.
pub(crate) struct Decoder<'a> {
    /// The gates that wait, `[qubits]`.
    pending: Vec<Local>,
    /// Tells the directions of CX: where there is one only in the other direction, it is turned.
    has_cx: &'a dyn Fn(u8, u8) -> bool,
    circuit: Vec<Gate>,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(qubits: usize, has_cx: &'a dyn Fn(u8, u8) -> bool) -> Self {
        Self { pending: vec![Local::IDENTITY; qubits], has_cx, circuit: Vec::new() }
    }

    /// Appends gates on one qubit.
    pub(crate) fn local(&mut self, qubit: usize, local: Local) {
        let pending = &mut self.pending[qubit];
        *pending = pending.followed_by(local);
    }

    /// Appends a gate on one qubit, or one of [`Kind::COUPLINGS`].
    pub(crate) fn gate(&mut self, gate: Gate) {
        if gate.edge().is_none() {
            return self.local(gate.first.into(), Local::IDENTITY.then(gate.kind));
        }
        let h = Local::IDENTITY.then(Kind::H);
        let (control, target) = bases(gate.kind);
        let turned =
            !(self.has_cx)(gate.first, gate.second) && (self.has_cx)(gate.second, gate.first);
        for (qubit, basis) in [(gate.first, control), (gate.second, target)] {
            self.local(qubit.into(), if turned { basis.followed_by(h) } else { basis });
            self.flush(qubit.into());
            self.local(qubit.into(), if turned { h.followed_by(basis) } else { basis });
        }
        let (first, second) =
            if turned { (gate.second, gate.first) } else { (gate.first, gate.second) };
        self.circuit.push(Gate { kind: Kind::Cx, first, second });
    }

    /// Appends the gates that wait on a qubit. Returns the number of gates so far.
    pub(crate) fn flush(&mut self, qubit: usize) -> usize {
        let word = std::mem::replace(&mut self.pending[qubit], Local::IDENTITY).word();
        // At most 32 qubits.
        let gate = |&kind: &Kind| Gate { kind, first: qubit as u8, second: qubit as u8 };
        self.circuit.extend(word.iter().map(gate));
        self.circuit.len()
    }

    /// Returns the circuit.
    pub(crate) fn finish(mut self) -> Vec<Gate> {
        (0..self.pending.len()).for_each(|qubit| {
            self.flush(qubit);
        });
        self.circuit
    }
}
