mod coset;

use super::{env, full, line, make, state};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use twisterl_core::env::Environment;
use twisterl_core::rng::{Purpose, RngExt as _, stream};
use twisterl_core::space::Observations;
use twisterl_quantum::PauliNetwork;
use twisterl_quantum::operation::Operation;

/// Returns a state with the identity as its tableau, and rotations given as letters, from the first qubit to the last.
fn problem(qubits: usize, rotations: &[&str]) -> Vec<f64> {
    let mut state = vec![rotations.len() as f64];
    let side = 2 * qubits;
    state.extend((0..side * side).map(|i| f64::from(u8::from(i / side == i % side))));
    for (column, letters) in rotations.iter().enumerate() {
        state.push(column as f64);
        state.extend(letters.chars().map(|letter| "IXZY".find(letter).unwrap() as f64));
    }
    state
}

/// Returns the letters of the rotations of a state.
fn rotations(env: &PauliNetwork, qubits: usize) -> Vec<String> {
    let entries = state(env);
    let list = entries[1 + 4 * qubits * qubits..].chunks(qubits + 1);
    let letter = |&letter: &u32| "IXZY".chars().nth(letter as usize).unwrap();
    list.map(|entries| entries[1..].iter().map(letter).collect()).collect()
}

fn ones(env: &PauliNetwork) -> Vec<u32> {
    let mut observations = Observations::new();
    observations.push_with(|row| env.observe(row));
    observations.ones(0).to_vec()
}

fn action(env: &PauliNetwork, name: &str) -> usize {
    env.gates().iter().position(|gate| gate.to_string() == name).unwrap()
}

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    env: Value,
    state: Vec<f64>,
    actions: Vec<usize>,
    observations: Vec<Vec<u32>>,
    rewards: Vec<f32>,
}

/// Episodes of the peer, see the script beside the file.
#[test]
fn episodes_are_those_of_the_peer() {
    let text = include_str!("../../../../../tests/vectors/peer/pauli_network.json");
    let vectors: Vectors = serde_json::from_str(text).unwrap();
    assert_eq!(vectors.cases.len(), 12);
    for case in vectors.cases {
        let spec = make("PauliNetworkEnv", &case.env).unwrap();
        let mut env: PauliNetwork = env(spec.params());
        env.set_state(&case.state).unwrap();
        assert_eq!(ones(&env), case.observations[0]);
        let last = case.actions.len() - 1;
        for (at, &action) in case.actions.iter().enumerate() {
            let step = env.step(action.into());
            assert!((step.reward - case.rewards[at]).abs() < 1e-5, "{at}: {step:?}");
            assert_eq!(step.terminated, at == last);
            assert_eq!(ones(&env), case.observations[at + 1], "{at}");
        }
    }
}

#[test]
fn a_rotation_is_removed_when_it_acts_on_one_qubit_and_those_before_it_commute() {
    let mut env: PauliNetwork = env(json!({"num_qubits": 3}));
    let remaining = |env: &mut PauliNetwork, list: &[&str]| {
        env.set_state(&problem(3, list)).unwrap();
        rotations(env, 3)
    };
    let none: [&str; 0] = [];
    assert_eq!(remaining(&mut env, &["XII", "IIZ", "XII"]), none);
    assert!(env.solved());
    // The second waits for the first, the third for nothing.
    assert_eq!(remaining(&mut env, &["ZZI", "XII", "IZI"]), ["ZZI", "XII"]);
    let list = ["ZZI", "XII", "IZI", "IZZ", "IXI"];
    assert_eq!(remaining(&mut env, &list), ["ZZI", "XII", "IZZ", "IXI"]);
    // The gate turns the first into a rotation of qubit 1.
    let step = env.step(action(&env, "cx 0 1").into());
    assert_eq!(rotations(&env, 3), ["XXI", "ZZZ", "IXI"]);
    assert!((step.reward - (0.01 - 0.0101)).abs() < 1e-6 && !step.terminated);
    // Removing one can free others at once.
    env.set_state(&problem(3, &["ZZI", "XII"])).unwrap();
    let step = env.step(action(&env, "cx 1 0").into());
    assert_eq!(rotations(&env, 3), none);
    assert!((step.reward - (0.02 - 0.0101)).abs() < 1e-6 && !step.terminated);
}

