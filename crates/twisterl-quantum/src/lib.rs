//! Environments whose episodes synthesise quantum circuits.
//!
//! A state is what is left to do: a permutation ([`Permutation`]), an invertible matrix over GF(2) ([`LinearFunction`]) or the
//! tableau of a Clifford up to Paulis ([`Clifford`]). An action is a gate of a fixed set, and the identity is the solved state.
//! The three are one environment, [`Synthesis`], over three kinds of [`Tableau`](tableau::Tableau). In [`PauliNetwork`]
//! and [`PauliNetworkCoset`], rotations about Paulis come before the Clifford. [`Routing`] executes circuits on a coupling
//! map by SWAPs.
//!
//! Names, parameters, observations, scrambles and rewards are those of the PyPI package `qiskit-gym`, whose configs load as they
//! are. Unlike there, a step draws nothing at random: `add_inverts` and `track_solution` are accepted and have no effect, the
//! end of the budget truncates, and states that the gates cannot solve are refused.
//!
//! The modules in their order: [`gates`] names the gates, [`operation`] what circuits consist of, [`params`] reads the parameters, [`metrics`] counts what circuits
//! cost, `connectivity` says which qubits gates connect, `symmetry` finds the relabellings of the qubits that change no gate set, `episode` counts budgets,
//! [`tableau`] holds the states, and [`synthesis`] the environment; [`pauli_network`] is the one with rotations, and
//! [`routing`] the one of circuits on a map.
#![forbid(unsafe_code)]

mod connectivity;
mod episode;
pub mod gates;
pub mod metrics;
pub mod operation;
pub mod params;
pub mod pauli_network;
pub mod routing;
mod symmetry;
pub mod synthesis;
pub mod tableau;

pub use pauli_network::{PauliNetwork, PauliNetworkCoset};
pub use routing::Routing;
pub use synthesis::{Clifford, CliffordCoset, LinearFunction, Permutation, Synthesis};

use operation::Operation;
use serde_json::{Value, json};
use twisterl_core::env::Environment;
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::from_serde;
use twisterl_core::{Error, Result};

/// The names of the peer, each with ours.
const ALIASES: [(&str, &str); 4] = [
    ("PermutationEnv", "Permutation"),
    ("LinearFunctionEnv", "LinearFunction"),
    ("CliffordEnv", "Clifford"),
    (PAULI_NETWORK_ENV, "PauliNetwork"),
];

/// The name of the peer whose actions and observations are in another order.
const PAULI_NETWORK_ENV: &str = "PauliNetworkEnv";

/// Registers the environments of this crate, which are in the template of bundles `quantum`, and their names in configs of
/// `qiskit-gym`, such as `qiskit_gym.envs.synthesis.CliffordEnv` or `CliffordEnv`.
pub fn register(registry: &mut Registry) {
    let mut ours = Registry::empty();
    for registry in [&mut *registry, &mut ours] {
        registry
            .register::<Permutation>()
            .register::<LinearFunction>()
            .register::<Clifford>()
            .register::<CliffordCoset>()
            .register::<PauliNetwork>()
            .register::<PauliNetworkCoset>()
            .register::<Routing>();
        registry.in_template("quantum");
    }
    registry.add_resolver(move |name, params, _| {
        let (module, short) = name.rsplit_once(['.', ':']).unwrap_or(("", name));
        let package = module.split('.').next().unwrap_or(module);
        let (_, name) = ALIASES.iter().find(|(alias, _)| *alias == short)?;
        let params = in_order_of_peer(short, params);
        matches!(package, "" | "twisterl" | "qiskit_gym").then(|| ours.make(name, &params))
    });
}

/// Returns the parameters of an alias with the order that its models know, where they name none.
fn in_order_of_peer(alias: &str, params: &Value) -> Value {
    let mut params = params.clone();
    if let (PAULI_NETWORK_ENV, Some(fields)) = (alias, params.as_object_mut()) {
        fields.entry("order").or_insert_with(|| json!("qiskit_gym"));
    }
    params
}

/// Returns an environment.
fn made<E: Environment>(params: Value) -> Result<E> {
    let params = from_serde::read(params).map_err(|error| error.below("env"))?;
    E::new(&params).map_err(|error| error.below("env"))
}

/// Returns the circuit that some actions from a state of an environment of this crate stand for, in the order of execution.
///
/// # Errors
/// If the environment is another one, or refuses a parameter, the state or an action.
pub fn circuit(
    env_cls: &str,
    params: Value,
    state: &[f64],
    actions: &[usize],
) -> Result<Vec<Operation>> {
    match env_cls {
        Permutation::NAME => made::<Permutation>(params)?.circuit(state, actions),
        LinearFunction::NAME => made::<LinearFunction>(params)?.circuit(state, actions),
        Clifford::NAME => made::<Clifford>(params)?.circuit(state, actions),
        CliffordCoset::NAME => made::<CliffordCoset>(params)?.circuit(state, actions),
        PauliNetwork::NAME => made::<PauliNetwork>(params)?.circuit(state, actions),
        PauliNetworkCoset::NAME => made::<PauliNetworkCoset>(params)?.circuit(state, actions),
        Routing::NAME => made::<Routing>(params)?.circuit(state, actions),
        other => {
            let names = "Permutation, LinearFunction, Clifford, CliffordCoset, PauliNetwork, \
                         PauliNetworkCoset or Routing";
            Err(Error::config("env_cls", names, other))
        }
    }
}
