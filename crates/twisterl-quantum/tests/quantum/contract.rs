use super::{env, full, line, make};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use twisterl_core::env::{Environment, key_of_words};
use twisterl_core::rng::{Purpose, RngExt as _, stream};
use twisterl_quantum::{
    Clifford, CliffordCoset, LinearFunction, PauliNetwork, Permutation, Routing,
};

/// The 3 x 3 grid of the peer's `perm_square_3x3`.
fn grid() -> Value {
    json!([
        [0, 1],
        [0, 3],
        [1, 2],
        [1, 4],
        [2, 5],
        [3, 4],
        [3, 6],
        [4, 5],
        [4, 7],
        [5, 8],
        [6, 7],
        [7, 8]
    ])
}

/// The gates of the peer.
const PEER: [&str; 8] = ["H", "S", "Sdg", "SX", "SXdg", "CX", "CZ", "SWAP"];

fn layers() -> Value {
    json!({"n_cnots": 0.0, "n_layers": 0.01, "n_layers_cnots": 0.02})
}

/// Environments, their parameters and the number of their symmetries, the identity left out.
// long function: one case after the other
fn environments() -> Vec<(&'static str, Value, usize)> {
    let layers = layers();
    let both_ways = json!([["swap", [0, 1]], ["SWAP", [1, 0]], ["Swap", [1, 2]], ["SWAP", [2, 1]]]);
    let custom = json!([
        ["CX", [0, 1]],
        ["CX", [1, 0]],
        ["CX", [1, 2]],
        ["CX", [2, 1]],
        ["SWAP", [0, 1]],
        ["SWAP", [1, 2]],
        ["H", [0]],
        ["S", [0]]
    ]);
    vec![
        ("Permutation", json!({}), 1),
        ("PermutationEnv", json!({"num_qubits": 9, "coupling_map": grid()}), 7),
        ("Permutation", json!({"num_qubits": 4, "coupling_map": [[0, 1], [0, 2], [0, 3]]}), 5),
        ("Permutation", json!({"gateset": both_ways}), 1),
        // Two pairs, each of which may change places, and which may change places with each other.
        ("Permutation", json!({"num_qubits": 4, "coupling_map": [[0, 1], [2, 3]]}), 7),
        ("Permutation", json!({"num_qubits": 65, "difficulty": 50}), 1),
        ("Permutation", json!({"num_qubits": 5, "metrics_weights": layers}), 1),
        ("LinearFunction", json!({"num_qubits": 4, "basis_gates": ["cx"]}), 1),
        (
            "LinearFunction",
            json!({"coupling_map": [[0, 1], [1, 2], [2, 0]], "basis_gates": ["CX"]}),
            2,
        ),
        ("LinearFunction", json!({"coupling_map": [[0, 1], [1, 2]], "basis_gates": ["CX"]}), 0),
        ("LinearFunction", json!({"num_qubits": 4, "add_perms": false}), 0),
        ("LinearFunction", json!({"num_qubits": 4, "basis_gates": ["cx"], "dual": true}), 3),
        // Rotations of the ring, and those in the other direction, after which controls and targets change places.
        (
            "LinearFunction",
            json!({"coupling_map": [[0, 1], [1, 2], [2, 0]], "basis_gates": ["CX"], "dual": true}),
            5,
        ),
        (
            "LinearFunction",
            json!({"num_qubits": 12, "difficulty": 60, "metrics_weights": layers, "dual": true}),
            3,
        ),
        ("LinearFunction", json!({"num_qubits": 5, "metrics_weights": layers}), 1),
        ("LinearFunction", json!({"num_qubits": 12, "difficulty": 60}), 1),
        ("twisterl.envs.LinearFunctionEnv", json!({"num_qubits": 2, "basis_gates": ["CX"]}), 1),
        ("Clifford", json!({}), 3),
        ("CliffordCoset", json!({}), 3),
        ("CliffordCoset", json!({"coupling_map": full(3), "metrics_weights": layers}), 11),
        ("CliffordCoset", json!({"num_qubits": 6, "difficulty": 20}), 3),
        ("qiskit_gym.envs.synthesis.CliffordEnv", json!({"num_qubits": 3, "basis_gates": PEER}), 1),
        ("Clifford", json!({"basis_gates": ["H", "S", "CX"]}), 1),
        (
            "Clifford",
            json!({"coupling_map": [[0, 1], [1, 2]], "basis_gates": ["H", "S", "SX", "CX"]}),
            1,
        ),
        ("Clifford", json!({"coupling_map": full(3)}), 11),
        ("Clifford", json!({"gateset": custom}), 0),
        ("Clifford", json!({"num_qubits": 2, "metrics_weights": layers}), 3),
        ("Clifford", json!({"num_qubits": 1, "gateset": [["H", [0]]]}), 1),
        ("Clifford", json!({"num_qubits": 8, "difficulty": 60}), 3),
    ]
}

