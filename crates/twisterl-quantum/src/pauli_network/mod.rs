//! Pauli networks: a sequence of rotations about Paulis, followed by a Clifford.
//!
//! A problem is the unitary `C R_k ... R_2 R_1`, where `R_i` rotates about the Pauli `P_i`. A gate `g` at the beginning of the
//! circuit leaves `C g^-1` and the Paulis `g P_i g^-1`. A rotation whose Pauli acts on one qubit is a gate: it is executed and
//! removed as soon as all rotations that are left before it commute with it, or as soon as it acts on one qubit if the order of
//! rotations does not matter. What is left is solved when there are no
//! rotations and the Clifford is the identity up to Paulis.
//!
//! Parts: [`params`], `rotations` (Paulis and their sequence), `scramble` (random problems), `state` (its numbers), `circuit` (solutions as
//! circuits).

mod circuit;
pub mod params;
mod rotations;
mod scramble;
mod state;

use crate::episode::{self, Episode, Limits, clone_field_by_field};
use crate::gates::{Gate, Kind};
use crate::metrics::{Costs, Layers};
use crate::params::LIMIT;
use crate::symmetry::{Relabelling, gate_images, relabellings};
use crate::tableau::{CliffordGroup, CliffordTableau, Tableau};
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
    params: PauliNetworkParams,
}

/// Synthesis of Pauli networks.
///
/// A state is the number of rotations, the tableau row by row, and for each rotation from the first to the last its column in
/// observations and the letter of each qubit: 0 for I, 1 for X, 2 for Z, 3 for Y. Column `i` of the tableau is the image
/// of X of qubit `i`, or behind these of Z, under the inverse of the Clifford. The slacks of
/// [`Synthesis`](crate::Synthesis) follow where layers have weights.
#[derive(Debug)]
pub struct PauliNetwork {
    tableau: CliffordTableau,
    rotations: Rotations,
    layers: Layers,
    episode: Episode<Problem>,
}

clone_field_by_field!(PauliNetwork { tableau, rotations, layers });

impl PauliNetwork {
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
        self.rotations.clean(&self.episode.problem().params, drop);
        self.layers.restart();
        self.episode.begin();
    }

    /// Applies a gate. Returns the number of rotations that this removes, and hands each to `removed`.
    fn apply(&mut self, gate: Gate, removed: impl FnMut(Rotation)) -> usize {
        self.tableau.apply(gate);
        self.rotations.conjugate(gate);
        // Other gates change neither the number of qubits of a rotation nor what commutes.
        if matches!(gate.kind, Kind::Cx | Kind::Cz) {
            self.rotations.clean(&self.episode.problem().params, removed)
        } else {
            0
        }
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
                let each = problem.costs.least(&[Kind::Cx, Kind::Cz]);
                tableau.max((weight - 1) as f32 * each)
            }
        }
    }
}

impl Environment for PauliNetwork {
    const NAME: &'static str = "PauliNetwork";
    const UNWRITTEN_DEFAULTS: &'static [(&'static str, &'static str)] = &[
        ("gateset", "made of coupling_map and basis_gates"),
        ("coupling_map", "a line, both ways"),
        ("basis_gates", "those of the environment"),
    ];

    type Params = PauliNetworkParams;

    fn new(params: &PauliNetworkParams) -> Result<Self> {
        let checked = params.check()?;
        let (qubits, gates) = (checked.qubits, checked.gates);
        let bits = 2 * qubits * (2 * qubits + params.max_rotations);
        let symmetries =
            if params.add_perms { relabellings(qubits, &gates, true, bits) } else { Vec::new() };
        let costs = Costs::new(&gates, checked.weights, false);
        let group = CliffordTableau::group(qubits, &gates);
        let scramble = Scramble::new(qubits, &gates, group.is_known(), params.num_qubits_decay);
        let limits = Limits {
            depth_slope: params.depth_slope,
            max_depth: params.max_depth,
            max_difficulty: LIMIT,
        };
        let layers = Layers::new(qubits, &costs);
        let params = params.clone();
        let difficulty = params.difficulty;
        let problem = Problem { qubits, costs, group, gates, symmetries, scramble, params };
        Ok(Self {
            tableau: CliffordTableau::identity(qubits),
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

    /// Applies `difficulty` random gates to the identity, and draws rotations until the distances between their qubits come to
    /// `difficulty / pauli_diff_scale`. Begins solved if the gates cancel and there are no rotations.
    fn reset(&mut self, rng: &mut Rng) {
        let (problem, difficulty) = (self.episode.problem(), self.episode.difficulty());
        self.tableau.restart();
        for _ in 0..difficulty {
            self.tableau.apply(problem.scramble.gate(rng));
        }
        self.rotations.clear();
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
        self.rotations.clean(&self.episode.problem().params, drop);
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

    /// Gates on one qubit and SWAPs undo themselves, where layers have no weights. CX and CZ do not: no gate brings back the
    /// rotations that they remove.
    fn inverse(&self, action: usize) -> Option<usize> {
        let gate = self.gates().get(action)?;
        let undone = !matches!(gate.kind, Kind::Cx | Kind::Cz);
        (undone && !self.problem().costs.weigh_layers()).then_some(action)
    }

    /// The inverse unitary, whose gates in reverse order are those of the unitary: with the rotations `C P C^-1` in reverse order
    /// and the inverse of the Clifford. There is none of a circuit that has begun, as in [`Synthesis`](crate::Synthesis).
    fn inverse_state(&self) -> Option<Vec<f64>> {
        if self.layers.have_begun() {
            return None;
        }
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
        Some(state)
    }

    fn invert_solution(&self, actions: &[u32]) -> Option<Vec<u32>> {
        Some(actions.iter().rev().copied().collect())
    }

    fn render(&self) -> String {
        let mut text = self.tableau.render();
        for rotation in self.rotations.as_slice() {
            let Pauli { x, z } = rotation.pauli;
            let letter = |qubit: usize| {
                ["·", "X", "Z", "Y"][((x >> qubit & 1) | (z >> qubit & 1) << 1) as usize]
            };
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
