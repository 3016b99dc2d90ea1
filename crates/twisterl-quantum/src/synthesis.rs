//! The environment.

use crate::episode::{Episode, Limits, clone_field_by_field};
use crate::gates::Gate;
use crate::metrics::{Costs, Layers};
use crate::operation::Operation;
use crate::params::{LIMIT, SynthesisParams};
use crate::symmetry::{Relabelling, gate_images, relabellings};
use crate::tableau::{CliffordTableau, CosetTableau, LinearTableau, PermutationTableau, Tableau};
use twisterl_core::env::{Environment, Step, key_of_words};
use twisterl_core::rng::{Rng, RngExt as _};
use twisterl_core::space::symmetry::Twist;
use twisterl_core::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use twisterl_core::{Error, Result};

/// Synthesis of permutations by SWAPs.
pub type Permutation = Synthesis<PermutationTableau>;

/// Synthesis of linear functions by CX gates and SWAPs.
pub type LinearFunction = Synthesis<LinearTableau>;

/// Synthesis of Cliffords up to Paulis.
pub type Clifford = Synthesis<CliffordTableau>;

/// Synthesis of Cliffords up to gates on one qubit, by gates on two qubits: an action is a CX between bases of its qubits.
pub type CliffordCoset = Synthesis<CosetTableau>;

/// The constants of all episodes.
#[derive(Debug)]
struct Problem<T: Tableau> {
    qubits: usize,
    gates: Vec<Gate>,
    costs: Costs,
    group: T::Group,
    symmetries: Vec<Relabelling>,
    /// The edges of the coupling map, if there is one.
    arcs: Vec<[usize; 2]>,
    /// Observations show the transposed inverse below the matrix.
    shows_dual: bool,
}

/// An environment whose actions are gates and whose solved state is the identity.
///
/// A step costs what its gate adds to the weighted metrics of the circuit, and the step that solves is worth 1 more. Where
/// layers have weights, a state is followed by the slack of each qubit, first in layers of gates and then in layers of CX
/// gates; without them, a state that is set begins an empty circuit.
#[derive(Debug)]
pub struct Synthesis<T: Tableau> {
    tableau: T,
    layers: Layers,
    episode: Episode<Problem<T>>,
}

clone_field_by_field!(Synthesis<T: Tableau> { tableau, layers });

impl<T: Tableau> Synthesis<T> {
    /// The gates, which are the actions.
    pub fn gates(&self) -> &[Gate] {
        &self.problem().gates
    }

    /// Returns the circuit that some actions from a state stand for, in the order of execution. Up to Paulis, the circuit of a
    /// solution turns the state into the identity, by CX in the directions of the coupling map and by H, S and SX where the
    /// actions leave gates on one qubit out.
    ///
    /// # Errors
    /// If the state or an action is refused.
    pub fn circuit(&self, state: &[f64], actions: &[usize]) -> Result<Vec<Operation>> {
        let mut env = self.clone();
        env.set_state(state)?;
        let gate = |&action: &usize| {
            self.gates().get(action).copied().ok_or_else(|| {
                let expected = format!("0 to {}", self.gates().len().saturating_sub(1));
                Error::action(expected, action)
            })
        };
        let gates = actions.iter().map(gate).collect::<Result<Vec<Gate>>>()?;
        let arcs = &self.problem().arcs;
        let has_cx = |a: u8, b: u8| arcs.contains(&[usize::from(a), usize::from(b)]);
        Ok(env.tableau.circuit(&gates, &has_cx).into_iter().map(Operation::from).collect())
    }

    /// The constants of all episodes.
    #[inline]
    fn problem(&self) -> &Problem<T> {
        self.episode.problem()
    }

    /// Begins an episode at the current tableau.
    fn begin(&mut self) {
        self.layers.restart();
        self.episode.begin();
    }

    /// Returns the number of rows and of columns of an observation.
    fn shape(&self) -> [usize; 2] {
        let side = T::side(self.problem().qubits);
        [if self.problem().shows_dual { 2 * side } else { side }, side]
    }

    fn twist(&self, relabelling: &Relabelling) -> Twist {
        let [rows, side] = self.shape();
        let lines = relabelling.lines(rows);
        let side = side as u32; // at most 256
        // The columns of a matrix and of its dual are the same qubits.
        let columns = || lines.iter().take(side as usize).map(|column| column % side);
        let bits = lines.iter().flat_map(|row| columns().map(move |column| row * side + column));
        Twist { observation: bits.collect(), action: gate_images(self.gates(), relabelling) }
    }
}

