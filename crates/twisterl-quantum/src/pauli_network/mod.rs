//! Pauli networks: a sequence of rotations about Paulis, followed by a Clifford.
//!
//! A problem is the unitary `C R_k ... R_2 R_1`, where `R_i` rotates about the Pauli `P_i`. A gate `g` at the beginning of the
//! circuit leaves `C g^-1` and the Paulis `g P_i g^-1`. A rotation whose Pauli acts on one qubit is a gate: it is executed and
//! removed as soon as all rotations that are left before it commute with it, or as soon as it acts on one qubit if the order of
//! rotations does not matter. What is left is solved when there are no
//! rotations and the Clifford is the identity up to Paulis.
//!
//! Gates on one qubit are actions in [`PauliNetwork`], and free in [`PauliNetworkCoset`].
//!
//! Parts: [`params`], `rotations` (Paulis and their sequence), `scramble` (random problems), `frame` (one state of each class where
//! gates on one qubit are free), `back` (steps back, for walks), `inverse` (problems and solutions from the other end), `state`
//! (its numbers), `circuit` (solutions as circuits).

mod back;
mod circuit;
mod frame;
mod inverse;
pub mod params;
mod rotations;
mod scramble;
mod state;

use crate::episode::{self, Episode, Limits, clone_field_by_field};
use crate::gates::{Gate, Kind};
use crate::metrics::{Costs, Layers};
use crate::symmetry::{Relabelling, gate_images, relabellings};
use crate::tableau::{CliffordGroup, CliffordTableau, CosetTableau, Tableau};
use frame::Frames;
use params::PauliNetworkParams;
use rotations::{Pauli, Rotation, Rotations};
use scramble::Scramble;
use twisterl_core::Result;
use twisterl_core::env::{Environment, Step, key_of_words};
use twisterl_core::rng::Rng;
use twisterl_core::space::symmetry::Twist;
use twisterl_core::space::{Action, ActionSpace, ObservationRow, ObservationSpace};

/// The constants of all episodes.
#[derive(Debug)]
struct Problem {
    qubits: usize,
    gates: Vec<Gate>,
    costs: Costs,
    group: CliffordGroup,
    symmetries: Vec<Relabelling>,
    scramble: Scramble,
    frames: Frames,
    /// The edges of the coupling map, if there is one.
    arcs: Vec<[usize; 2]>,
    params: PauliNetworkParams,
}

/// The Clifford behind the rotations of a network.
pub trait CliffordOf: Tableau<Group = CliffordGroup> {
    /// The name of the environment.
    const NETWORK: &'static str;

    /// The rows, the first column in the lowest bit, `[2 * qubits]`.
    fn rows(&self) -> &[u64];
}

impl CliffordOf for CliffordTableau {
    const NETWORK: &'static str = "PauliNetwork";

    fn rows(&self) -> &[u64] {
        self.rows()
    }
}

impl CliffordOf for CosetTableau {
    const NETWORK: &'static str = "PauliNetworkCoset";

    fn rows(&self) -> &[u64] {
        self.rows()
    }
}

/// Synthesis of Pauli networks.
pub type PauliNetwork = Network<CliffordTableau>;

/// Synthesis of Pauli networks up to gates on one qubit, by gates on two qubits: an action is a CX between bases of its qubits.
pub type PauliNetworkCoset = Network<CosetTableau>;

/// A part of the circuit that has been executed.
#[derive(Debug, Clone, Copy)]
enum Executed {
    Gate(Gate),
    Rotation(Rotation),
}

/// Synthesis of Pauli networks, over one of two kinds of Cliffords.
///
/// A state is the number of rotations, the tableau row by row, and for each rotation from the first to the last its column in
/// observations and the letter of each qubit: 0 for I, 1 for X, 2 for Z, 3 for Y. Column `i` of the tableau is the image
/// of X of qubit `i`, or behind these of Z, under the inverse of the Clifford. The slacks of
/// [`Synthesis`](crate::Synthesis) follow where layers have weights. Where gates on one qubit are free, the Paulis of each
/// qubit are named as `frame` has it, so that equivalent states are the same.
#[derive(Debug)]
pub struct Network<T: CliffordOf> {
    tableau: T,
    rotations: Rotations,
    layers: Layers,
    episode: Episode<Problem>,
}

