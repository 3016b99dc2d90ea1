//! Linear functions whose observations show the transposed inverse.

use super::{env, make, set};
use serde_json::json;
use twisterl_core::env::Environment;
use twisterl_core::rng::{Purpose, RngExt as _, stream};
use twisterl_core::space::Observations;
use twisterl_quantum::LinearFunction;

const QUBITS: usize = 5;

fn ones(env: &LinearFunction) -> Vec<u32> {
    let mut observations = Observations::new();
    observations.push_with(|row| env.observe(row));
    observations.ones(0).to_vec()
}

/// Checks that the second matrix of an observation is the transposed inverse of the first.
fn check(env: &LinearFunction) {
    let ones = ones(env);
    let entry = |row, column| ones.contains(&((row * QUBITS + column) as u32));
    for i in 0..QUBITS {
        for j in 0..QUBITS {
            let common = (0..QUBITS).filter(|&k| entry(i, k) && entry(QUBITS + j, k)).count();
            assert_eq!(common % 2 == 1, i == j, "rows {i} and {j} of {ones:?}");
        }
    }
}

#[test]
fn the_transposed_inverse_is_below_the_matrix() {
    let mut env: LinearFunction = env(json!({"num_qubits": 2, "dual": true}));
    set(&mut env, &[1, 0, 1, 1]).unwrap();
    assert_eq!(ones(&env), [0, 2, 3, 4, 5, 7]);
}

#[test]
fn it_stays_there_on_all_ways_to_a_state() {
    let mut env: LinearFunction = env(json!({"num_qubits": QUBITS, "dual": true, "difficulty": 9}));
    let mut rng = stream(0, Purpose::Start, 0, 0);
    for _ in 0..20 {
        env.reset(&mut rng);
        check(&env);
        assert!(env.reset_uniform(&mut rng));
        check(&env);
        let before = env.clone();
        let action = rng.random_range(0..env.gates().len());
        env.step(action.into());
        check(&env);
        env.clone_from(&before);
        check(&env);
    }
}

#[test]
fn others_have_none_and_parameters_stay_as_they_were() {
    for name in ["Permutation", "Clifford", "CliffordCoset"] {
        let refused = make(name, &json!({"dual": true})).unwrap_err().to_string();
        assert!(refused.contains("dual: expected false, except for linear functions"), "{refused}");
    }
    let params = make("LinearFunction", &json!({})).unwrap().params();
    assert!(params.get("dual").is_none(), "{params}");
}
