//! Routing: SWAPs that bring the qubits of each gate of a circuit next to each other.
//!
//! A circuit of gates on two qubits is executed on a coupling map. A *layout* says where each qubit of the circuit is. A gate
//! is executed as soon as no gate before it on its qubits is left and its qubits are neighbours. An action is a SWAP of two
//! neighbours.
//!
//! Parts: [`params`], `circuit` (the gates and their order), `distance` (how far the qubits of gates are apart), `state` (its
//! numbers, and solutions as circuits).

mod circuit;
mod distance;
pub mod params;
mod state;

use crate::connectivity::{FAR, components, distances};
use crate::episode::{self, Episode, Limits, Shared, clone_field_by_field};
use crate::gates::Gate;
use crate::symmetry::{Relabelling, gate_images, relabellings};
use circuit::{Circuit, Qubits};
use params::{MAX_GATES, RoutingParams};
use twisterl_core::Result;
use twisterl_core::env::{Environment, Step, key_of_words};
use twisterl_core::rng::{Rng, RngExt as _};
use twisterl_core::space::symmetry::Twist;
use twisterl_core::space::{
    Action, ActionComponent, ActionSpace, ObservationRow, ObservationSpace,
};

/// The constants of all episodes.
#[derive(Debug)]
struct Problem {
    qubits: usize,
    /// A SWAP for each edge.
    gates: Vec<Gate>,
    /// The number of edges between each two qubits of the map, `[qubits, qubits]`.
    distances: Vec<u16>,
    /// The qubits of the map that are connected with others, component by component.
    components: Vec<Vec<usize>>,
    symmetries: Vec<Relabelling>,
    params: RoutingParams,
}

impl Problem {
    fn distance(&self, a: u8, b: u8) -> u16 {
        self.distances[usize::from(a) * self.qubits + usize::from(b)]
    }

    /// Returns the number of pairs of qubits.
    fn pairs(&self) -> usize {
        self.qubits * (self.qubits - 1) / 2
    }

    /// Returns the position of a pair of different qubits among all pairs.
    fn pair(&self, a: usize, b: usize) -> usize {
        let (low, high) = (a.min(b), a.max(b));
        high * (high - 1) / 2 + low
    }
}

/// An environment that executes circuits on a coupling map by SWAPs. An action is one SWAP, or a set of them: these are made in
/// the order of the edges, without those on a qubit that was moved before.
///
/// A state is the layout, which is the qubit of the map for each qubit of the circuit, followed by the two qubits of each gate
/// that is left, in the order of the circuit. Bit `p` of layer `l` of an observation says that layer `l` of the gates that are
/// left has a gate on the pair `p` of qubits of the map: pair `(a, b)` with `a < b` is number `b (b - 1) / 2 + a`.
#[derive(Debug)]
pub struct Routing {
    circuit: Shared<Circuit>,
    /// The place of the first gate that is left of each qubit of the circuit, `[qubits]`.
    places: Vec<u32>,
    /// The qubit of the map for each qubit of the circuit, and the reverse, `[qubits]`.
    layout: Vec<u8>,
    holds: Vec<u8>,
    /// Gates left.
    left: u32,
    /// Its budget is one of SWAPs.
    episode: Episode<Problem>,
}

clone_field_by_field!(Routing { circuit, places, layout, holds, left });

impl Routing {
    /// The SWAPs, which are the actions.
    pub fn gates(&self) -> &[Gate] {
        &self.problem().gates
    }

    /// The constants of all episodes.
    #[inline]
    fn problem(&self) -> &Problem {
        self.episode.problem()
    }

    /// Begins a circuit at a layout, before any gate is executed.
    fn load(&mut self, circuit: Circuit, layout: Vec<u8>) {
        self.places.clear();
        self.places.extend_from_slice(circuit.first_places());
        self.holds.resize(layout.len(), 0);
        for (qubit, &at) in (0..=u8::MAX).zip(&layout) {
            self.holds[usize::from(at)] = qubit;
        }
        self.layout = layout;
        self.left = circuit.len() as u32; // at most 65,536
        self.circuit = Shared::new(circuit);
    }

    /// Returns true if an action includes the SWAP of an edge. The action of a single bit is the bit.
    fn includes(&self, action: Action<'_>, edge: usize) -> bool {
        match action {
            Action::Discrete(bit) if self.problem().params.parallel => (edge, bit) == (0, 1),
            Action::Discrete(index) => index == edge,
            Action::Parts { discrete, .. } => discrete.get(edge) == Some(&1),
        }
    }

    /// Exchanges the contents of two qubits of the map.
    fn swap(&mut self, gate: Gate) {
        let (a, b) = (usize::from(gate.first), usize::from(gate.second));
        self.holds.swap(a, b);
        self.layout[usize::from(self.holds[a])] = gate.first;
        self.layout[usize::from(self.holds[b])] = gate.second;
    }

