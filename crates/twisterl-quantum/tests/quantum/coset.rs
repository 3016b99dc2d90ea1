//! Cliffords up to gates on one qubit.

use super::search::solve;
use super::{State, env, full, line, make, set, state};
use serde_json::{Value, json};
use std::collections::HashSet;
use twisterl_core::env::{Environment, Start};
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::solve::{Invert, Objective};
use twisterl_quantum::{Clifford, CliffordCoset};

/// The number of classes of each distance from the identity.
fn distances(params: Value) -> Vec<usize> {
    let start: CliffordCoset = env(params);
    let actions = start.action_space().single_discrete().unwrap();
    let mut seen = HashSet::from([start.class_key(&mut Vec::new())]);
    let (mut shell, mut counts) = (vec![start], Vec::new());
    while !shell.is_empty() {
        counts.push(shell.len());
        let mut next = Vec::new();
        for env in &shell {
            for action in 0..actions {
                let mut child = env.clone();
                child.step(action.into());
                if seen.insert(child.class_key(&mut Vec::new())) {
                    next.push(child);
                }
            }
        }
        shell = next;
    }
    counts
}

/// Means and greatest distances over the whole groups, from an independent breadth-first search: 2 qubits 1.5 and 3; 3 qubits
/// on a line 4.2573 and 7, and all to all 3.5094 and 6.
#[test]
fn distances_of_classes_are_the_least_numbers_of_cx() {
    for (qubits, map, classes, mean, most) in [
        (2, line(2), 720 / 36, 1.5, 3),
        (3, line(3), 1_451_520 / 216, 4.2573, 7),
        (3, full(3), 1_451_520 / 216, 3.5094, 6),
        (3, json!([[0, 1], [2, 1]]), 1_451_520 / 216, 4.2573, 7),
    ] {
        let counts = distances(json!({"num_qubits": qubits, "coupling_map": map}));
        let all: usize = counts.iter().sum();
        let sum: usize = counts.iter().enumerate().map(|(distance, n)| distance * n).sum();
        assert_eq!((all, counts.len() - 1), (classes, most));
        assert!((sum as f64 / all as f64 - mean).abs() < 5e-5, "{counts:?}");
    }
}

/// Returns random states: uniformly drawn ones of up to 3 qubits, and scrambles of more.
fn random(params: &Value, count: u64) -> Vec<State> {
    let mut env: CliffordCoset = env(params.clone());
    let draw = |index| {
        let mut rng = StreamKey::new(index, Purpose::Start).stream();
        if params["num_qubits"].as_u64() <= Some(3) {
            assert!(env.reset_uniform(&mut rng));
        } else {
            env.set_difficulty(2);
            env.reset(&mut rng);
        }
        state(&env)
    };
    (0..count).map(draw).collect()
}

/// Plays a circuit in the environment whose actions are its gates.
fn end_of(
    start: &State,
    qubits: usize,
    operations: &[twisterl_quantum::operation::Operation],
) -> State {
    let gates: Vec<_> = operations.iter().map(|it| (&it.name, &it.qubits)).collect();
    if gates.is_empty() {
        return start.clone();
    }
    let mut env: Clifford = env(json!({"num_qubits": qubits, "gateset": gates}));
    set(&mut env, start).unwrap();
    for action in 0..gates.len() {
        env.step(action.into());
    }
    state(&env)
}

#[test]
fn circuits_of_solutions_turn_the_state_into_the_identity_with_a_cx_an_action() {
    for (qubits, map) in [
        (2, json!([[1, 0]])),
        (3, line(3)),
        (3, json!([[0, 1], [2, 1]])),
        (4, json!([[0, 1], [1, 2], [1, 0], [3, 2], [3, 0]])),
    ] {
        let params = json!({"num_qubits": qubits, "coupling_map": map, "metrics_weights": {"n_cnots": 1.0, "n_gates": 0.0}});
        let states = random(&params, 12);
        let identity: State = state(&env::<Clifford>(json!({"num_qubits": qubits})));
        for (objective, invert) in
            [(Objective::Length, Invert::Never), (Objective::Return, Invert::Both)]
        {
            let solutions =
                solve("CliffordCoset", &params, &states, ("beam=4000", objective, invert));
            for (start, solution) in states.iter().zip(solutions) {
                assert!(solution.solved, "{start:?}");
                let actions: Vec<usize> =
                    solution.actions.discrete.iter().map(|&action| action as usize).collect();
                let numbers: Vec<f64> = start.iter().map(|&number| f64::from(number)).collect();
                let circuit =
                    twisterl_quantum::circuit("CliffordCoset", params.clone(), &numbers, &actions)
                        .unwrap();
                assert_eq!(end_of(start, qubits, &circuit), identity, "{circuit:?}");
                let cx: Vec<_> = circuit.iter().filter(|it| it.name == "cx").collect();
                assert_eq!(cx.len(), solution.length);
                assert!(
                    (f64::from(solution.total) - (1.0 - cx.len() as f64)).abs() < 1e-3
                        || cx.is_empty()
                );
                for gate in cx {
                    let arcs = map.as_array().unwrap();
                    assert!(arcs.contains(&json!(gate.qubits)), "{gate:?} on {map}");
                }
                assert!(
                    circuit.iter().all(|it| ["h", "s", "sx", "cx"].contains(&it.name.as_str()))
                );
            }
        }
    }
}

#[test]
fn scrambles_begin_at_any_gates_on_one_qubit() {
    let mut env: CliffordCoset = env(json!({"num_qubits": 2, "difficulty": 0}));
    let mut seen = HashSet::new();
    for index in 0..400 {
        env.reset(&mut StreamKey::new(index, Purpose::Start).stream());
        assert!(env.solved());
        seen.insert(state(&env));
    }
    assert_eq!(seen.len(), 36);
}

#[test]
fn incomplete_gate_sets_are_refused() {
    for (params, path) in [
        (
            json!({"basis_gates": ["CX"]}),
            "env.basis_gates: expected CX, CY and XCY in both directions",
        ),
        (
            json!({"gateset": [["CX", [0, 1]]]}),
            "env.gateset: expected CX, CY and XCY in both directions",
        ),
        (
            json!({"basis_gates": ["H"]}),
            "env.basis_gates[0]: expected one of the gates CX, CY, CZ, XCX, XCY, YCY",
        ),
    ] {
        let error = make("CliffordCoset", &params).map(drop).unwrap_err().to_string();
        assert!(error.starts_with(path), "{error}");
    }
    let start = Start::Scramble { difficulty: 1 };
    let mut batch = make("CliffordCoset", &json!({"num_qubits": 1})).map(|spec| spec.batch(1));
    assert!(batch.as_mut().is_err(), "there is nothing to couple: {start:?}");
}
