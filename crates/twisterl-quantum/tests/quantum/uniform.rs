use super::{State, env, full, line, state};
use serde_json::{Value, json};
use std::collections::HashMap;
use twisterl_core::env::Environment;
use twisterl_core::rng::{Purpose, stream};
use twisterl_quantum::{Clifford, LinearFunction, Permutation};

/// Draws 100 starts a state, and requires that chi-square is within five standard deviations of its mean.
fn starts_are_uniform<E: Environment>(params: Value, states: usize) {
    let mut env: E = env(params.clone());
    let mut rng = stream(3, Purpose::Start, 0, 0);
    let mut counts: HashMap<State, f64> = HashMap::new();
    for _ in 0..100 * states {
        assert!(env.reset_uniform(&mut rng));
        *counts.entry(state(&env)).or_default() += 1.0;
    }
    assert_eq!(counts.len(), states, "{params}");
    let chi_square: f64 = counts.values().map(|count| (count - 100.0).powi(2) / 100.0).sum();
    let freedom = (states - 1) as f64;
    assert!(
        (chi_square - freedom).abs() < 5.0 * (2.0 * freedom).sqrt(),
        "{chi_square} of {freedom}, {params}"
    );
}

#[test]
fn uniform_starts_cover_the_groups_evenly() {
    starts_are_uniform::<Permutation>(json!({"num_qubits": 5}), 120);
    starts_are_uniform::<Permutation>(
        json!({"num_qubits": 5, "coupling_map": [[0, 1], [2, 3], [3, 4]]}),
        12,
    );
    starts_are_uniform::<LinearFunction>(json!({"coupling_map": line(3)}), 168); // GL(3, 2)
    // Two invertible blocks, GL(2, 2) each.
    let pairs = json!([[0, 1], [1, 0], [2, 3], [3, 2]]);
    starts_are_uniform::<LinearFunction>(json!({"num_qubits": 4, "coupling_map": pairs}), 36);
    // Lower triangular.
    let down =
        json!({"num_qubits": 4, "coupling_map": [[0, 1], [1, 2], [2, 3]], "basis_gates": ["CX"]});
    starts_are_uniform::<LinearFunction>(down, 64);
    starts_are_uniform::<Clifford>(json!({"num_qubits": 1, "basis_gates": ["H", "S"]}), 6); // Sp(2, 2)
    starts_are_uniform::<Clifford>(json!({"num_qubits": 2, "coupling_map": full(2)}), 720); // Sp(4, 2)
}

#[test]
fn a_difficulty_of_zero_begins_solved_and_starts_have_the_budget_of_the_difficulty() {
    let mut env: LinearFunction =
        env(json!({"num_qubits": 5, "difficulty": 0, "depth_slope": 2, "max_depth": 7}));
    let mut rng = stream(0, Purpose::Start, 0, 0);
    env.reset(&mut rng);
    assert!(env.solved());
    for (difficulty, budget) in [(1, 2), (3, 6), (4, 7), (1_000_000, 7)] {
        env.set_difficulty(difficulty.min(100));
        env.reset_uniform(&mut rng);
        let steps = (1..).find(|_| {
            let step = env.step(0.into());
            assert!(!step.terminated);
            step.truncated
        });
        assert_eq!(steps, Some(budget));
    }
}
