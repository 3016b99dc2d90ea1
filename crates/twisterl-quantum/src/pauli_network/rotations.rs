//! Paulis, and the sequence of rotations about them.

use super::params::{MAX_ROTATIONS, Order, PauliNetworkParams};
use crate::gates::{Gate, Kind};

/// A Pauli of at most 32 qubits, up to its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pauli {
    /// The qubits with X or Y.
    pub(crate) x: u32,
    /// The qubits with Z or Y.
    pub(crate) z: u32,
}

impl Pauli {
    /// Returns the qubits that it acts on.
    pub(crate) fn support(self) -> u32 {
        self.x | self.z
    }

    pub(crate) fn weight(self) -> u32 {
        self.support().count_ones()
    }

    /// Returns the letter of a qubit: 0 for I, 1 for X, 2 for Z, 3 for Y.
    #[inline]
    pub(crate) fn letter(self, qubit: usize) -> usize {
        ((self.x >> qubit & 1) | (self.z >> qubit & 1) << 1) as usize
    }

    pub(crate) fn commutes(self, other: Self) -> bool {
        ((self.x & other.z).count_ones() + (self.z & other.x).count_ones()).is_multiple_of(2)
    }

    /// Becomes `gate * self * gate^-1` up to the sign. Returns true if the sign changes.
    #[inline]
    pub(crate) fn conjugate(&mut self, gate: Gate) -> bool {
        let (a, b) = (gate.first, gate.second);
        let (xa, za) = (self.x >> a & 1, self.z >> a & 1);
        let (xb, zb) = (self.x >> b & 1, self.z >> b & 1);
        let changes = match gate.kind {
            Kind::H => {
                self.x ^= (xa ^ za) << a;
                self.z ^= (xa ^ za) << a;
                xa & za
            }
            Kind::S => {
                self.z ^= xa << a;
                xa & za
            }
            Kind::Sdg => {
                self.z ^= xa << a;
                xa & (za ^ 1)
            }
            Kind::Sx => {
                self.x ^= za << a;
                za & (xa ^ 1)
            }
            Kind::Sxdg => {
                self.x ^= za << a;
                za & xa
            }
            Kind::Cx => {
                self.x ^= xa << b;
                self.z ^= zb << a;
                xa & zb & (xb ^ za ^ 1)
            }
            Kind::Cz => {
                self.z ^= xb << a | xa << b;
                xa & xb & (za ^ zb)
            }
            Kind::Swap => {
                self.x ^= (xa ^ xb) << a | (xa ^ xb) << b;
                self.z ^= (za ^ zb) << a | (za ^ zb) << b;
                0
            }
            Kind::Cy | Kind::Xcx | Kind::Xcy | Kind::Ycy => {
                let parts = gate.parts().into_iter();
                return parts.fold(false, |changes, part| changes ^ self.conjugate(part));
            }
        };
        changes == 1
    }
}

/// A rotation by an angle that the environment does not know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation {
    pub(crate) pauli: Pauli,
    /// The column of observations; those beyond the last one are not shown.
    pub(crate) column: u16,
    /// The position in the state that was set.
    pub(crate) index: u16,
    /// The sign of the Pauli has changed since then.
    pub(crate) negative: bool,
    /// Can be removed.
    removable: bool,
}

impl Rotation {
    /// Returns rotation number `index`.
    pub(crate) fn new(pauli: Pauli, column: u16, index: u16) -> Self {
        Self { pauli, column, index, negative: false, removable: false }
    }

    /// Returns this rotation about another Pauli.
    pub(crate) fn with(self, pauli: Pauli) -> Self {
        Self { pauli, ..self }
    }
}

/// The rotations that are left, from the first to the last. Those that commute may change places.
#[derive(Debug, Default)]
pub(crate) struct Rotations(Vec<Rotation>);

impl Clone for Rotations {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }

    fn clone_from(&mut self, source: &Self) {
        self.0.clone_from(&source.0);
    }
}

impl Rotations {
    pub(crate) fn new(rotations: Vec<Rotation>) -> Self {
        Self(rotations)
    }

    pub(crate) fn as_slice(&self) -> &[Rotation] {
        &self.0
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Appends a rotation, of which there are fewer than 1,024.
    pub(crate) fn push(&mut self, pauli: Pauli) {
        let at = self.0.len() as u16;
        self.0.push(Rotation::new(pauli, at, at));
    }

    /// Returns the rotation that had this position in the state.
    pub(crate) fn find(&self, index: u16) -> Option<Rotation> {
        self.0.iter().find(|rotation| rotation.index == index).copied()
    }

    /// Returns true if a state has room for no further rotation.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= MAX_ROTATIONS
    }

    /// Inserts a rotation before all others.
    pub(crate) fn push_front(&mut self, pauli: Pauli) {
        self.0.insert(0, Rotation::new(pauli, 0, 0));
        for (rotation, at) in self.0.iter_mut().zip(0..) {
            (rotation.column, rotation.index) = (at, at);
        }
    }

    #[inline]
    pub(crate) fn conjugate(&mut self, gate: Gate) {
        for rotation in &mut self.0 {
            rotation.negative ^= rotation.pauli.conjugate(gate);
        }
    }

    /// Removes the rotations that act on one qubit and commute with all before them, as long as there are such; if their order
    /// may change, all that act on one qubit. Returns their number, and hands each to `removed`, in an order in which they can
    /// be executed.
    pub(crate) fn clean(
        &mut self,
        params: &PauliNetworkParams,
        mut removed: impl FnMut(Rotation),
    ) -> usize {
        let before = self.0.len();
        while self.mark(params.preserve_order) {
            match params.order {
                Order::Sequence => self.remove_in_sequence(&mut removed),
                Order::QiskitGym => self.remove_by_exchange(&mut removed),
            }
        }
        before - self.0.len()
    }

    /// Marks the rotations that can be removed at once. Returns true if there are any.
    pub(crate) fn mark(&mut self, preserve_order: bool) -> bool {
        let mut any = false;
        for at in 0..self.0.len() {
            let (before, from) = self.0.split_at_mut(at);
            let [rotation, ..] = from else { break };
            let pauli = rotation.pauli;
            let first = || before.iter().all(|other| other.pauli.commutes(pauli));
            rotation.removable = pauli.weight() == 1 && (!preserve_order || first());
            any |= rotation.removable;
        }
        any
    }

    fn remove_in_sequence(&mut self, removed: &mut impl FnMut(Rotation)) {
        self.0.retain(|&rotation| {
            if rotation.removable {
                removed(rotation);
            }
            !rotation.removable
        });
        for (rotation, column) in self.0.iter_mut().zip(0..) {
            rotation.column = column;
        }
    }

    /// Removes from the last column to the first; each time the rotation in the last column moves to the free one.
    fn remove_by_exchange(&mut self, removed: &mut impl FnMut(Rotation)) {
        let last = |list: &[Rotation]| {
            let removable = list.iter().enumerate().filter(|(_, rotation)| rotation.removable);
            removable.max_by_key(|(_, rotation)| rotation.column).map(|(at, _)| at)
        };
        while let Some(at) = last(&self.0) {
            let rotation = self.0.remove(at);
            removed(rotation);
            let end = self.0.len();
            if let Some(moved) = self.0.iter_mut().find(|moved| usize::from(moved.column) == end) {
                moved.column = rotation.column;
            }
        }
    }
}
