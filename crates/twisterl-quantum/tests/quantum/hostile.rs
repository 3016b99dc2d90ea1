use super::make;
use serde_json::{Value, json};
use twisterl_core::env::Start;
use twisterl_core::rng::{Purpose, stream};

/// Environments, their parameters and the beginnings of the messages.
const PARAMS: &[(&str, &str, &str)] = &[
    ("Clifford", r#"{"num_qubits": 10000}"#, "num_qubits: expected 1 to 32, found 10000"),
    ("LinearFunction", r#"{"num_qubits": 65}"#, "num_qubits: expected 1 to 64, found 65"),
    ("Permutation", r#"{"num_qubits": 0}"#, "num_qubits: expected 1 to 256, found 0"),
    ("Permutation", r#"{"num_qubits": 257}"#, "num_qubits: expected 1 to 256, found 257"),
    (
        "Clifford",
        r#"{"gateset": [["H", [0]], ["T", [1]]]}"#,
        "gateset[1]: expected one of the gates H, S, Sdg, SX, SXdg, CX, CZ, SWAP, found \"T\"",
    ),
    (
        "LinearFunction",
        r#"{"gateset": [["H", [0]]]}"#,
        "gateset[0]: expected one of the gates CX, SWAP, found \"H\"",
    ),
    (
        "Permutation",
        r#"{"gateset": [["CX", [0, 1]]]}"#,
        "gateset[0]: expected one of the gates SWAP, found \"CX\"",
    ),
    (
        "Clifford",
        r#"{"gateset": [["CX", [0, 3]]]}"#,
        "gateset[0]: expected qubits from 0 to 2, found [0, 3]",
    ),
    (
        "Clifford",
        r#"{"gateset": [["CX", [1, 1]]]}"#,
        "gateset[0]: expected two different qubits, found [1, 1]",
    ),
    ("Clifford", r#"{"gateset": [["CX", [1]]]}"#, "gateset[0]: expected 2 qubits of CX, found [1]"),
    (
        "Clifford",
        r#"{"gateset": [["H", [1, 2]]]}"#,
        "gateset[0]: expected 1 qubit of H, found [1, 2]",
    ),
    ("Clifford", r#"{"gateset": [["H", []]]}"#, "gateset[0]: expected 1 qubit of H, found []"),
    ("Clifford", r#"{"gateset": []}"#, "gateset: expected 1 to 65536 gates, found 0 gates"),
    ("Clifford", r#"{"gateset": [["H", [-1]]]}"#, "gateset[0][1][0]: "),
    ("Clifford", r#"{"gateset": [["H", 0]]}"#, "gateset[0][1]: "),
    ("Clifford", r#"{"gateset": [["H"]]}"#, "gateset[0]"),
    ("Clifford", r#"{"gateset": "H"}"#, "gateset: "),
    (
        "Clifford",
        r#"{"gateset": [["H", [0]]], "basis_gates": ["H"]}"#,
        "basis_gates: expected none beside a gateset",
    ),
    (
        "Clifford",
        r#"{"gateset": [["H", [0]]], "coupling_map": [[0, 1]]}"#,
        "coupling_map: expected none beside a gateset",
    ),
    ("Clifford", r#"{"basis_gates": ["H", "Y"]}"#, "basis_gates[1]: expected one of the gates"),
    ("Clifford", r#"{"basis_gates": []}"#, "basis_gates: expected 1 to 65536 gates, found 0 gates"),
    (
        "Clifford",
        r#"{"coupling_map": [[0, 1], [2, 5]]}"#,
        "coupling_map[1]: expected qubits from 0 to 2, found [2, 5]",
    ),
    (
        "Permutation",
        r#"{"coupling_map": []}"#,
        "coupling_map: expected 1 to 65536 gates, found 0 gates",
    ),
    (
        "Permutation",
        r#"{"num_qubits": 1}"#,
        "coupling_map: expected 1 to 65536 gates, found 0 gates",
    ),
    ("Clifford", r#"{"max_depth": 0}"#, "max_depth: expected 1 to 1000000, found 0"),
    ("Clifford", r#"{"difficulty": 1000001}"#, "difficulty: expected 0 to 1000000, found 1000001"),
    (
        "Clifford",
        r#"{"metrics_weights": {"n_gates": 1e30}}"#,
        "metrics_weights.n_gates: expected a number from -1e6 to 1e6, found 1e30",
    ),
    (
        "Clifford",
        r#"{"metrics_weights": {"n_cnot": 1}}"#,
        "metrics_weights.n_cnot: expected one of the keys",
    ),
    ("Clifford", r#"{"metrics_weights": {"n_gates": null}}"#, "metrics_weights.n_gates: "),
    ("Clifford", r#"{"qubits": 3}"#, "qubits: expected one of the keys"),
    ("PauliNetwork", r#"{"num_qubits": 10000}"#, "num_qubits: expected 1 to 32, found 10000"),
    ("PauliNetwork", r#"{"max_rotations": 0}"#, "max_rotations: expected 1 to 1024, found 0"),
    ("PauliNetwork", r#"{"max_rotations": 1025}"#, "max_rotations: expected 1 to 1024, found 1025"),
    ("PauliNetwork", r#"{"pauli_diff_scale": 0}"#, "pauli_diff_scale: expected 1 to 1000000"),
    ("PauliNetwork", r#"{"final_pauli_layers": 9999}"#, "final_pauli_layers: expected 0 to 1024"),
    ("PauliNetwork", r#"{"num_qubits_decay": 1.5}"#, "num_qubits_decay: expected a number from 0"),
    ("PauliNetwork", r#"{"num_qubits_decay": -0.5}"#, "num_qubits_decay: expected a number from 0"),
    ("PauliNetwork", r#"{"pauli_layer_reward": 1e30}"#, "pauli_layer_reward: expected a number"),
    ("PauliNetwork", r#"{"order": "dag"}"#, "order: "),
    ("PauliNetwork", r#"{"gateset": [["T", [0]]]}"#, "gateset[0]: expected one of the gates"),
    ("PauliNetwork", r#"{"add_inverts": true}"#, "add_inverts: expected one of the keys"),
    ("Routing", r#"{"num_qubits": 10000}"#, "num_qubits: expected 2 to 256, found 10000"),
    ("Routing", r#"{"num_qubits": 1}"#, "num_qubits: expected 2 to 256, found 1"),
    ("Routing", r#"{"coupling_map": []}"#, "coupling_map: expected 1 to 65536 gates, found 0"),
    ("Routing", r#"{"coupling_map": [[0, 5]]}"#, "coupling_map[0]: expected qubits from 0 to 4"),
    ("Routing", r#"{"coupling_map": [[1, 1]]}"#, "coupling_map[0]: expected two different qubits"),
    ("Routing", r#"{"num_layers": 0}"#, "num_layers: expected 1 to 64, found 0"),
    ("Routing", r#"{"difficulty": 65537}"#, "difficulty: expected 0 to 65536, found 65537"),
    ("Routing", r#"{"max_depth": 0}"#, "max_depth: expected 1 to 1000000, found 0"),
    ("Routing", r#"{"swap_cost": 1e30}"#, "swap_cost: expected a number from -1e6 to 1e6"),
];

#[test]
fn wrong_parameters_are_refused_with_their_path() {
    let many: Value = (0..65_537).map(|_| json!(["H", [0]])).collect();
    let error = make("Clifford", &json!({"gateset": many})).err().unwrap().to_string();
    assert_eq!(error, "env.gateset: expected 1 to 65536 gates, found 65537 gates");
    for (env_cls, params, expected) in PARAMS {
        let params = serde_json::from_str(params).unwrap();
        let error = make(env_cls, &params).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.starts_with(&format!("env.{expected}")), "{error:?}, not {expected:?}");
    }
}

/// Environments, their parameters, states and the beginnings of the messages.
const STATES: &[(&str, &str, &[f64], &str)] = &[
    (
        "Permutation",
        r#"{"num_qubits": 2}"#,
        &[0.0, 0.0],
        "a permutation, with each number once, found 0 at positions 0 and 1",
    ),
    (
        "Permutation",
        r#"{"num_qubits": 2}"#,
        &[0.0, 2.0],
        "whole numbers from 0 to 1, found 2 at position 1",
    ),
    ("Permutation", r#"{"num_qubits": 2}"#, &[0.0], "2 entries for 2 qubits, found 1"),
    (
        "Permutation",
        r#"{"num_qubits": 4, "coupling_map": [[0, 1], [2, 3]]}"#,
        &[2.0, 1.0, 0.0, 3.0],
        "a permutation that the gates can make, found 2 at position 0, where",
    ),
    (
        "LinearFunction",
        r#"{"num_qubits": 2}"#,
        &[1.0, 1.0, 1.0, 1.0],
        "an invertible matrix over GF(2), found a singular one: row 1",
    ),
    (
        "LinearFunction",
        r#"{"num_qubits": 2}"#,
        &[1.0, 0.0, 2.0, 1.0],
        "whole numbers from 0 to 1, found 2 at position 2",
    ),
    (
        "LinearFunction",
        r#"{"num_qubits": 2, "gateset": [["CX", [0, 1]]]}"#,
        &[1.0, 1.0, 0.0, 1.0],
        "a matrix that the gates can make, found a 1 in row 0, column 1",
    ),
    (
        "Clifford",
        r#"{"num_qubits": 1, "gateset": [["H", [0]]]}"#,
        &[1.0, 1.0, 1.0, 1.0],
        "a symplectic matrix over GF(2), X before Z, found rows 0 and 1 with product 0",
    ),
    (
        "Clifford",
        r#"{"num_qubits": 1, "gateset": [["H", [0]]]}"#,
        &[f64::NAN, 1.0, 1.0, 1.0],
        "whole numbers from 0 to 1, found NaN at position 0",
    ),
    (
        "Clifford",
        r#"{"num_qubits": 2, "gateset": [["H", [0]], ["S", [0]]]}"#,
        &[1., 0., 0., 0., 0., 0., 0., 1., 0., 0., 1., 0., 0., 1., 0., 0.],
        "a Clifford that the gates can make, found a 1 in row 1",
    ),
    (
        "Permutation",
        r#"{"num_qubits": 2, "metrics_weights": {"n_layers": 0.1}}"#,
        &[1., 0., 1., 1., 0., 0.],
        "a qubit in the last layer, with slack 0",
    ),
    (
        "Permutation",
        r#"{"num_qubits": 2, "metrics_weights": {"n_layers": 0.1}}"#,
        &[1., 0., 1.],
        "2 entries for 2 qubits, or 6 with the slack of each qubit, found 3",
    ),
    ("PauliNetwork", r#"{"num_qubits": 1, "gateset": [["H", [0]]]}"#, &[], "5 entries for 1"),
    (
        "PauliNetwork",
        r#"{"num_qubits": 1, "gateset": [["H", [0]]]}"#,
        &[1025., 1., 0., 0., 1.],
        "whole numbers from 0 to 1024, found 1025 at position 0",
    ),
    (
        "PauliNetwork",
        r#"{"num_qubits": 1, "gateset": [["H", [0]]]}"#,
        &[1., 1., 0., 0., 1.],
        "7 entries for 1 qubits and 1 rotations, found 5",
    ),
    (
        "PauliNetwork",
        r#"{"num_qubits": 1, "gateset": [["H", [0]]]}"#,
        &[0., 1., 1., 1., 1.],
        "a symplectic matrix over GF(2), X before Z, found rows 0 and 1 with product 0",
    ),
    (
        "PauliNetwork",
        r#"{"num_qubits": 1, "gateset": [["H", [0]]]}"#,
        &[1., 1., 0., 0., 1., 0., 4.],
        "whole numbers from 0 to 3, found 4 at position 0 of rotation 0",
    ),
    (
        "PauliNetwork",
        r#"{"num_qubits": 1, "gateset": [["H", [0]]]}"#,
        &[1., 1., 0., 0., 1., 1., 1.],
        "whole numbers from 0 to 0, found 1 at position 0 of rotation 0",
    ),
    (
        "PauliNetwork",
        r#"{"num_qubits": 1, "gateset": [["H", [0]]]}"#,
        &[1., 1., 0., 0., 1., 0., 0.],
        "rotations about Paulis other than the identity, found the identity for rotation 0",
    ),
    (
        "PauliNetwork",
        r#"{"num_qubits": 1, "gateset": [["H", [0]]]}"#,
        &[2., 1., 0., 0., 1., 1., 1., 0., 1.],
        "each column once, in the order of rotations, found 1 for rotation 0",
    ),
    (
        "PauliNetworkEnv",
        r#"{"num_qubits": 1, "gateset": [["H", [0]]]}"#,
        &[2., 1., 0., 0., 1., 1., 1., 1., 1.],
        "each column once, in the order of rotations, found 1 for rotation 1",
    ),
    (
        "PauliNetwork",
        r#"{"num_qubits": 2, "gateset": [["H", [0]], ["SWAP", [0, 1]]]}"#,
        &[1., 1., 0., 0., 0., 0., 1., 0., 0., 0., 0., 1., 0., 0., 0., 0., 1., 0., 1., 2.],
        "rotations that the gates can make, found rotation 0 on qubits that no gate joins",
    ),
    ("Routing", "{}", &[0., 1., 2., 3.], "5 entries of a layout and two for each of at most 65536"),
    ("Routing", "{}", &[0., 1., 2., 3., 4., 0.], "5 entries of a layout and two for each"),
    (
        "Routing",
        "{}",
        &[0., 1., 2., 3., 3.],
        "a layout, with each qubit once, found 3 at positions 3",
    ),
    (
        "Routing",
        "{}",
        &[0., 1., 2., 3., 4., 0., 5.],
        "whole numbers from 0 to 4, found 5 at position 6",
    ),
    (
        "Routing",
        "{}",
        &[0., 1., 2., 3., 4., 1., 1.],
        "gates on two different qubits, found qubit 1 twice in gate 0",
    ),
    (
        "Routing",
        r#"{"coupling_map": [[0, 1], [2, 3]]}"#,
        &[0., 2., 1., 3., 4., 0., 2., 0., 1.],
        "gates on qubits that the coupling map connects, found gate 1 on qubits 0 and 1, at 0 and 2",
    ),
];

#[test]
fn impossible_states_are_refused() {
    for (env_cls, params, state, expected) in STATES {
        let spec = make(env_cls, &serde_json::from_str(params).unwrap()).unwrap();
        let start = Start::State { state, difficulty: None };
        let mut rng = stream(0, Purpose::Start, 0, 0);
        let error = spec.batch(1).begin(0, start, &mut rng).unwrap_err().to_string();
        assert!(error.starts_with(&format!("state: expected {expected}")), "{error}");
    }
}