/// The second rotation waits for the first only where their order has to stay.
#[test]
fn in_any_order_no_rotation_waits_for_another() {
    let in_order = json!({"num_qubits": 3});
    let in_any_order = json!({"num_qubits": 3, "preserve_order": false});
    for (params, remaining) in [(&in_order, vec!["ZZI", "XII"]), (&in_any_order, vec!["ZZI"])] {
        let mut env: PauliNetwork = env(params.clone());
        env.set_state(&problem(3, &["ZZI", "XII", "IZI"])).unwrap();
        assert_eq!(rotations(&env, 3), remaining);
    }
    let env: PauliNetwork = env(in_any_order);
    let actions = ["cx 0 1", "cx 0 1"].map(|name| action(&env, name));
    let circuit = env.circuit(&problem(3, &["ZZI", "XII"]), &actions).unwrap();
    let order: Vec<_> = circuit.iter().filter_map(|operation| operation.index).collect();
    assert_eq!(order, [1, 0]);
}

/// Files of policies from before there was the parameter keep their bytes.
#[test]
fn the_default_order_is_not_written() {
    let params = |given: Value| make("PauliNetwork", &given).unwrap().params();
    assert_eq!(params(json!({"preserve_order": true})).get("preserve_order"), None);
    assert_eq!(params(json!({"preserve_order": false}))["preserve_order"], json!(false));
}

#[test]
fn a_circuit_has_each_rotation_where_it_is_removed_with_its_sign() {
    let env: PauliNetwork = env(json!({"num_qubits": 2}));
    let shown = |operation: &Operation| {
        let Operation { name, qubits, index, negative } = operation;
        let sign = if *negative { "-" } else { "" };
        index.map_or(format!("{name} {qubits:?}"), |i| format!("{name} {qubits:?} {sign}{i}"))
    };
    for (list, names, expected) in [
        // CX takes Z from the first qubit of ZZ, for which IX has waited.
        (
            &["XI", "ZZ", "IX"][..],
            &["cx 0 1", "cx 0 1"][..],
            &["rx [0] 0", "cx [0, 1]", "rz [1] 1", "rx [1] 2", "cx [0, 1]"][..],
        ),
        // SX SX is X, which changes the sign of Z.
        (&["ZZ"], &["sx 0", "sx 0", "cx 0 1"], &["sx [0]", "sx [0]", "cx [0, 1]", "rz [1] -0"]),
        // CX turns YY into -XZ.
        (&["YY"], &["cx 0 1", "h 0", "cx 0 1"], &["cx [0, 1]", "h [0]", "cx [0, 1]", "rz [1] -0"]),
        (&["YI", "IX"], &[], &["ry [0] 0", "rx [1] 1"]),
    ] {
        let actions: Vec<_> = names.iter().map(|name| action(&env, name)).collect();
        let circuit = env.circuit(&problem(2, list), &actions).unwrap();
        assert_eq!(circuit.iter().map(shown).collect::<Vec<_>>(), expected);
    }
    let error = env.circuit(&problem(2, &[]), &[99]).unwrap_err().to_string();
    assert!(error.starts_with("action: expected 0 to "), "{error}");
}

/// Rotations beyond the columns of an observation stay in the state, and move up.
#[test]
fn no_rotation_is_lost_where_there_are_more_than_an_observation_shows() {
    for order in ["sequence", "qiskit_gym"] {
        let mut env: PauliNetwork =
            env(json!({"num_qubits": 2, "max_rotations": 1, "order": order}));
        let cx = action(&env, "cx 0 1");
        env.set_state(&problem(2, &["ZZ", "XI", "ZI"])).unwrap();
        // Column 4 of the rows x0, x1, z0, z1, behind the identity.
        assert_eq!(ones(&env), [0, 6, 12, 14, 18, 19]);
        env.step(cx.into());
        let left = rotations(&env, 2);
        assert_eq!(left, ["XX", "ZI"], "{order}");
        let column: &[u32] = if order == "sequence" { &[4, 9] } else { &[14] };
        let shown: Vec<u32> = ones(&env).into_iter().filter(|one| one % 5 == 4).collect();
        assert_eq!(shown, column, "{order}");
    }
    let many = vec!["ZZ"; 1_024];
    let mut env: PauliNetwork = env(json!({"num_qubits": 2}));
    env.set_state(&problem(2, &many)).unwrap();
    let step = env.step(action(&env, "cx 0 1").into());
    assert!((step.reward - (10.24 - 0.0101)).abs() < 1e-4);
    assert!(env.set_state(&problem(2, &vec!["ZZ"; 1_025])).is_err());
}

