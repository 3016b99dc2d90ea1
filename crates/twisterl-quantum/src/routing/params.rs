//! The parameters.

use crate::gates::{Gate, Kind};
use crate::params::{LIMIT, Rules, SynthesisParams};
use serde::{Deserialize, Serialize};
use twisterl_core::error::in_range;
use twisterl_core::{Error, Result};

/// The most gates of a circuit.
pub(crate) const MAX_GATES: usize = 65_536;

/// The most layers of an observation.
const MAX_LAYERS: usize = 64;

/// The greatest magnitude of a reward.
const MAX_REWARD: f64 = 1e6;

/// The parameters of [`Routing`](super::Routing).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoutingParams {
    /// The number of qubits, 2 to 256.
    pub num_qubits: usize,
    /// The pairs of qubits with gates, in any direction; a line if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupling_map: Option<Vec<[usize; 2]>>,
    /// Gates of a random circuit, at most 65,536.
    pub difficulty: usize,
    /// Budget of SWAPs a gate of a random circuit.
    pub depth_slope: usize,
    /// The greatest budget, which is also that of an episode begun at a given state; 1 to a million.
    pub max_depth: usize,
    /// The number of layers that an observation shows, the front layer among them; 1 to 64.
    pub num_layers: usize,
    /// The cost of a SWAP.
    pub swap_cost: f64,
    /// The reward of each gate that is executed.
    pub gate_reward: f64,
    /// The reward of each step by which the two qubits of a gate of the front layer come nearer, and half as much for each
    /// further layer. Returns of solved episodes change by a constant alone.
    pub distance_reward: f64,
    /// An action is a set of SWAPs, one bit an edge, in place of one SWAP.
    pub parallel: bool,
    /// Use the symmetries of the coupling map, for actions of one SWAP.
    pub add_perms: bool,
}

impl Default for RoutingParams {
    fn default() -> Self {
        Self {
            num_qubits: 5,
            coupling_map: None,
            difficulty: 1,
            depth_slope: 4,
            max_depth: 256,
            num_layers: 4,
            swap_cost: 0.03,
            gate_reward: 0.01,
            distance_reward: 0.0,
            parallel: false,
            add_perms: true,
        }
    }
}

impl RoutingParams {
    /// Checks the parameters, and returns the SWAPs: one an edge, in the order of the sorted edges.
    pub(crate) fn check(&self) -> Result<Vec<Gate>> {
        let shared = SynthesisParams {
            num_qubits: in_range("num_qubits", self.num_qubits, 2..=256)?,
            coupling_map: self.coupling_map.clone(),
            max_depth: self.max_depth,
            ..SynthesisParams::default()
        };
        let swaps = Rules {
            max_qubits: 256,
            allowed: &[Kind::Swap],
            basis: &[Kind::Swap],
            up_to_local: false,
            has_dual: false,
        };
        let gates = shared.check(swaps)?.gates;
        in_range("difficulty", self.difficulty, 0..=MAX_GATES)?;
        in_range("depth_slope", self.depth_slope, 0..=LIMIT)?;
        in_range("num_layers", self.num_layers, 1..=MAX_LAYERS)?;
        let rewards = [
            ("swap_cost", self.swap_cost),
            ("gate_reward", self.gate_reward),
            ("distance_reward", self.distance_reward),
        ];
        for (name, value) in rewards {
            if !(-MAX_REWARD..=MAX_REWARD).contains(&value) {
                let expected = format!("a number from -{MAX_REWARD:e} to {MAX_REWARD:e}");
                return Err(Error::config(name, expected, format!("{value:?}")));
            }
        }
        Ok(gates)
    }
}