/// The same for environments that are no synthesis of a matrix.
fn other_environments() -> Vec<(&'static str, Value, usize)> {
    vec![
        ("PauliNetwork", json!({"difficulty": 60}), 3),
        ("PauliNetwork", json!({"difficulty": 60, "preserve_order": false}), 3),
        ("PauliNetwork", json!({"num_qubits": 2, "max_rotations": 1, "difficulty": 90}), 3),
        ("PauliNetwork", json!({"difficulty": 50, "basis_gates": ["H", "CX"]}), 3),
        ("PauliNetwork", json!({"difficulty": 50, "metrics_weights": layers()}), 3),
        ("PauliNetwork", json!({"num_qubits": 4, "difficulty": 50, "max_rotations": 70}), 3),
        ("PauliNetwork", json!({"num_qubits": 1, "gateset": [["H", [0]], ["S", [0]]]}), 0),
        ("PauliNetwork", json!({"difficulty": 50, "coupling_map": [[0, 1], [1, 2]]}), 1),
        (
            "qiskit_gym.envs.synthesis.PauliNetworkEnv",
            json!({"difficulty": 90, "coupling_map": full(3), "basis_gates": PEER}),
            5,
        ),
        ("PauliNetworkCoset", json!({"difficulty": 60}), 0),
        (
            "PauliNetworkCoset",
            json!({"difficulty": 4, "evolutions": true, "coupling_map": full(3)}),
            0,
        ),
        ("PauliNetworkCoset", json!({"difficulty": 50, "metrics_weights": layers()}), 0),
        (
            "PauliNetworkCoset",
            json!({"num_qubits": 2, "difficulty": 9, "preserve_order": false}),
            0,
        ),
        ("PauliNetwork", json!({"difficulty": 3, "evolutions": true}), 3),
        (
            "PauliNetwork",
            json!({"difficulty": 3, "evolutions": true, "basis_gates": ["H", "CX"]}),
            3,
        ),
        ("Routing", json!({"difficulty": 12}), 1),
        ("Routing", json!({"num_qubits": 9, "coupling_map": grid(), "difficulty": 20}), 7),
        ("Routing", json!({"num_qubits": 2, "difficulty": 3}), 0),
        ("Routing", json!({"difficulty": 12, "parallel": true}), 0),
        ("Routing", json!({"num_qubits": 2, "parallel": true}), 0),
        ("Routing", json!({"coupling_map": [[4, 2], [0, 1], [1, 0]], "difficulty": 5}), 7),
        ("Routing", json!({"num_qubits": 70, "num_layers": 1, "difficulty": 9}), 1),
        ("PauliNetworkEnv", json!({"num_qubits": 4, "difficulty": 90, "num_qubits_decay": 0.0}), 3),
    ]
}

#[test]
fn environments_keep_the_contract_and_their_symmetries_are_all_found() {
    for (env_cls, params, twists) in environments().into_iter().chain(other_environments()) {
        let spec = make(env_cls, &params).unwrap();
        let report = spec.check(0).unwrap_or_else(|error| panic!("{env_cls} {params}: {error}"));
        assert_eq!(report.twists, twists, "{env_cls} {params}");
        assert_eq!(report.not_checked, Vec::<String>::new(), "{env_cls} {params}");
        let again = make(spec.name(), &spec.params()).unwrap();
        assert_eq!(again.params(), spec.params());
    }
}