    /// Executes gates that begin with some qubits of the circuit, as long as there are such. Returns their number, and hands each
    /// to `executed`.
    fn execute(&mut self, mut dirty: Qubits, mut executed: impl FnMut(u32)) -> u32 {
        let before = self.left;
        while let Some(qubit) = dirty.pop() {
            let Some(index) = self.circuit.ready(&self.places, qubit) else { continue };
            let gate = self.circuit.gate(index);
            let [a, b] = gate.map(|qubit| self.layout[usize::from(qubit)]);
            if self.problem().distance(a, b) == 1 {
                for qubit in gate {
                    self.places[usize::from(qubit)] += 1;
                    dirty.insert(qubit);
                }
                self.left -= 1;
                executed(index);
            }
        }
        before - self.left
    }

    /// Executes all gates that can be executed.
    fn execute_all(&mut self, executed: impl FnMut(u32)) -> u32 {
        let mut all = Qubits::default();
        (0..=u8::MAX).take(self.problem().qubits).for_each(|qubit| all.insert(qubit));
        self.execute(all, executed)
    }

    /// Executes the gates that a SWAP of two qubits of the map made possible.
    fn execute_after(&mut self, gate: Gate, executed: impl FnMut(u32)) -> u32 {
        let mut dirty = Qubits::default();
        dirty.insert(self.holds[usize::from(gate.first)]);
        dirty.insert(self.holds[usize::from(gate.second)]);
        self.execute(dirty, executed)
    }

    fn twist(&self, relabelling: &Relabelling) -> Twist {
        let problem = self.problem();
        let (n, pairs) = (problem.qubits, problem.pairs());
        let mut image = vec![0; pairs];
        for b in 1..n {
            for a in 0..b {
                let to = problem.pair(relabelling.image[a], relabelling.image[b]);
                image[problem.pair(a, b)] = to;
            }
        }
        let layers = 0..problem.params.num_layers;
        let bits = layers.flat_map(|layer| image.iter().map(move |to| (layer * pairs + to) as u32));
        Twist { observation: bits.collect(), action: gate_images(self.gates(), relabelling) }
    }

    /// Draws a circuit.
    fn draw(&self, rng: &mut Rng) -> Circuit {
        let components = &self.problem().components;
        let weights = components.iter().map(|component| component.len() * (component.len() - 1));
        let all = weights.clone().sum::<usize>() as u32; // at most 65,280
        let gates = (0..self.episode.difficulty()).map(|_| {
            let mut draw = rng.random_range(0..all) as usize;
            for (component, weight) in components.iter().zip(weights.clone()) {
                if draw < weight {
                    let others = component.len() - 1;
                    let (a, b) = (draw / others, draw % others);
                    let b = if b < a { b } else { b + 1 };
                    return [component[a] as u8, component[b] as u8]; // at most 256 qubits
                }
                draw -= weight;
            }
            [0, 1] // not reached: the draw is below the sum of the weights
        });
        Circuit::new(self.problem().qubits, gates.collect())
    }
}

impl Environment for Routing {
    const NAME: &'static str = "Routing";
    const UNWRITTEN_DEFAULTS: &'static [(&'static str, &'static str)] =
        &[("coupling_map", "a line")];

    type Params = RoutingParams;

    fn new(params: &RoutingParams) -> Result<Self> {
        let (qubits, gates) = (params.num_qubits, params.check()?);
        let distances = distances(qubits, gates.iter().filter_map(|gate| gate.edge()));
        let components = components(qubits, &distances);
        let mut problem = Problem {
            qubits,
            gates,
            distances,
            components: components.into_iter().filter(|component| component.len() > 1).collect(),
            symmetries: Vec::new(),
            params: params.clone(),
        };
        // The exchange of two qubits leaves their pair and their edge where they are. Sets of SWAPs have no twists.
        if params.add_perms && qubits > 2 && !params.parallel {
            let bits = params.num_layers * problem.pairs();
            problem.symmetries = relabellings(qubits, &problem.gates, false, bits);
        }
        let limits = Limits {
            depth_slope: params.depth_slope,
            max_depth: params.max_depth,
            max_difficulty: MAX_GATES,
        };
        let mut env = Self {
            circuit: Shared::default(),
            places: Vec::new(),
            layout: Vec::new(),
            holds: Vec::new(),
            left: 0,
            episode: Episode::new(problem, limits, params.difficulty),
        };
        env.load(Circuit::new(qubits, Vec::new()), (0..=u8::MAX).take(qubits).collect());
        Ok(env)
    }

    fn observation_space(&self) -> ObservationSpace {
        let shape = vec![self.problem().params.num_layers, self.problem().pairs()];
        ObservationSpace::SparseBinary { shape }
    }

    fn action_space(&self) -> ActionSpace {
        let n = self.gates().len();
        let bits = ActionSpace::new(vec![ActionComponent::Binary { n }]);
        // There are at most 65,536 edges, fewer than the most bits.
        bits.ok().filter(|_| self.problem().params.parallel).unwrap_or(ActionSpace::discrete(n))
    }

