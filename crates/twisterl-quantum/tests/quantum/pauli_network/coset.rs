//! Pauli networks up to gates on one qubit.

use super::super::{State, env, full, line, make, set, state};
use super::problem;
use crate::search::solve;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use twisterl_core::env::Environment;
use twisterl_core::env::walk::{WalkConfig, Walks};
use twisterl_core::rng::{Purpose, RngExt as _, stream};
use twisterl_core::solve::{Invert, Objective};
use twisterl_quantum::{Clifford, CliffordCoset, PauliNetwork, PauliNetworkCoset};

/// Plays a circuit in the network whose actions are its gates. Returns true if it is solved then, which takes the rotations out
/// on the way.
fn solves(
    qubits: usize,
    start: &[f64],
    circuit: &[twisterl_quantum::operation::Operation],
) -> bool {
    let gates: Vec<_> =
        circuit.iter().filter(|it| it.index.is_none()).map(|it| (&it.name, &it.qubits)).collect();
    let mut env: PauliNetwork = if gates.is_empty() {
        env(json!({"num_qubits": qubits}))
    } else {
        env(json!({"num_qubits": qubits, "gateset": gates}))
    };
    env.set_state(start).unwrap();
    for action in 0..gates.len() {
        env.step(action.into());
    }
    env.solved()
}

fn evolutions(qubits: usize, map: Value, difficulty: usize) -> Value {
    json!({
        "num_qubits": qubits, "coupling_map": map, "evolutions": true, "difficulty": difficulty,
        "metrics_weights": {"n_cnots": 1.0, "n_gates": 0.0}, "pauli_layer_reward": 0.0,
    })
}

/// A gate on one qubit turns the letters of a qubit in all rotations and in the rows of the tableau.
#[test]
fn states_that_differ_by_gates_on_one_qubit_are_the_same() {
    let mut network: PauliNetworkCoset = env(json!({"num_qubits": 3}));
    // Its first nine actions are H, S and SX.
    let mut turned: PauliNetwork = env(json!({"num_qubits": 3}));
    let mut rng = stream(3, Purpose::Act, 0, 0);
    for list in
        [&["XYZ", "ZZI", "IXX"][..], &["IIX", "ZIZ"], &["YYY"], &["XXI", "XXI", "IIZ", "XZZ"]]
    {
        let start = problem(3, list);
        network.set_state(&start).unwrap();
        let expected = state(&network);
        turned.set_state(&start).unwrap();
        let mut other = Vec::new();
        turned.state(&mut other);
        network.set_state(&other).unwrap();
        assert_eq!(state(&network), expected);
        for _ in 0..20 {
            turned.step((rng.random_range(0..9) as usize).into());
            let mut other = Vec::new();
            turned.state(&mut other);
            network.set_state(&other).unwrap();
            assert_eq!(state(&network), expected, "{list:?}");
        }
    }
}

/// Without rotations, the environment is `CliffordCoset`: 3.5094 CX on average for 3 qubits, all to all.
#[test]
fn without_rotations_the_cx_of_a_clifford_are_those_of_its_coset() {
    let params = json!({"num_qubits": 3, "coupling_map": full(3), "metrics_weights": {"n_cnots": 1.0, "n_gates": 0.0}});
    let mut cliffords: Clifford = env(json!({"num_qubits": 3}));
    let draw = |index| {
        assert!(cliffords.reset_uniform(&mut stream(5, Purpose::Start, 0, index)));
        state(&cliffords)
    };
    let tableaus: Vec<State> = (0..12).map(draw).collect();
    let networks: Vec<State> =
        tableaus.iter().map(|tableau| [&[0], &tableau[..]].concat()).collect();
    let setting = ("beam=8000", Objective::Length, Invert::Never);
    let of_cosets = solve(CliffordCoset::NAME, &params, &tableaus, setting);
    let of_networks = solve(PauliNetworkCoset::NAME, &params, &networks, setting);
    for (one, other) in of_cosets.iter().zip(&of_networks) {
        assert!(one.solved && other.solved);
        assert_eq!(one.length, other.length);
    }
}

/// The least numbers of CX of one rotation about a Pauli on two, three and four qubits, there and back: 2, 4 and 6.
#[test]
fn one_rotation_takes_two_cx_for_each_further_qubit() {
    for (letters, least) in [("XZ", 2), ("YXZ", 4), ("IXI", 0), ("XYZX", 6)] {
        let qubits = letters.len();
        let params = evolutions(qubits, full(qubits), 1);
        let start = problem(qubits, &[letters]).into_iter().map(|number| number as u32).collect();
        for invert in [Invert::Never, Invert::Both] {
            let setting = ("beam=2000", Objective::Length, invert);
            let found =
                solve(PauliNetworkCoset::NAME, &params, std::slice::from_ref(&start), setting);
            assert!(found[0].solved);
            assert_eq!(found[0].length, least, "{letters}");
        }
    }
}

