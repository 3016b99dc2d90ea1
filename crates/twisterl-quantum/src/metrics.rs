//! The metrics of a circuit, and what they cost.
//!
//! The layers of a circuit are counted gate by gate: a gate is one layer behind the last one of its qubits. What a further gate
//! adds depends on the *slack* of each qubit alone, the number of layers between its last gate and the last layer. All qubits
//! of an empty circuit have slack 0.

use crate::gates::{Gate, Kind};
use crate::params::MetricsWeights;
use twisterl_core::env::whole_numbers;
use twisterl_core::{Error, Result};

/// The greatest slack of a state.
const MAX_SLACK: usize = 1 << 30;

/// The costs of a gate set.
#[derive(Debug, Clone)]
pub struct Costs {
    /// The cost of each action without the layers, `[actions]`.
    pub(crate) fixed: Vec<f32>,
    /// The least fixed cost of each kind of the set, infinite for other kinds, by the effect of the kind.
    least: [f32; Kind::ALL.len()],
    weights: MetricsWeights,
    /// Gates on one qubit cost nothing, and all others one CX.
    up_to_local: bool,
}

impl Costs {
    pub(crate) fn new(gates: &[Gate], weights: MetricsWeights, up_to_local: bool) -> Self {
        let mut least = [f32::INFINITY; Kind::ALL.len()];
        let fixed = gates.iter().map(|gate| {
            let (cnots, others) = if up_to_local { (1.0, 0.0) } else { counts(gate.kind) };
            let gates = weights.n_cnots * cnots + weights.n_gates * (cnots + others);
            let cost = gates + weights.n_actions;
            let least = &mut least[gate.kind.effect() as usize];
            *least = least.min(cost);
            cost
        });
        Self { fixed: fixed.collect(), least, weights, up_to_local }
    }

    /// Returns the least cost of the gates of some kinds, infinite if the set has none of them.
    pub fn least(&self, kinds: &[Kind]) -> f32 {
        kinds.iter().map(|&kind| self.least[kind as usize]).fold(f32::INFINITY, f32::min)
    }

    /// Returns true if no gate has a negative cost.
    pub(crate) fn are_nonnegative(&self) -> bool {
        let MetricsWeights { n_layers, n_layers_cnots, .. } = self.weights;
        n_layers >= 0.0 && n_layers_cnots >= 0.0 && self.fixed.iter().all(|&cost| cost >= 0.0)
    }

    /// Returns true if layers cost something.
    pub(crate) fn weigh_layers(&self) -> bool {
        self.weights.n_layers != 0.0 || self.weights.n_layers_cnots != 0.0
    }
}

/// Returns the number of CX gates of a gate, and of its other gates.
fn counts(kind: Kind) -> (f32, f32) {
    match kind {
        Kind::Swap => (3.0, 0.0),
        Kind::Cx => (1.0, 0.0),
        Kind::Cz | Kind::Cy | Kind::Xcx => (1.0, 2.0),
        Kind::Xcy | Kind::Ycy => (1.0, 4.0),
        Kind::H | Kind::S | Kind::Sdg | Kind::Sx | Kind::Sxdg => (0.0, 1.0),
    }
}

/// The slacks of all qubits, if layers cost something; empty otherwise.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Layers {
    /// Of all gates and then of CX gates alone, `[2, qubits]`.
    slack: Vec<u32>,
}

impl Clone for Layers {
    fn clone(&self) -> Self {
        Self { slack: self.slack.clone() }
    }

    fn clone_from(&mut self, source: &Self) {
        self.slack.clone_from(&source.slack);
    }
}

impl Layers {
    /// Returns those of an empty circuit.
    pub(crate) fn new(qubits: usize, costs: &Costs) -> Self {
        Self { slack: if costs.weigh_layers() { vec![0; 2 * qubits] } else { Vec::new() } }
    }

    pub(crate) fn restart(&mut self) {
        self.slack.fill(0);
    }

    /// Returns true if the circuit cannot be empty.
    pub(crate) fn have_begun(&self) -> bool {
        self.slack.iter().any(|&slack| slack != 0)
    }

