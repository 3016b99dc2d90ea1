//! The parameters.

use crate::gates::{Gate, Kind};
use crate::params::{Checked, LIMIT, MetricsWeights, Rules, SynthesisParams};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use twisterl_core::error::in_range;
use twisterl_core::{Error, Result};

/// The most rotations of a state.
pub(crate) const MAX_ROTATIONS: usize = 1_024;

/// The greatest magnitude of the reward of a rotation.
const MAX_REWARD: f64 = 1e6;

/// The order of actions and of the columns of rotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Actions are the gates of the set in their order, and rotations are shown from the first to the last.
    #[default]
    Sequence,
    /// That of models of `qiskit-gym`: two CX gates of opposite directions change places among the actions, and the rotation in
    /// the last column takes the column of one that is removed.
    QiskitGym,
}

/// The parameters of [`PauliNetwork`](super::PauliNetwork) and [`PauliNetworkCoset`](super::PauliNetworkCoset).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PauliNetworkParams {
    /// The number of qubits, at most 32.
    pub num_qubits: usize,
    /// Random gates of a scramble, at most a million; of evolutions, rotations, at most 1,024.
    pub difficulty: usize,
    /// The gates, as in [`SynthesisParams`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateset: Option<Vec<(String, Vec<usize>)>>,
    /// The pairs of qubits with gates, as in [`SynthesisParams`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupling_map: Option<Vec<[usize; 2]>>,
    /// The names of the gates; those of the environment if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis_gates: Option<Vec<String>>,
    /// Budget of gates a unit of difficulty.
    pub depth_slope: usize,
    /// The greatest budget, which is also that of an episode begun at a given state; 1 to a million.
    pub max_depth: usize,
    /// The number of rotations that an observation shows, 1 to 1,024. A state may have more: they move up as others are
    /// removed.
    pub max_rotations: usize,
    /// The difficulty that a scramble spends on a distance of one edge between the qubits of a rotation.
    pub pauli_diff_scale: usize,
    /// The probability that a rotation of a scramble gets no further qubit, 0 to 1.
    pub num_qubits_decay: f64,
    /// The most rotations of a scramble, at most 1,024; `null` for `max_rotations + 2`.
    pub final_pauli_layers: Option<usize>,
    /// Scrambles are evolutions: `difficulty` rotations, each about a Pauli drawn uniformly, and no Clifford.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub evolutions: bool,
    /// The weights of the metrics; `null` for the defaults.
    pub metrics_weights: Option<MetricsWeights>,
    /// Use the symmetries of the gate set; no effect where gates on one qubit are free.
    pub add_perms: bool,
    /// The reward of each rotation that is removed.
    pub pauli_layer_reward: f64,
    /// No effect: solutions are always recorded. Accepted for configs of `qiskit-gym`.
    pub track_solution: bool,
    /// The order of actions and of the columns of rotations.
    pub order: Order,
    /// Execute the rotations in an order that changes nothing; in any order if false.
    #[serde(skip_serializing_if = "is_true")]
    pub preserve_order: bool,
}

/// Returns true for a field that is not written, so that files stay as they were before there was such a field.
fn is_true(value: &bool) -> bool {
    *value
}

impl Default for PauliNetworkParams {
    fn default() -> Self {
        let SynthesisParams { num_qubits, difficulty, depth_slope, max_depth, .. } =
            SynthesisParams::default();
        Self {
            num_qubits,
            difficulty,
            gateset: None,
            coupling_map: None,
            basis_gates: None,
            depth_slope,
            max_depth,
            max_rotations: 5,
            pauli_diff_scale: 16,
            num_qubits_decay: 0.5,
            final_pauli_layers: None,
            evolutions: false,
            metrics_weights: None,
            add_perms: true,
            pauli_layer_reward: 0.01,
            track_solution: true,
            order: Order::default(),
            preserve_order: true,
        }
    }
}

impl PauliNetworkParams {
    /// Checks the parameters. Returns those of the gates, with the gates in the order of the actions.
    pub(crate) fn check(&self, rules: Rules) -> Result<Checked> {
        let shared = SynthesisParams {
            num_qubits: self.num_qubits,
            difficulty: self.difficulty,
            gateset: self.gateset.clone(),
            coupling_map: self.coupling_map.clone(),
            basis_gates: self.basis_gates.clone(),
            depth_slope: self.depth_slope,
            max_depth: self.max_depth,
            metrics_weights: self.metrics_weights,
            ..SynthesisParams::default()
        };
        let mut checked = shared.check(rules)?;
        in_range("max_rotations", self.max_rotations, 1..=MAX_ROTATIONS)?;
        in_range("pauli_diff_scale", self.pauli_diff_scale, 1..=LIMIT)?;
        if let Some(most) = self.final_pauli_layers {
            in_range("final_pauli_layers", most, 0..=MAX_ROTATIONS)?;
        }
        for (name, value, range) in [
            ("num_qubits_decay", self.num_qubits_decay, 0.0..=1.0),
            ("pauli_layer_reward", self.pauli_layer_reward, -MAX_REWARD..=MAX_REWARD),
        ] {
            if !range.contains(&value) {
                let expected = format!("a number from {} to {}", range.start(), range.end());
                return Err(Error::config(name, expected, format!("{value:?}")));
            }
        }
        in_range("difficulty", self.difficulty, 0..=self.max_difficulty())?;
        if rules.up_to_local && self.order != Order::Sequence {
            let expected = "\"sequence\", since qiskit-gym has no free gates on one qubit";
            return Err(Error::config("order", expected, "\"qiskit_gym\""));
        }
        if self.order == Order::QiskitGym {
            exchange(&mut checked.gates);
        }
        Ok(checked)
    }

    /// Returns the greatest difficulty.
    pub(crate) fn max_difficulty(&self) -> usize {
        if self.evolutions { MAX_ROTATIONS } else { LIMIT }
    }

    /// Returns the most rotations of a scramble.
    pub(crate) fn most_scrambled(&self) -> usize {
        self.final_pauli_layers.unwrap_or(self.max_rotations + 2).min(MAX_ROTATIONS)
    }
}

/// Lets each CX gate change places with the one in the opposite direction, if there is one: the first with the first.
fn exchange(gates: &mut [Gate]) {
    let mut places: HashMap<(u8, u8), Vec<usize>> = HashMap::new();
    for (at, gate) in gates.iter().enumerate().filter(|(_, gate)| gate.kind == Kind::Cx) {
        places.entry((gate.first, gate.second)).or_default().push(at);
    }
    for (&(control, target), forth) in &places {
        let Some(back) = places.get(&(target, control)).filter(|_| control < target) else {
            continue;
        };
        forth.iter().zip(back).for_each(|(&a, &b)| gates.swap(a, b));
    }
}