clone_field_by_field!(Network<T: CliffordOf> { tableau, rotations, layers });

impl<T: CliffordOf> Network<T> {
    /// The gates, which are the actions.
    pub fn gates(&self) -> &[Gate] {
        &self.problem().gates
    }

    /// The constants of all episodes.
    #[inline]
    fn problem(&self) -> &Problem {
        self.episode.problem()
    }

    /// Begins an episode at the current tableau and rotations.
    fn begin(&mut self) {
        self.settle(drop);
        self.layers.restart();
        self.episode.begin();
    }

    /// Applies a gate. Returns the number of rotations that this removes, and hands all that is executed to `executed`.
    fn apply(&mut self, gate: Gate, mut executed: impl FnMut(Executed)) -> usize {
        self.conjugate(gate);
        executed(Executed::Gate(gate));
        // Other gates change neither the number of qubits of a rotation nor what commutes.
        if gate.kind.spreads() { self.settle(executed) } else { 0 }
    }

    /// Turns the tableau and the rotations by a gate.
    #[inline]
    fn conjugate(&mut self, gate: Gate) {
        self.tableau.apply(gate);
        self.rotations.conjugate(gate);
    }

    /// Removes the rotations that can be executed, and returns their number. Where gates on one qubit are free, those that name
    /// the Paulis of each qubit follow. Hands all of this to `executed`.
    fn settle(&mut self, mut executed: impl FnMut(Executed)) -> usize {
        let params = &self.episode.problem().params;
        let removed =
            self.rotations.clean(params, |rotation| executed(Executed::Rotation(rotation)));
        if T::RULES.up_to_local {
            self.rename(|gate| executed(Executed::Gate(gate)));
        }
        removed
    }

    fn twist(&self, relabelling: &Relabelling) -> Twist {
        let (side, columns) = (2 * self.problem().qubits, self.problem().params.max_rotations);
        let lines = relabelling.lines(side);
        let width = (side + columns) as u32;
        let bits = lines.iter().flat_map(|row| {
            let first = row * width;
            let tableau = lines.iter().map(move |column| first + column);
            tableau.chain((side as u32..width).map(move |column| first + column))
        });
        Twist { observation: bits.collect(), action: gate_images(self.gates(), relabelling) }
    }

    /// Returns the least cost of gates that lead to the identity, the layers left out: of those that the tableau needs, and of
    /// those on two qubits that the rotation on the most qubits needs.
    fn least_cost(&self) -> f32 {
        let problem = self.problem();
        let tableau = self.tableau.least_cost(&problem.group, &problem.costs);
        let weights = self.rotations.as_slice().iter().map(|rotation| rotation.pauli.weight());
        match weights.max().unwrap_or(1) {
            0 | 1 => tableau,
            weight => {
                let each = problem.costs.least(&Kind::COUPLINGS);
                tableau.max((weight - 1) as f32 * each)
            }
        }
    }
}