    /// Returns the words that tell slacks apart.
    pub(crate) fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.slack.iter().map(|&slack| u64::from(slack))
    }

    /// Appends the slacks.
    pub(crate) fn write(&self, out: &mut Vec<f64>) {
        out.extend(self.slack.iter().map(|&slack| f64::from(slack)));
    }

    /// Adds a gate, which is action `index`, and returns what it costs with its layers.
    #[inline]
    pub(crate) fn add(&mut self, index: usize, gate: Gate, costs: &Costs) -> f32 {
        let layers = if self.slack.is_empty() { 0.0 } else { self.add_counted(gate, costs) };
        costs.fixed[index] + layers
    }

    fn add_counted(&mut self, gate: Gate, costs: &Costs) -> f32 {
        let (first, second) = (usize::from(gate.first), usize::from(gate.second));
        let qubits = self.slack.len() / 2;
        let (all, cnots) = self.slack.split_at_mut(qubits);
        let (mut layers, mut cnot_layers) = (0, 0);
        let mut cx = || {
            layers += advance(all, first, second);
            cnot_layers += advance(cnots, first, second);
        };
        match gate.kind {
            _ if costs.up_to_local => cx(),
            Kind::Cx => cx(),
            Kind::Swap => (0..3).for_each(|_| cx()),
            Kind::Cz => {
                layers += advance(all, second, second);
                layers += advance(all, first, second);
                cnot_layers += advance(cnots, first, second);
                layers += advance(all, second, second);
            }
            _ => layers += advance(all, first, first),
        }
        costs.weights.n_layers_cnots * cnot_layers as f32 + costs.weights.n_layers * layers as f32
    }

    /// Splits a state of `entries` numbers, which `expected` describes, from the slacks that may follow it.
    ///
    /// # Errors
    /// If it is of another length.
    pub(crate) fn split<'s>(
        &self,
        state: &'s [f64],
        entries: usize,
        expected: &str,
    ) -> Result<(&'s [f64], &'s [f64])> {
        let slacks = self.slack.len();
        if state.len() == entries || state.len() == entries + slacks {
            return Ok(state.split_at(entries));
        }
        let behind = match slacks {
            0 => String::new(),
            slacks => format!(", or {} with the slack of each qubit", entries + slacks),
        };
        Err(Error::state(format!("{entries} entries for {expected}{behind}"), state.len()))
    }

    /// Reads the slacks that follow a state; without any, the circuit is empty.
    ///
    /// # Errors
    /// If there are slacks, and no qubit has slack 0.
    pub(crate) fn read(&self, slacks: &[f64]) -> Result<Self> {
        let mut read = Self { slack: vec![0; self.slack.len()] };
        for (slack, value) in read.slack.iter_mut().zip(whole_numbers(slacks, MAX_SLACK)) {
            *slack = value? as u32;
        }
        let half = self.slack.len().div_ceil(2).max(1);
        if read.slack.chunks(half).any(|half| !half.contains(&0)) {
            let found = "none among the entries behind the tableau";
            return Err(Error::state("a qubit in the last layer, with slack 0", found));
        }
        Ok(read)
    }

    /// Appends the slacks after a relabelling of the qubits.
    pub(crate) fn write_relabelled(&self, image: &[usize], out: &mut Vec<f64>) {
        for half in self.slack.chunks(image.len().max(1)) {
            let first = out.len();
            out.resize(first + half.len(), 0.0);
            for (&slack, &to) in half.iter().zip(image) {
                out[first + to] = f64::from(slack);
            }
        }
    }
}

/// Puts a gate behind the last ones of its qubits, and returns the number of layers that this adds, 0 or 1.
fn advance(slack: &mut [u32], first: usize, second: usize) -> u32 {
    let least = slack[first].min(slack[second]);
    let added = u32::from(least == 0);
    if added == 1 {
        slack.iter_mut().for_each(|slack| *slack = slack.saturating_add(1));
    }
    slack[first] = least + added - 1;
    slack[second] = least + added - 1;
    added
}
