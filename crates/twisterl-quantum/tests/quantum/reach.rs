use super::{State, costs, env, set, state};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use twisterl_core::env::Environment;
use twisterl_core::rng::{Purpose, stream};
use twisterl_quantum::{Clifford, LinearFunction, Permutation};

fn subset(gates: &[(&str, Vec<usize>)], set: usize) -> Value {
    let chosen = gates.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1);
    chosen.map(|(_, (name, on))| json!([name, on])).collect()
}

fn drawn<E: Environment>(env: &E, draws: u64) -> Option<BTreeSet<State>> {
    let draw = |i| {
        let mut env = env.clone();
        env.reset_uniform(&mut stream(7, Purpose::Start, 0, i)).then(|| state(&env))
    };
    (0..draws).map(draw).collect()
}

#[test]
fn linear_functions_can_be_set_if_and_only_if_the_gates_make_them() {
    let mut gates = Vec::new();
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        gates.extend([("CX", vec![a, b]), ("CX", vec![b, a]), ("SWAP", vec![a, b])]);
    }
    for chosen in 1..1 << gates.len() {
        let gateset = subset(&gates, chosen);
        let env: LinearFunction =
            env(json!({"num_qubits": 3, "gateset": gateset, "add_perms": false}));
        let made: BTreeSet<State> = costs(&env).into_keys().collect();
        let all = (0..1 << 9).map(|bits: u32| (0..9).map(|i| bits >> i & 1).collect::<State>());
        let settable: BTreeSet<State> =
            all.filter(|state| set(&mut env.clone(), state).is_ok()).collect();
        assert_eq!(settable, made, "{gateset}");
        let drawn = drawn(&env, 16).unwrap();
        assert!(drawn.is_subset(&made), "{gateset}");
    }
}

#[test]
fn permutations_can_be_set_if_and_only_if_the_gates_make_them() {
    let gates = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]].map(|on| ("SWAP", on.to_vec()));
    for chosen in 1..1 << gates.len() {
        let gateset = subset(&gates, chosen);
        let env: Permutation =
            env(json!({"num_qubits": 4, "gateset": gateset, "add_perms": false}));
        let made: BTreeSet<State> = costs(&env).into_keys().collect();
        let all = (0..256u32).map(|i| [i & 3, i >> 2 & 3, i >> 4 & 3, i >> 6].to_vec());
        let settable: BTreeSet<State> =
            all.filter(|state| set(&mut env.clone(), state).is_ok()).collect();
        assert_eq!(settable, made, "{gateset}");
        assert_eq!(drawn(&env, 400).unwrap(), made, "{gateset}");
    }
}

#[test]
fn cliffords_are_drawn_from_those_that_the_gates_make() {
    let one = ["H", "S", "SX"].into_iter().flat_map(|name| [(name, vec![0]), (name, vec![1])]);
    let two = [("CX", vec![0, 1]), ("CX", vec![1, 0]), ("CZ", vec![0, 1]), ("SWAP", vec![0, 1])];
    let gates: Vec<_> = one.chain(two).collect();
    let all_gates = subset(&gates, (1 << gates.len()) - 1);
    let params = |gateset: &Value| json!({"num_qubits": 2, "gateset": gateset, "add_perms": false});
    let all: BTreeSet<State> = costs(&env::<Clifford>(params(&all_gates))).into_keys().collect();
    assert_eq!(all.len(), 720); // the order of Sp(4, 2)
    let mut uniform = 0;
    for chosen in (1..1 << gates.len()).step_by(5) {
        let gateset = subset(&gates, chosen);
        let env: Clifford = env(params(&gateset));
        let made: BTreeSet<State> = costs(&env).into_keys().collect();
        let settable: BTreeSet<State> =
            all.iter().filter(|state| set(&mut env.clone(), state).is_ok()).cloned().collect();
        assert!(made.is_subset(&settable), "{gateset}");
        if let Some(drawn) = drawn(&env, 16) {
            uniform += 1;
            assert_eq!(settable, made, "{gateset}");
            assert!(drawn.is_subset(&made), "{gateset}");
        }
    }
    assert!(uniform > 50, "{uniform}");
}