#[test]
fn circuits_of_solutions_execute_the_network_with_a_cx_an_action() {
    for (qubits, map, rotations) in
        [(2, json!([[1, 0]]), 4), (3, line(3), 2), (3, json!([[0, 1], [2, 1]]), 2), (3, full(3), 3)]
    {
        let params = evolutions(qubits, map.clone(), rotations);
        let draw = |index| {
            let mut env: PauliNetworkCoset = env(params.clone());
            env.reset(&mut stream(2, Purpose::Start, 0, index));
            state(&env)
        };
        let states: Vec<State> = (0..6).map(draw).collect();
        for invert in [Invert::Never, Invert::Both] {
            let setting = ("beam=1500", Objective::Length, invert);
            let found = solve(PauliNetworkCoset::NAME, &params, &states, setting);
            for (start, solution) in states.iter().zip(found) {
                assert!(solution.solved, "{start:?}");
                let start: Vec<f64> = start.iter().copied().map(f64::from).collect();
                let actions: Vec<usize> =
                    solution.actions.discrete.iter().map(|&action| action as usize).collect();
                let circuit = twisterl_quantum::circuit(
                    PauliNetworkCoset::NAME,
                    params.clone(),
                    &start,
                    &actions,
                )
                .unwrap();
                assert!(solves(qubits, &start, &circuit), "{circuit:?}");
                let executed: BTreeSet<_> = circuit.iter().filter_map(|it| it.index).collect();
                assert_eq!(executed.len(), start[0] as usize);
                let cx: Vec<_> = circuit.iter().filter(|it| it.name == "cx").collect();
                assert_eq!(cx.len(), solution.length);
                for gate in cx {
                    assert!(map.as_array().unwrap().contains(&json!(gate.qubits)), "{gate:?}");
                }
            }
        }
    }
}

/// Each state of a walk is solved by its label and those of the states before it, and walks have rotations.
#[test]
fn walks_away_from_the_identity_are_led_back_by_their_labels() {
    let spec = make(PauliNetworkCoset::NAME, &evolutions(4, full(4), 5)).unwrap();
    let mut walker = spec.clone().walker().unwrap();
    let config = WalkConfig { length: 20, window: 0, label_window: 0, gamma: 1.0, twists: &[] };
    let mut rotations = 0;
    for index in 0..20 {
        let mut walks = Walks::default();
        walker.walk(&config, &mut stream(0, Purpose::Walk, 0, index), &mut walks).unwrap();
        assert_eq!(walks.actions.len(), 20);
        // One CX each, and the last one solves.
        let expected: Vec<f32> = (0..20).map(|before| -(before as f32)).collect();
        assert_eq!(walks.returns, expected);
        let shown = walks.observations.ones(19).iter().filter(|&&one| one % 13 >= 8);
        rotations += shown.count();
    }
    assert!(rotations > 20 * 10, "{rotations}");
    let windows = [
        ("walk_window", WalkConfig { window: 4, ..config }),
        ("label_window", WalkConfig { label_window: 4, ..config }),
    ];
    for (field, config) in windows {
        let mut rng = stream(0, Purpose::Walk, 0, 0);
        let error = walker.walk(&config, &mut rng, &mut Walks::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "algorithm.collecting.{field}: expected 0 or 1 for PauliNetworkCoset, without inverses, found 4"
            )
        );
    }
}

#[test]
fn evolutions_have_as_many_rotations_as_their_difficulty_on_qubits_that_gates_join() {
    let map = json!([[0, 1], [2, 3]]);
    let mut network: PauliNetworkCoset = env(evolutions(4, map.clone(), 1));
    let mut counts = BTreeSet::new();
    for index in 0..200 {
        network.set_difficulty(3);
        network.reset(&mut stream(1, Purpose::Start, 0, index));
        let found = state(&network);
        let identity = state(&env::<Clifford>(json!({"num_qubits": 4})));
        counts.insert(found[0]);
        for rotation in found[1 + 64..].chunks(5) {
            let joined = [&rotation[1..3], &rotation[3..5]].map(|pair| pair.iter().any(|&x| x > 0));
            assert_ne!(joined, [true, true]);
        }
        // Up to the frames of the qubits, there is no Clifford.
        let mut alone = vec![0];
        alone.extend(&found[1..65]);
        set(&mut network, &alone).unwrap();
        assert_eq!(state(&network)[1..], identity);
    }
    // Those on one qubit are executed at once.
    assert!(counts.contains(&3) && counts.len() > 2 && counts.iter().all(|&count| count <= 3));
    for (params, expected) in [
        (json!({"evolutions": true, "difficulty": 1025}), "env.difficulty: expected 0 to 1024"),
        (json!({"order": "qiskit_gym"}), "env.order: expected \"sequence\""),
        (json!({"basis_gates": ["H"]}), "env.basis_gates[0]: expected one of the gates CX, CY"),
    ] {
        let error = make(PauliNetworkCoset::NAME, &params).map(drop).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