/// In the order of the peer an action does what it does there, but never a gate that is not in the set.
#[test]
fn the_order_of_the_peer_exchanges_cx_gates_that_go_both_ways() {
    for (map, sequence, peer) in [
        (json!([[0, 1], [1, 0]]), ["cx 0 1", "cx 1 0"].as_slice(), ["cx 1 0", "cx 0 1"].as_slice()),
        (
            json!([[0, 1], [1, 2], [2, 1]]),
            &["cx 0 1", "cx 1 2", "cx 2 1"],
            &["cx 0 1", "cx 2 1", "cx 1 2"],
        ),
    ] {
        for (env_cls, expected) in [("PauliNetwork", sequence), ("PauliNetworkEnv", peer)] {
            let params = json!({"coupling_map": map, "basis_gates": ["CX"]});
            let env: PauliNetwork = env(make(env_cls, &params).unwrap().params());
            let names: Vec<_> = env.gates().iter().map(ToString::to_string).collect();
            assert_eq!(names, expected);
        }
    }
}

/// Random problems have at most as many rotations as asked for, and end for every probability of a further qubit.
#[test]
fn scrambles_end_and_make_rotations() {
    let disconnected = json!([[0, 1], [1, 0], [2, 3], [3, 2]]);
    for (decay, map) in [(0.0, full(4)), (0.5, line(4)), (1.0, line(4)), (0.0, disconnected)] {
        let params = json!({
            "num_qubits": 4, "coupling_map": map, "num_qubits_decay": decay, "pauli_diff_scale": 1,
            "max_rotations": 3
        });
        let mut env: PauliNetwork = env(params);
        let mut weights = BTreeSet::new();
        for (index, difficulty) in [0, 1, 5, 40, 10_000].into_iter().enumerate() {
            env.set_difficulty(difficulty);
            env.reset(&mut stream(0, Purpose::Start, 0, index as u64));
            let left = rotations(&env, 4);
            assert!(left.len() <= 5 && (difficulty > 0 || env.solved()));
            weights.extend(left.iter().map(|letters| 4 - letters.matches('I').count()));
        }
        assert!(weights.contains(&2) && !weights.contains(&0), "{decay} {weights:?}");
    }
}

#[test]
fn returns_stay_below_their_bound() {
    let mut solved = 0;
    for (index, weight) in [0.01, 0.0, -0.02].into_iter().enumerate() {
        let params = json!({"num_qubits": 2, "pauli_layer_reward": weight});
        let mut env: PauliNetwork = env(params);
        let mut rng = stream(1, Purpose::Start, 0, index as u64);
        for _ in 0..100 {
            env.set_state(&problem(2, &["ZZ", "XI", "ZY", "XX"])).unwrap();
            let (mut bounds, mut rewards) = (Vec::new(), Vec::new());
            let terminated = loop {
                bounds.push(env.best_return().unwrap());
                let action = rng.random_range(0..env.gates().len() as u32) as usize;
                let step = env.step(action.into());
                rewards.push(step.reward);
                if step.done() {
                    break step.terminated;
                }
            };
            for (from, bound) in bounds.iter().enumerate().filter(|_| terminated) {
                let sum: f32 = rewards[from..].iter().sum();
                assert!(sum <= *bound, "{sum} {bound}");
                solved += 1;
            }
        }
    }
    assert!(solved > 100, "{solved}");
}

/// The inverse of CX after rotations about `YY` and `ZZ` is CX after rotations about `CX ZZ CX` and `CX YY CX`, up to signs.
#[test]
fn inverse_problems_have_the_rotations_in_reverse_order_behind_the_clifford() {
    let mut env: PauliNetwork = env(json!({"num_qubits": 2}));
    let cx = [1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1].map(f64::from);
    let with = |list: &[&str]| {
        let mut state = problem(2, list);
        state[1..17].copy_from_slice(&cx);
        state
    };
    env.set_state(&with(&["YY", "ZZ"])).unwrap();
    assert_eq!(env.inverse_state().unwrap(), with(&["ZI", "ZX"]));
    env.set_state(&with(&["ZX", "ZZ"])).unwrap();
    assert_eq!(env.inverse_state().unwrap(), with(&["ZI", "YY"]));
}