#[test]
fn large_groups_of_symmetries_are_replaced_by_subgroups_in_little_time() {
    // A subgroup of S_8 and S_40 that fixes all but five qubits; twice that with the duality.
    for (env_cls, qubits, twists) in
        [("LinearFunction", 8, 119), ("LinearFunction", 40, 119), ("Clifford", 8, 47)]
    {
        let begun = Instant::now();
        let spec = make(env_cls, &json!({"num_qubits": qubits, "coupling_map": full(qubits)}));
        assert_eq!(spec.unwrap().twists().len(), twists, "{env_cls} {qubits}");
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
    for qubits in [27, 65, 256] {
        let spec =
            make("Permutation", &json!({"num_qubits": qubits, "coupling_map": line(qubits)}));
        assert_eq!(spec.unwrap().twists().len(), 1);
    }
}

#[test]
fn names_of_others_stay_with_others() {
    for env_cls in ["mine.CliffordEnv", "qiskit.PauliNetworkEnv", "CliffordEnvs"] {
        let error = make(env_cls, &json!({})).err().unwrap().to_string();
        assert!(error.starts_with("env_cls: "), "{error}");
    }
}

/// Returns a key of the states, rewards and flags of random episodes, in copies now and then.
fn key<E: Environment>(params: &Value) -> u64 {
    let mut played: E = env(params.clone());
    let mut copy = played.clone();
    let (mut words, mut state) = (Vec::new(), Vec::new());
    let mut rng = stream(7, Purpose::Act, 0, 0);
    let actions = played.action_space().single_discrete().unwrap() as u32;
    for episode in 0..30 {
        played.set_difficulty(episode % 9);
        played.reset(&mut rng);
        for step in 0..200 {
            let made = played.step((rng.random_range(0..actions) as usize).into());
            state.clear();
            played.state(&mut state);
            words.push(u64::from(made.reward.to_bits()));
            words.push(u64::from(made.terminated) | u64::from(made.truncated) << 1);
            words.push(u64::from(played.best_return().map_or(0, f32::to_bits)));
            words.extend(state.iter().map(|number| number.to_bits()));
            if made.done() {
                break;
            }
            if step % 3 == 2 {
                copy.clone_from(&played);
                std::mem::swap(&mut copy, &mut played);
            }
        }
    }
    key_of_words(words.into_iter())
}

/// No change of what environments share changes trainings unnoticed. The numbers are those from before they shared anything.
#[test]
fn episodes_are_what_they_were() {
    let layers = json!({"n_cnots": 0.02, "n_layers": 0.03, "n_layers_cnots": 0.01});
    let three = json!({"num_qubits": 3, "coupling_map": line(3), "metrics_weights": layers});
    let found = [
        ("Permutation", key::<Permutation>(&json!({"num_qubits": 4, "depth_slope": 3}))),
        ("LinearFunction", key::<LinearFunction>(&json!({"num_qubits": 4}))),
        ("Clifford", key::<Clifford>(&three)),
        ("CliffordCoset", key::<CliffordCoset>(&json!({"num_qubits": 3, "max_depth": 5}))),
        ("PauliNetwork", key::<PauliNetwork>(&json!({"num_qubits": 3, "pauli_diff_scale": 1}))),
        ("PauliNetwork, layers", key::<PauliNetwork>(&three)),
        ("Routing", key::<Routing>(&json!({"num_qubits": 5}))),
    ];
    let expected = [
        ("Permutation", 6_462_095_946_116_675_754),
        ("LinearFunction", 15_962_790_749_562_410_302),
        ("Clifford", 346_696_079_609_648_965),
        ("CliffordCoset", 2_958_790_143_080_989_438),
        ("PauliNetwork", 10_598_824_682_854_265_266),
        ("PauliNetwork, layers", 17_428_939_578_656_017_473),
        ("Routing", 8_015_095_655_783_933_222),
    ];
    assert_eq!(found, expected);
}
