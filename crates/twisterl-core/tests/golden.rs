//! Inference agrees with the peer: its checkpoints give the logits, values and probabilities that PyTorch gave.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::path::PathBuf;
use twisterl_core::evaluator::distribution::masked_softmax;
use twisterl_core::evaluator::{Evaluation, Evaluator as _};
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::network::{Activation, MlpSizes, Network};
use twisterl_core::policy::weights::PolicyHeader;
use twisterl_core::policy::{Arithmetic, Policy};
use twisterl_core::space::symmetry::Symmetry;
use twisterl_core::space::{ActionSpace, ObservationSpace, Observations};

/// The golden numbers were written with six decimals by a float32 forward pass.
const TOLERANCE: f64 = 1e-4;

fn peer(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/peer").join(name)
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn assert_close(name: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (f, e) in found.iter().zip(expected) {
        assert!((f64::from(*f) - e).abs() <= TOLERANCE, "{name}: {f} instead of {e}");
    }
}

fn check(checkpoint: &str, cells: usize) {
    let sizes = MlpSizes {
        embedding_size: 512,
        common_layers: vec![256],
        policy_layers: vec![],
        value_layers: vec![],
        activation: Activation::Relu,
    };
    let observation = ObservationSpace::SparseBinary { shape: vec![cells, cells] };
    let header = PolicyHeader {
        env_cls: "Puzzle".into(),
        env: Value::Null,
        network: Network::mlp(observation, ActionSpace::discrete(4), &sizes).unwrap(),
        twists: vec![],
        symmetry: Symmetry::None,
        backtracking: true,
        scaling: None,
        spaces: None,
        arithmetic: Arithmetic::Fused,
    };
    let bytes = std::fs::read(peer(&format!("{checkpoint}.safetensors"))).unwrap();
    let policy = Policy::from_safetensors(&bytes, Some(header)).unwrap();
    let executor = Executor::new(&policy.network, &policy.parameters).unwrap();
    let golden = std::fs::read(peer(&format!("{checkpoint}.golden.json"))).unwrap();
    let golden: Value = serde_json::from_slice(&golden).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 64);
    let mut observations = Observations::new();
    for case in cases {
        let ones = numbers(&case["observation"]);
        observations.push_ones(&ones.iter().map(|&v| v as u32).collect::<Vec<_>>());
    }
    let mut batch = Evaluation::default();
    executor.evaluate(&observations, &mut batch).unwrap();
    for (i, case) in cases.iter().enumerate() {
        let mut logits = batch.actions[4 * i..4 * i + 4].to_vec();
        assert_close("logits", &logits, &numbers(&case["logits"]));
        assert_close("value", &batch.values[i..=i], &[case["value"].as_f64().unwrap()]);
        let mask: Vec<bool> =
            case["mask"].as_array().unwrap().iter().map(|m| m.as_bool().unwrap()).collect();
        masked_softmax(&mut logits, &mask);
        assert_close("probabilities", &logits, &numbers(&case["probabilities"]));
        // One row alone gives what it gives in a batch.
        let mut one = Observations::new();
        one.push_row(&observations, i);
        let mut alone = Evaluation::default();
        executor.evaluate(&one, &mut alone).unwrap();
        assert_eq!(alone.actions, batch.actions[4 * i..4 * i + 4]);
        assert_eq!(alone.values, batch.values[i..=i]);
    }
}

#[test]
fn peer_checkpoint_of_the_8_puzzle() {
    check("ppo_puzzle8_v1", 9);
}

#[test]
fn peer_checkpoint_of_the_15_puzzle() {
    check("ppo_puzzle15_v1", 16);
}