    /// Draws a circuit of `difficulty` gates, each on two random qubits that the map connects, which begins with qubit `i` at
    /// qubit `i` of the map. The episode begins solved if it can be executed as it is.
    fn reset(&mut self, rng: &mut Rng) {
        let circuit = self.draw(rng);
        self.load(circuit, (0..=u8::MAX).take(self.problem().qubits).collect());
        self.execute_all(drop);
        self.episode.begin();
    }

    fn step(&mut self, action: Action<'_>) -> Step {
        let (mut swaps, mut executed, far) = (0, 0, self.shaping());
        let mut moved = Qubits::default();
        let edges = match action {
            Action::Discrete(index) if !self.problem().params.parallel => index..index + 1,
            _ => 0..self.gates().len(),
        };
        for edge in edges {
            let gate = self.gates()[edge];
            let free = !moved.contains(gate.first) && !moved.contains(gate.second);
            if free && self.includes(action, edge) {
                self.swap(gate);
                executed += self.execute_after(gate, drop);
                moved.insert(gate.first);
                moved.insert(gate.second);
                swaps += 1;
            }
        }
        let params = &self.problem().params;
        let cost = params.swap_cost as f32 * swaps as f32;
        let gain = params.gate_reward as f32 * executed as f32;
        let step = self.episode.step(self.solved(), cost, gain);
        Step { reward: step.reward + (far - self.shaping()), ..step }
    }

    fn observe(&self, row: &mut ObservationRow<'_>) {
        let (problem, pairs) = (self.problem(), self.problem().pairs());
        self.circuit.layers(&self.places, problem.params.num_layers, |layer, index| {
            let gate = self.circuit.gate(index);
            let [a, b] = gate.map(|qubit| usize::from(self.layout[usize::from(qubit)]));
            row.one(layer * pairs + problem.pair(a, b));
        });
    }

    /// Allows the SWAPs that move a qubit of the front layer; all if there is none.
    fn action_mask(&self, mask: &mut [bool]) {
        if self.solved() {
            return;
        }
        let mut moved = Qubits::default();
        self.front().flatten().for_each(|qubit| moved.insert(qubit));
        // The mask of a bit has an entry for 0 and one for 1.
        let (first, step) = if self.problem().params.parallel { (1, 2) } else { (0, 1) };
        for (allowed, gate) in mask.iter_mut().skip(first).step_by(step).zip(self.gates()) {
            *allowed = moved.contains(gate.first) || moved.contains(gate.second);
        }
    }

    #[inline]
    fn solved(&self) -> bool {
        self.left == 0
    }

    fn measures_success(&self) -> bool {
        true
    }

    fn state(&self, out: &mut Vec<f64>) {
        self.write(&self.layout, out);
    }

    fn state_key(&self, _scratch: &mut Vec<f64>) -> u64 {
        let qubits = (0..=u8::MAX).zip(&self.layout);
        key_of_words(
            qubits.flat_map(|(qubit, &at)| [self.circuit.key(&self.places, qubit), u64::from(at)]),
        )
    }

    /// The positions of qubits without gates do not matter.
    fn class_key(&self, _scratch: &mut Vec<f64>) -> u64 {
        let qubits = (0..=u8::MAX).zip(&self.layout);
        key_of_words(qubits.flat_map(|(qubit, &at)| {
            let key = self.circuit.key(&self.places, qubit);
            [key, if key == 0 { 0 } else { u64::from(at) }]
        }))
    }

    /// Bounds the return of episodes that end solved, in which every gate is executed.
    fn best_return(&self) -> Option<f32> {
        let params = &self.problem().params;
        let (swap_cost, gate_reward) = (params.swap_cost as f32, params.gate_reward as f32);
        if swap_cost < 0.0 {
            return None;
        }
        if self.solved() {
            return Some(0.0);
        }
        let executed = self.left as f32 * gate_reward + self.shaping();
        Some(episode::best_return(executed, swap_cost * self.least_swaps() as f32))
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        let (circuit, layout) = self.read(state)?;
        self.load(circuit, layout);
        self.execute_all(drop);
        self.episode.begin_at_state();
        Ok(())
    }

    fn difficulty(&self) -> usize {
        self.episode.difficulty()
    }

    /// Difficulties above 65,536 count as 65,536.
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
        let moved = self.layout.iter().map(|&at| relabelling.image[usize::from(at)] as u8);
        let mut state = Vec::new();
        self.write(&moved.collect::<Vec<_>>(), &mut state);
        Some(state)
    }

    fn render(&self) -> String {
        let mut text = format!("{} gates left", self.left);
        let mut last = None;
        self.circuit.layers(&self.places, self.problem().params.num_layers, |layer, index| {
            let [a, b] = self.circuit.gate(index).map(|qubit| self.layout[usize::from(qubit)]);
            text += if last.replace(layer) == Some(layer) { "  " } else { "\n" };
            text += &format!("{a}-{b}");
        });
        text
    }

    fn action_name(&self, action: Action<'_>) -> String {
        let names =
            self.gates().iter().enumerate().filter(|(edge, _)| self.includes(action, *edge));
        names.map(|(_, gate)| gate.to_string()).collect::<Vec<_>>().join(", ")
    }
}