impl<T: CliffordOf> Environment for Network<T> {
    const NAME: &'static str = T::NETWORK;
    const UNWRITTEN_DEFAULTS: &'static [(&'static str, &'static str)] = &[
        ("gateset", "made of coupling_map and basis_gates"),
        ("coupling_map", "a line, both ways"),
        ("basis_gates", "those of the environment"),
        ("evolutions", "false"),
    ];

    type Params = PauliNetworkParams;

    fn new(params: &PauliNetworkParams) -> Result<Self> {
        let checked = params.check(T::RULES)?;
        let (qubits, gates) = (checked.qubits, checked.gates);
        let bits = 2 * qubits * (2 * qubits + params.max_rotations);
        let symmetries = if params.add_perms && !T::RULES.up_to_local {
            relabellings(qubits, &gates, true, bits)
        } else {
            Vec::new()
        };
        let costs = Costs::new(&gates, checked.weights, T::RULES.up_to_local);
        let group = T::group(qubits, &gates);
        let scramble = Scramble::new(qubits, &gates, group.is_known(), params.num_qubits_decay);
        let limits = Limits {
            depth_slope: params.depth_slope,
            max_depth: params.max_depth,
            max_difficulty: params.max_difficulty(),
        };
        let layers = Layers::new(qubits, &costs);
        let params = params.clone();
        let difficulty = params.difficulty;
        let arcs = params.coupling_map.clone().unwrap_or_default();
        let frames = Frames::new();
        let problem =
            Problem { qubits, costs, group, gates, symmetries, scramble, frames, arcs, params };
        Ok(Self {
            tableau: T::identity(qubits),
            rotations: Rotations::default(),
            layers,
            episode: Episode::new(problem, limits, difficulty),
        })
    }

    fn observation_space(&self) -> ObservationSpace {
        let side = 2 * self.problem().qubits;
        ObservationSpace::SparseBinary {
            shape: vec![side, side + self.problem().params.max_rotations],
        }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::discrete(self.gates().len())
    }

    /// For evolutions, draws `difficulty` rotations. Otherwise applies `difficulty` random gates to the identity, and draws
    /// rotations until the distances between their qubits come to `difficulty / pauli_diff_scale`. Begins solved if the gates cancel and there are no rotations.
    fn reset(&mut self, rng: &mut Rng) {
        let (problem, difficulty) = (self.episode.problem(), self.episode.difficulty());
        self.tableau.restart();
        self.rotations.clear();
        if problem.params.evolutions {
            for _ in 0..difficulty {
                self.rotations.push(problem.scramble.evolution(rng));
            }
            return self.begin();
        }
        for _ in 0..difficulty {
            self.tableau.apply(problem.scramble.gate(rng));
        }
        let mut left = difficulty / problem.params.pauli_diff_scale;
        for _ in 0..problem.params.most_scrambled() {
            let Some((pauli, spent)) = problem.scramble.rotation(left, rng) else { break };
            self.rotations.push(pauli);
            left = left.saturating_sub(spent);
        }
        self.begin();
    }

    #[inline]
    fn step(&mut self, action: Action<'_>) -> Step {
        let problem = self.episode.problem();
        let index = action.index();
        let gate = problem.gates[index];
        let reward = problem.params.pauli_layer_reward as f32;
        let cost = self.layers.add(index, gate, &problem.costs);
        let removed = self.apply(gate, drop);
        self.episode.step(self.solved(), cost, reward * removed as f32)
    }

    /// Writes the tableau, and behind each of its rows the bits of the rotations.
    fn observe(&self, row: &mut ObservationRow<'_>) {
        let (n, shown) = (self.problem().qubits, self.problem().params.max_rotations);
        let side = 2 * n;
        for (line, &word) in self.tableau.rows().iter().enumerate() {
            let first = line * (side + shown);
            row.word(word, side as u32, first);
            for chunk in (0..shown).step_by(64) {
                let bits = (shown - chunk).min(64);
                let word = self.rotations.as_slice().iter().fold(0, |word, rotation| {
                    let Pauli { x, z } = rotation.pauli;
                    let bit = if line < n { x >> line } else { z >> (line - n) } & 1;
                    let column = usize::from(rotation.column).wrapping_sub(chunk);
                    word | if column < bits { u64::from(bit) << column } else { 0 }
                });
                row.word(word, bits as u32, first + side + chunk);
            }
        }
    }

    #[inline]
    fn solved(&self) -> bool {
        self.tableau.solved() && self.rotations.as_slice().is_empty()
    }

    fn measures_success(&self) -> bool {
        true
    }

    fn state(&self, out: &mut Vec<f64>) {
        state::write(&self.tableau, self.rotations.as_slice(), out);
        self.layers.write(out);
    }

    #[inline]
    fn state_key(&self, _scratch: &mut Vec<f64>) -> u64 {
        let word = |rotation: &Rotation| {
            let Pauli { x, z } = rotation.pauli;
            [u64::from(x) | u64::from(z) << 32, u64::from(rotation.column)]
        };
        let rotations = self.rotations.as_slice().iter().flat_map(word);
        key_of_words(self.tableau.words().chain(rotations).chain(self.layers.words()))
    }

    /// Bounds the return of episodes that end solved, in which every rotation is removed.
    fn best_return(&self) -> Option<f32> {
        if !self.problem().costs.are_nonnegative() {
            return None;
        }
        if self.solved() {
            return Some(0.0);
        }
        let each = self.problem().params.pauli_layer_reward as f32;
        let removed = each * self.rotations.as_slice().len() as f32;
        Some(episode::best_return(removed, self.least_cost()))
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        (self.tableau, self.rotations, self.layers) = self.read(state)?;
        self.settle(drop);
        self.episode.begin_at_state();
        Ok(())
    }

    fn difficulty(&self) -> usize {
        self.episode.difficulty()
    }

    /// Difficulties above a million count as a million.
    fn set_difficulty(&mut self, difficulty: usize) {
        self.episode.set_difficulty(difficulty);
    }

    fn limit_budget(&mut self) {
        self.episode.limit_budget();
    }

    fn twists(&self) -> Vec<Twist> {
        self.problem().symmetries.iter().map(|relabelling| self.twist(relabelling)).collect()
    }

    fn twisted_state(&self, index: usize) -> Option<Vec<f64>> {
        let relabelling = self.problem().symmetries.get(index)?;
        let tableau = self.tableau.relabelled(&relabelling.lines(2 * self.problem().qubits));
        let moved = |word: u32| {
            let images = relabelling.image.iter().enumerate();
            images.fold(0, |moved, (qubit, &to)| moved | (word >> qubit & 1) << to)
        };
        let rotations = self.rotations.as_slice().iter().map(|rotation| {
            let (x, z) = (moved(rotation.pauli.x), moved(rotation.pauli.z));
            let (x, z) = if relabelling.dual { (z, x) } else { (x, z) };
            rotation.with(Pauli { x, z })
        });
        let mut state = Vec::new();
        state::write(&tableau, &rotations.collect::<Vec<_>>(), &mut state);
        self.layers.write_relabelled(&relabelling.image, &mut state);
        Some(state)
    }

    fn step_back(&mut self, rng: &mut Rng) -> Option<usize> {
        self.drawn_back(rng)
    }

    /// Gates on one qubit and SWAPs undo themselves, where layers have no weights. CX and CZ do not: no gate brings back the
    /// rotations that they remove.
    fn inverse(&self, action: usize) -> Option<usize> {
        let gate = self.gates().get(action)?;
        let undone = !gate.kind.spreads();
        (undone && !self.problem().costs.weigh_layers()).then_some(action)
    }

    /// There is none of a circuit that has begun, as in [`Synthesis`](crate::Synthesis).
    fn inverse_state(&self) -> Option<Vec<f64>> {
        (!self.layers.have_begun()).then(|| self.inverse_problem())
    }

    fn invert_solution(&self, actions: &[u32]) -> Option<Vec<u32>> {
        if T::RULES.up_to_local {
            self.inverted(actions)
        } else {
            Some(actions.iter().rev().copied().collect())
        }
    }

    fn render(&self) -> String {
        let mut text = self.tableau.render();
        for rotation in self.rotations.as_slice() {
            let letter = |qubit: usize| ["·", "X", "Z", "Y"][rotation.pauli.letter(qubit)];
            let letters: Vec<_> = (0..self.problem().qubits).map(letter).collect();
            text += "\n";
            text += &letters.join(" ");
        }
        text
    }

    fn action_name(&self, action: Action<'_>) -> String {
        self.gates().get(action.index()).map_or_else(String::new, ToString::to_string)
    }
}
