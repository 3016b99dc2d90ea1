use super::{env, make};
use serde_json::{Value, json};
use twisterl_core::env::Environment;
use twisterl_core::rng::{Purpose, stream};
use twisterl_core::space::Observations;
use twisterl_quantum::{Clifford, LinearFunction, Permutation};

/// The costs of the gates of a circuit, one after the other.
fn costs(qubits: usize, gates: &[(&str, &[usize])], weights: Value) -> Vec<f32> {
    let mut env: Clifford =
        env(json!({"num_qubits": qubits, "gateset": gates, "metrics_weights": weights}));
    let solved = |terminated| f32::from(u8::from(terminated));
    (0..gates.len())
        .map(|action| env.step(action.into()))
        .map(|step| solved(step.terminated) - step.reward)
        .collect()
}

#[test]
fn a_gate_costs_what_it_adds_to_the_metrics() {
    let circuit: [(&str, &[usize]); 6] = [
        ("CX", &[0, 1]),
        ("CX", &[2, 3]),
        ("CX", &[1, 2]),
        ("H", &[0]),
        ("SWAP", &[0, 1]),
        ("CZ", &[2, 3]),
    ];
    let weights = |name: &str| {
        let mut weights = json!({"n_cnots": 0.0, "n_gates": 0.0});
        weights[name] = json!(1.0);
        weights
    };
    for (name, expected) in [
        ("n_cnots", [1.0, 1.0, 1.0, 0.0, 3.0, 1.0]),
        ("n_gates", [1.0, 1.0, 1.0, 1.0, 3.0, 3.0]),
        // Qubits 0 to 3 are in layer 1, 2, 2, 1 after the third gate; H fits beside it, and CZ beside the SWAP.
        ("n_layers", [1.0, 0.0, 1.0, 0.0, 3.0, 0.0]),
        ("n_layers_cnots", [1.0, 0.0, 1.0, 0.0, 3.0, 0.0]),
        ("n_actions", [1.0; 6]),
    ] {
        assert_eq!(costs(4, &circuit, weights(name)), expected, "{name}");
    }
    // The weights of the peer: 0.01 a CX and 0.0001 a gate.
    for (cost, expected) in
        costs(4, &circuit, Value::Null).iter().zip([0.0101, 0.0101, 0.0101, 0.0001, 0.0303, 0.0103])
    {
        assert!((cost - expected).abs() < 1e-7, "{cost} {expected}");
    }
}

#[test]
fn the_step_that_solves_is_worth_one_more_and_the_budget_truncates() {
    let params =
        json!({"num_qubits": 3, "gateset": [["SWAP", [0, 1]], ["SWAP", [1, 2]]], "max_depth": 3});
    let mut env: Permutation = env(params);
    env.set_state(&[1.0, 0.0, 2.0]).unwrap();
    let step = env.clone().step(0.into());
    assert!((step.reward - (1.0 - 0.0303)).abs() < 1e-6 && step.terminated && !step.truncated);
    let steps = [1, 1, 1].map(|action| env.step(action.into()));
    assert_eq!(steps.map(|step| step.terminated), [false; 3]);
    assert_eq!(steps.map(|step| step.truncated), [false, false, true]);
    // Contents are two, one and one SWAPs from their places.
    env.set_state(&[2.0, 0.0, 1.0]).unwrap();
    assert!((env.best_return().unwrap() - (1.0 - 2.0 * 0.0303)).abs() < 1e-5);
}

/// Observations of the peer's `perm_square_3x3`, with which its model was trained.
#[test]
fn observations_are_those_of_the_peer() {
    let spec = make("PermutationEnv", &json!({"num_qubits": 9})).unwrap();
    let mut env: Permutation = env(spec.params());
    for (state, observation) in [
        ([0., 3., 4., 5., 1., 7., 6., 2., 8.], [0, 12, 22, 32, 37, 52, 60, 65, 80]),
        ([7., 2., 5., 4., 1., 3., 6., 8., 0.], [7, 11, 23, 31, 37, 48, 60, 71, 72]),
    ] {
        env.set_state(&state).unwrap();
        let mut observations = Observations::new();
        observations.push_with(|row| env.observe(row));
        assert_eq!(observations.ones(0), observation);
    }
}

/// Observations list the ones of the state, whatever the number of bits of a row, up to the greatest number of qubits.
#[test]
fn observations_list_the_ones_of_states_which_can_be_set_again() {
    fn round_trip<E: Environment>(qubits: usize) {
        let mut env: E = env(json!({"num_qubits": qubits, "coupling_map": super::line(qubits)}));
        let again = env.clone();
        for index in 0..3 {
            env.reset_uniform(&mut stream(1, Purpose::Start, 0, index));
            let state = super::state(&env);
            let mut observations = Observations::new();
            observations.push_with(|row| env.observe(row));
            let ones = (0..).zip(&state).filter(|&(_, &bit)| bit == 1).map(|(i, _)| i);
            assert_eq!(observations.ones(0), ones.collect::<Vec<u32>>(), "{qubits}");
            let mut again = again.clone();
            super::set(&mut again, &state).unwrap();
            assert_eq!(super::state(&again), state, "{qubits}");
        }
    }
    for qubits in [2, 3, 5, 6, 8, 11, 16, 21, 31, 32] {
        round_trip::<Clifford>(qubits);
        round_trip::<LinearFunction>(qubits);
        round_trip::<LinearFunction>(2 * qubits);
    }
    round_trip::<Clifford>(1);
}

#[test]
fn actions_and_states_are_shown_as_circuits_and_matrices() {
    let gates = json!([["cx", [0, 1]], ["SXdg", [1]]]);
    let mut env: Clifford = env(json!({"num_qubits": 2, "gateset": gates}));
    assert_eq!([0, 1].map(|action: usize| env.action_name(action.into())), ["cx 0 1", "sxdg 1"]);
    env.step(0.into());
    assert_eq!(env.render(), "1 · | · ·\n1 1 | · ·\n---------\n· · | 1 1\n· · | · 1");
}
