use super::{State, costs, env, full, line, set, state};
use serde_json::{Value, json};
use twisterl_core::env::Environment;
use twisterl_quantum::{Clifford, LinearFunction, Permutation};

/// The number of states of each cost, in thousandths, under weights of 1 for actions or CX gates.
fn counts<E: Environment>(params: Value, unit: f64) -> Vec<usize> {
    let env: E = env(params);
    let mut counts = Vec::new();
    for (state, cost) in costs(&env) {
        let at = (cost as f64 / (1000.0 * unit)).round() as usize;
        counts.resize(counts.len().max(at + 1), 0);
        counts[at] += 1;
        let mut env = env.clone();
        set(&mut env, &state).unwrap();
        let most = if at == 0 { 0.0 } else { 1.0 - cost as f32 / 1000.0 };
        let bound = env.best_return().unwrap();
        assert!(bound >= most - 1e-4, "{bound} for {most} of {state:?}");
    }
    counts
}

/// Weights under which a gate costs 1, where all gates are CX or on one qubit.
fn gates() -> Value {
    json!({"n_cnots": 0.0, "n_gates": 1.0})
}

fn cnots() -> Value {
    json!({"n_cnots": 1.0, "n_gates": 0.0})
}

/// Full distributions of optimal lengths by an independent breadth-first search.
#[test]
fn optimal_lengths_match_those_of_another_search_and_bounds_hold() {
    let linear = |qubits, map| {
        let basis = ["CX"];
        let params = json!({"num_qubits": qubits, "coupling_map": map, "basis_gates": basis, "metrics_weights": gates()});
        counts::<LinearFunction>(params, 1.0)
    };
    assert_eq!(linear(3, line(3)), [1, 4, 10, 22, 44, 44, 36, 6, 1]);
    assert_eq!(linear(3, full(3)), [1, 6, 24, 51, 60, 24, 2]);
    let line_4 = [1, 6, 22, 69, 202, 492, 1039, 1944, 3089, 4113, 4276, 3174, 1485, 234, 13, 1];
    assert_eq!(linear(4, line(4)), line_4);

    let swaps = json!({"num_qubits": 7, "coupling_map": [[0, 1], [1, 2], [1, 3], [3, 5], [4, 5], [5, 6]], "metrics_weights": cnots()});
    let h_7 = [1, 6, 22, 63, 144, 280, 471, 670, 818, 857, 760, 560, 290, 82, 14, 2];
    assert_eq!(counts::<Permutation>(swaps, 3.0), h_7);

    let clifford = |weights| json!({"num_qubits": 2, "basis_gates": ["H", "S", "CX"], "metrics_weights": weights});
    assert_eq!(counts::<Clifford>(clifford(gates()), 1.0), [1, 6, 24, 78, 167, 222, 164, 54, 4]);
    assert_eq!(counts::<Clifford>(clifford(cnots()), 1.0), [36, 324, 324, 36]);
    // Sp(2, 2): the identity, H and S, HS and SH, HSH.
    let one = json!({"num_qubits": 1, "basis_gates": ["H", "S"], "metrics_weights": gates()});
    assert_eq!(counts::<Clifford>(one, 1.0), [1, 2, 2, 1]);
}

fn after<E: Environment>(qubits: usize, gates: &[(&str, &[usize])]) -> State {
    let mut env: E = env(json!({"num_qubits": qubits, "gateset": gates}));
    for action in 0..gates.len() {
        env.step(action.into());
    }
    state(&env)
}

#[test]
fn gates_obey_the_identities_of_circuits() {
    type Circuit = &'static [(&'static str, &'static [usize])];
    let same: [(Circuit, Circuit); 9] = [
        (&[("CX", &[0, 1]), ("CX", &[0, 1])], &[("H", &[1]), ("H", &[1])]),
        (&[("SWAP", &[0, 1])], &[("CX", &[0, 1]), ("CX", &[1, 0]), ("CX", &[0, 1])]),
        (&[("H", &[1]), ("S", &[1]), ("H", &[1])], &[("SX", &[1])]),
        (&[("H", &[1]), ("CX", &[0, 1]), ("H", &[1])], &[("CZ", &[0, 1])]),
        (&[("CZ", &[0, 1])], &[("CZ", &[1, 0])]),
        (
            &[("H", &[0]), ("H", &[1]), ("CX", &[0, 1]), ("H", &[0]), ("H", &[1])],
            &[("CX", &[1, 0])],
        ),
        (&[("S", &[0])], &[("Sdg", &[0])]),
        (&[("SX", &[0])], &[("SXdg", &[0])]),
        (&[("S", &[0]), ("H", &[0]), ("S", &[0])], &[("H", &[0]), ("S", &[0]), ("H", &[0])]),
    ];
    for (one, other) in same {
        assert_eq!(after::<Clifford>(2, one), after::<Clifford>(2, other), "{one:?}, {other:?}");
    }
    assert_eq!(
        after::<LinearFunction>(2, &[("SWAP", &[0, 1])]),
        after::<LinearFunction>(2, &[("CX", &[0, 1]), ("CX", &[1, 0]), ("CX", &[0, 1])])
    );
}

/// The moves of the peer's environments: rows X then Z, from the left.
#[test]
fn gates_move_the_rows_that_they_move_in_the_peer() {
    assert_eq!(after::<LinearFunction>(2, &[("CX", &[0, 1])]), [1, 0, 1, 1]);
    let one = |gate| after::<Clifford>(1, &[(gate, &[0])]);
    assert_eq!(one("H"), [0, 1, 1, 0]);
    assert_eq!(one("S"), [1, 0, 1, 1]);
    assert_eq!(one("SX"), [1, 1, 0, 1]);
    let two = |gate| after::<Clifford>(2, &[(gate, &[0, 1])]);
    assert_eq!(two("CX"), [1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1]);
    assert_eq!(two("CZ"), [1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0, 1]);
    assert_eq!(after::<Permutation>(3, &[("SWAP", &[0, 1]), ("SWAP", &[1, 2])]), [1, 2, 0]);
}
