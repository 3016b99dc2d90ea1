//! Steps back: a gate is taken back, and rotations that it turns onto one qubit come to the front.
//!
//! What a gate executed cannot be told from what is left, so that the rotations that it may have executed are drawn.

use super::rotations::Pauli;
use super::scramble::set;
use super::{CliffordOf, Executed, Network};
use crate::gates::Gate;
use crate::tableau::local::{self, Local};
use twisterl_core::rng::{Rng, RngExt as _};

/// The most gates that are drawn, of which the first fitting one is taken.
const DRAWS: usize = 16;

/// The probability of each rotation that a gate may have executed. There are four, so that walks have a rotation every two
/// gates, as the evolutions that users have.
const SHARE: f64 = 0.125;

impl<T: CliffordOf> Network<T> {
    /// Moves to a state from which a gate leads to the current one, and returns the gate; `None` if none was found. Up to gates on
    /// one qubit alone, and where layers have no weights.
    pub(super) fn drawn_back(&mut self, rng: &mut Rng) -> Option<usize> {
        if !T::RULES.up_to_local || self.problem().costs.weigh_layers() || self.gates().is_empty() {
            return None;
        }
        let mut before = self.clone();
        for _ in 0..DRAWS {
            before.clone_from(self);
            let gate = self.gates()[rng.random_range(0..self.gates().len() as u32) as usize];
            before.insert_executed(gate, rng);
            before.conjugate(gate);
            let preserve_order = self.problem().params.preserve_order;
            if before.rotations.mark(preserve_order) {
                continue; // would have been executed before the gate
            }
            let mut frame = vec![Local::IDENTITY; self.problem().qubits];
            before.settle(|executed| frame_after(&mut frame, executed));
            let taken = self.in_frame(gate, &frame)?;
            self.clone_from(&before);
            return Some(taken);
        }
        None
    }

    /// Inserts rotations that a gate executes, drawn from those about one of its qubits that are not there without the gate.
    fn insert_executed(&mut self, gate: Gate, rng: &mut Rng) {
        let kept = local::kept(gate.kind);
        for (qubit, kept) in [(gate.first, kept.0), (gate.second, kept.1)] {
            // The Pauli without a bit in the row that the gate keeps commutes with the gate.
            let kept = if kept == 3 { 3 } else { 3 - kept };
            // The other two come in either order.
            let turn = rng.random_range(0..2);
            for letter in [1 + (kept + turn) % 3, 1 + (kept + 1 - turn) % 3] {
                if rng.random::<f64>() < SHARE && !self.rotations.is_full() {
                    let mut pauli = Pauli::default();
                    set(&mut pauli, qubit.into(), letter.into());
                    self.rotations.push_front(pauli);
                }
            }
        }
    }

    /// Returns the action that acts in a frame, `[qubits]`, as a gate acts without it.
    pub(super) fn in_frame(&self, gate: Gate, frame: &[Local]) -> Option<usize> {
        let back: Vec<Local> = frame.iter().map(|local| local.inverse()).collect();
        let gate = local::conjugated(gate, &back);
        self.gates().iter().position(|other| other.is(gate))
    }
}

/// Follows the frame of each qubit, `[qubits]`.
pub(super) fn frame_after(frame: &mut [Local], executed: Executed) {
    if let Executed::Gate(gate) = executed
        && gate.edge().is_none()
    {
        let local = &mut frame[usize::from(gate.first)];
        *local = local.then(gate.kind);
    }
}
