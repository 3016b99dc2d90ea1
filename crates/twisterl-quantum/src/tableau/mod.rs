//! The states: what is left to do, as a matrix over GF(2) that gates act on from the left.

mod clifford;
mod coset;
mod linear;
pub(crate) mod local;
mod permutation;
mod rows;

pub use clifford::{CliffordGroup, CliffordTableau};
pub use coset::CosetTableau;
pub use linear::LinearTableau;
pub use permutation::PermutationTableau;

use crate::gates::Gate;
use crate::metrics::Costs;
use crate::params::Rules;
use std::fmt::Debug;
use twisterl_core::Result;
use twisterl_core::rng::Rng;
use twisterl_core::space::ObservationRow;

/// One kind of state. `clone_from` does not allocate between states of as many qubits.
pub trait Tableau: Clone + Debug + Send + Sync + 'static {
    /// The name of its environment.
    const NAME: &'static str;

    /// The gates that act on it.
    const RULES: Rules;

    /// X and Z may change places.
    const HAS_DUALS: bool;

    /// The states that a gate set makes of the identity, as far as they are known.
    type Group: Debug + Send + Sync + 'static;

    /// Returns the group that `gates` generate.
    fn group(qubits: usize, gates: &[Gate]) -> Self::Group;

    /// Returns the identity.
    fn identity(qubits: usize) -> Self;

    /// Returns the number of rows and columns of an observation.
    fn side(qubits: usize) -> usize;

    /// Returns the number of entries of a state.
    fn entries(qubits: usize) -> usize;

    /// Reads the entries of a state, of which there are [`entries`](Self::entries).
    ///
    /// # Errors
    /// If there is no such state, or the gates are known not to make it.
    fn read(qubits: usize, state: &[f64], group: &Self::Group) -> Result<Self>;

    /// Writes the entries of the state.
    fn write(&self, out: &mut Vec<f64>);

    /// Becomes the identity.
    fn restart(&mut self);

    /// Has observations show the transposed inverse below the matrix, where the rules allow it.
    fn show_dual(&mut self) {}

    /// Becomes a solved state, drawn uniformly from all of them.
    fn restart_anywhere(&mut self, rng: &mut Rng) {
        let _ = rng;
        self.restart();
    }

    /// Applies a gate.
    fn apply(&mut self, gate: Gate);

    /// Returns true for the identity, or a state that is equivalent to it.
    fn solved(&self) -> bool;

    /// Writes the ones of the matrix.
    fn observe(&self, row: &mut ObservationRow<'_>);

    /// Returns the words that tell states apart.
    fn words(&self) -> impl Iterator<Item = u64> + '_;

    /// Returns the words that tell apart states that are not equivalent.
    fn class_words(&self) -> impl Iterator<Item = u64> + '_ {
        self.words()
    }

    /// Draws a state uniformly from those that the gates make. Returns false and changes nothing if these are not known.
    fn draw(&mut self, group: &Self::Group, rng: &mut Rng) -> bool;

    /// Returns the state with row and column `i` moved to `image[i]`, `[side]`. Images from `side` on are those of the transposed
    /// inverse, which then takes the place of the matrix.
    #[must_use]
    fn relabelled(&self, image: &[u32]) -> Self;

    /// Returns the inverse.
    #[must_use]
    fn inverse(&self) -> Self;

    /// Returns the gates that solve the state, given those that solve its inverse; `None` if they are the same in reverse
    /// order.
    fn invert_gates(&self, gates: &[Gate]) -> Option<Vec<Gate>> {
        let _ = gates;
        None
    }

    /// Returns the circuit that `gates` stand for at this state. `has_cx` tells the directions of CX.
    fn circuit(&self, gates: &[Gate], has_cx: &dyn Fn(u8, u8) -> bool) -> Vec<Gate> {
        let _ = has_cx;
        gates.to_vec()
    }

    /// Returns a lower bound on what solving costs, the layers left out; no cost is negative.
    fn least_cost(&self, group: &Self::Group, costs: &Costs) -> f32;

    /// Returns the state as text.
    fn render(&self) -> String;
}