impl<T: Tableau> Environment for Synthesis<T> {
    const NAME: &'static str = T::NAME;
    const UNWRITTEN_DEFAULTS: &'static [(&'static str, &'static str)] = &[
        ("gateset", "made of coupling_map and basis_gates"),
        ("coupling_map", "a line, both ways"),
        ("basis_gates", "those of the environment"),
        ("dual", "false"),
    ];

    type Params = SynthesisParams;

    fn new(params: &SynthesisParams) -> Result<Self> {
        let checked = params.check(T::RULES)?;
        let (qubits, gates) = (checked.qubits, checked.gates);
        let symmetries = if params.add_perms {
            let bits = T::side(qubits).pow(2) * if params.dual { 2 } else { 1 };
            relabellings(qubits, &gates, T::HAS_DUALS || params.dual, bits)
        } else {
            Vec::new()
        };
        let costs = Costs::new(&gates, checked.weights, T::RULES.up_to_local);
        let limits = Limits {
            depth_slope: params.depth_slope,
            max_depth: params.max_depth,
            max_difficulty: LIMIT,
        };
        let layers = Layers::new(qubits, &costs);
        let problem = Problem {
            qubits,
            costs,
            group: T::group(qubits, &gates),
            gates,
            symmetries,
            arcs: params.coupling_map.clone().unwrap_or_default(),
            shows_dual: params.dual,
        };
        let episode = Episode::new(problem, limits, params.difficulty);
        let mut tableau = T::identity(qubits);
        if params.dual {
            tableau.show_dual();
        }
        Ok(Self { tableau, layers, episode })
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::SparseBinary { shape: self.shape().to_vec() }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::discrete(self.gates().len())
    }

    /// Applies `difficulty` random gates to the identity. They may cancel, so that an episode may begin solved.
    fn reset(&mut self, rng: &mut Rng) {
        self.tableau.restart_anywhere(rng);
        let gates = &self.episode.problem().gates;
        for _ in 0..self.episode.difficulty() {
            let gate = rng.random_range(0..gates.len() as u32) as usize;
            self.tableau.apply(gates[gate]);
        }
        self.begin();
    }

    #[inline]
    fn step(&mut self, action: Action<'_>) -> Step {
        let problem = self.episode.problem();
        let index = action.index();
        let gate = problem.gates[index];
        self.tableau.apply(gate);
        let cost = self.layers.add(index, gate, &problem.costs);
        self.episode.step(self.tableau.solved(), cost, 0.0)
    }

    #[inline]
    fn observe(&self, row: &mut ObservationRow<'_>) {
        self.tableau.observe(row);
    }

    #[inline]
    fn solved(&self) -> bool {
        self.tableau.solved()
    }

    fn measures_success(&self) -> bool {
        true
    }

    fn state(&self, out: &mut Vec<f64>) {
        self.tableau.write(out);
        self.layers.write(out);
    }

    #[inline]
    fn state_key(&self, _scratch: &mut Vec<f64>) -> u64 {
        key_of_words(self.tableau.words().chain(self.layers.words()))
    }

    #[inline]
    fn class_key(&self, _scratch: &mut Vec<f64>) -> u64 {
        key_of_words(self.tableau.class_words().chain(self.layers.words()))
    }

    /// Bounds the return of episodes that end solved: the gates that the tableau needs at least, without the layers.
    fn best_return(&self) -> Option<f32> {
        let problem = self.problem();
        if !problem.costs.are_nonnegative() {
            return None;
        }
        if self.solved() {
            return Some(0.0);
        }
        // Sums of rewards are rounded.
        let least = self.tableau.least_cost(&problem.group, &problem.costs) * (1.0 - 1e-5);
        Some(1.0 - least)
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        let problem = self.episode.problem();
        let (qubits, entries) = (problem.qubits, T::entries(problem.qubits));
        let (entries, slacks) = self.layers.split(state, entries, &format!("{qubits} qubits"))?;
        let mut tableau = T::read(qubits, entries, &problem.group)?;
        if problem.shows_dual {
            tableau.show_dual();
        }
        self.layers = self.layers.read(slacks)?;
        self.tableau = tableau;
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

    /// Draws from all states that the gates make of the identity. Returns false for gates of Cliffords that do not obviously
    /// make all of those on the qubits that they connect.
    fn reset_uniform(&mut self, rng: &mut Rng) -> bool {
        let drawn = self.tableau.draw(&self.episode.problem().group, rng);
        if drawn {
            self.begin();
        }
        drawn
    }

    fn limit_budget(&mut self) {
        self.episode.limit_budget();
    }

    fn twists(&self) -> Vec<Twist> {
        self.problem().symmetries.iter().map(|relabelling| self.twist(relabelling)).collect()
    }

    fn twisted_state(&self, index: usize) -> Option<Vec<f64>> {
        let relabelling = self.problem().symmetries.get(index)?;
        let mut state = Vec::new();
        let lines = relabelling.lines(T::side(self.problem().qubits));
        self.tableau.relabelled(&lines).write(&mut state);
        self.layers.write_relabelled(&relabelling.image, &mut state);
        Some(state)
    }

    /// Each gate undoes itself, up to Paulis. Where layers have weights, none does: the circuit stays longer.
    fn inverse(&self, action: usize) -> Option<usize> {
        let undone = action < self.gates().len() && !self.problem().costs.weigh_layers();
        undone.then_some(action)
    }

    /// The inverse matrix, whose gates in reverse order are those of the matrix. There is none of a circuit that has begun,
    /// whose layers count from its other end.
    fn inverse_state(&self) -> Option<Vec<f64>> {
        if self.layers.have_begun() {
            return None;
        }
        let mut state = Vec::new();
        self.tableau.inverse().write(&mut state);
        Some(state)
    }

    fn invert_solution(&self, actions: &[u32]) -> Option<Vec<u32>> {
        let gates = self.gates();
        let taken: Vec<Gate> = actions.iter().map(|&action| gates[action as usize]).collect();
        let Some(inverse) = self.tableau.invert_gates(&taken) else {
            return Some(actions.iter().rev().copied().collect());
        };
        // At most 65,536 gates.
        let action = |gate: Gate| gates.iter().position(|other| other.is(gate)).map(|i| i as u32);
        inverse.into_iter().map(action).collect()
    }

    fn render(&self) -> String {
        self.tableau.render()
    }

    fn action_name(&self, action: Action<'_>) -> String {
        self.gates().get(action.index()).map_or_else(String::new, ToString::to_string)
    }
}
