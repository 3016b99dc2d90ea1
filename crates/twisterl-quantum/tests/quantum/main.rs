//! The environments as users see them.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod contract;
mod coset;
mod dual;
mod groups;
mod hostile;
mod metrics;
mod pauli_network;
mod reach;
mod routing;
mod search;
mod uniform;

use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use twisterl_core::Result;
use twisterl_core::env::Environment;
use twisterl_core::registry::{EnvSpec, Registry};

/// A state as whole numbers.
type State = Vec<u32>;

fn make(env_cls: &str, params: &Value) -> Result<Arc<dyn EnvSpec>> {
    let mut registry = Registry::empty();
    twisterl_quantum::register(&mut registry);
    registry.make(env_cls, params)
}

fn env<E: Environment>(params: Value) -> E {
    E::new(&serde_json::from_value(params).unwrap()).unwrap()
}

fn state<E: Environment>(env: &E) -> State {
    let mut numbers = Vec::new();
    env.state(&mut numbers);
    numbers.into_iter().map(|number| number as u32).collect()
}

fn set<E: Environment>(env: &mut E, state: &[u32]) -> Result<()> {
    env.set_state(&state.iter().map(|&number| f64::from(number)).collect::<Vec<_>>())
}

/// The least cost of each state that the actions make of the identity, in thousandths. Every action undoes itself, so that it
/// is also the least cost of solving the state.
fn costs<E: Environment>(env: &E) -> HashMap<State, u64> {
    let actions = env.action_space().single_discrete().unwrap();
    let mut costs = HashMap::new();
    let mut open = BTreeMap::from([(0, vec![env.clone()])]);
    while let Some((cost, envs)) = open.pop_first() {
        for env in envs {
            if costs.contains_key(&state(&env)) {
                continue;
            }
            costs.insert(state(&env), cost);
            for action in 0..actions {
                let mut next = env.clone();
                let step = next.step(action.into());
                let paid = f32::from(u8::from(step.terminated)) - step.reward;
                let paid = (f64::from(paid) * 1000.0).round() as u64;
                open.entry(cost + paid).or_default().push(next);
            }
        }
    }
    costs
}

/// The edges of a line, both ways.
fn line(qubits: usize) -> Value {
    (1..qubits).flat_map(|qubit| [json!([qubit - 1, qubit]), json!([qubit, qubit - 1])]).collect()
}

/// The edges of a complete graph, both ways.
fn full(qubits: usize) -> Value {
    let pairs = (0..qubits).flat_map(|a| (0..qubits).map(move |b| (a, b)));
    pairs.filter(|(a, b)| a != b).map(|(a, b)| json!([a, b])).collect()
}
