#![allow(clippy::unwrap_used)]
use super::*;
use crate::bench::{noise, synthetic_parameters};
use proptest::prelude::*;
use std::sync::Mutex;
use twisterl_core::evaluator::{Evaluation, Evaluator as _};
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::layers::Linear;
use twisterl_core::policy::network::{Activation, MlpSizes};
use twisterl_core::space::{ActionSpace, ObservationSpace};

/// `layer` on `x` from candle's own operations; an embedding on one-hot rows.
fn plain(twin: &TrainableLayer, x: &Tensor) -> candle_core::Result<Tensor> {
    let (weight, bias) = (&twin.variables[0], &twin.variables[1]);
    let (weight, activation) = match twin.layer.kind::<Embedding>() {
        Some(embedding) => (weight.as_tensor().clone(), embedding.activation),
        None => (weight.t()?, twin.layer.kind::<Linear>().unwrap().activation),
    };
    let z = x.matmul(&weight)?.broadcast_add(bias)?;
    match activation {
        Activation::Relu => z.relu(),
        Activation::Tanh => z.tanh(),
        Activation::Gelu => z.gelu_erf(),
        Activation::Silu => z.silu(),
        Activation::Identity => Ok(z),
    }
}

/// Gradients of all parameters, flat, from candle's gradient store.
fn flat(model: &Model, gradients: &candle_core::backprop::GradStore) -> Vec<f32> {
    let vars = model.layers.iter().flat_map(|l| &l.variables);
    vars.flat_map(|v| gradients.get(v).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap())
        .collect()
}

/// A scalar that depends on all outputs, with a different weight each.
fn score(logits: &Tensor, values: &Tensor) -> Tensor {
    let all = Tensor::cat(&[logits, values], 1).unwrap();
    let weights: Vec<f32> = (0..all.elem_count()).map(|i| 1.0 + 0.5 * noise(i)).collect();
    let weights = Tensor::from_vec(weights, all.shape(), &Device::Cpu).unwrap();
    (all * weights).unwrap().sum_all().unwrap()
}

fn networks() -> impl Strategy<Value = Network> {
    let hidden = || proptest::collection::vec(1usize..40, 0..3);
    let activation = prop_oneof![
        Just(Activation::Relu),
        Just(Activation::Tanh),
        Just(Activation::Gelu),
        Just(Activation::Silu),
        Just(Activation::Identity)
    ];
    (0usize..3, 1usize..30, 1usize..40, 1usize..12, activation, (hidden(), hidden(), hidden()))
        .prop_map(|(kind, inputs, embedding_size, actions, activation, (common, policy, value))| {
            let shape = vec![inputs];
            let observation = match kind {
                0 => ObservationSpace::SparseBinary { shape },
                1 => ObservationSpace::Dense { shape },
                _ => ObservationSpace::Mixed { bits: shape, values: vec![3] },
            };
            let sizes = MlpSizes {
                embedding_size,
                common_layers: common,
                policy_layers: policy,
                value_layers: value,
                activation,
            };
            Network::mlp(observation, ActionSpace::discrete(actions), &sizes).unwrap()
        })
}

proptest! {
    #[test]
    fn fused_layers_agree_with_primitives_in_value_and_gradient(network in networks(), rows in 1usize..20) {
        let inputs = network.observation.size().unwrap();
        let mut observations = Observations::new();
        let mut dense = vec![0.0; rows * inputs];
        for (r, dense) in dense.chunks_mut(inputs).enumerate() {
            let bits = network.observation.bits().unwrap();
            let (binary, numbers) = dense.split_at_mut(bits);
            numbers.iter_mut().enumerate().for_each(|(i, x)| *x = noise(r * inputs + i));
            let ones: Vec<usize> = (0..bits).filter(|&i| noise(r * 57 + i) > 0.3).collect();
            ones.iter().for_each(|&i| binary[i] = 1.0);
            observations.push_with(|row| {
                row.ones(ones);
                row.values(numbers);
            });
        }
        let model = Model::of(&network, &synthetic_parameters(&network)).unwrap();
        let (logits, values) = model.forward(observations.clone(), None).unwrap();

        // Inference sees the same.
        let executor = Executor::new(&network, &synthetic_parameters(&network)).unwrap();
        let mut evaluation = Evaluation::default();
        executor.evaluate(&observations, &mut evaluation).unwrap();
        for (a, b) in [(&logits, &evaluation.actions), (&values, &evaluation.values)] {
            for (a, b) in a.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().zip(b) {
                prop_assert!((a - b).abs() < 1e-5 * b.abs().max(1.0), "{a} {b}");
            }
        }

        let mut layers = model.layers.iter();
        let mut run = |count: usize, mut x: Tensor| {
            for twin in layers.by_ref().take(count) {
                x = plain(twin, &x).unwrap();
            }
            x
        };
        let x = Tensor::from_vec(dense, (rows, inputs), &Device::Cpu).unwrap();
        let features = run(network.common().len(), x);
        let expected_logits = run(network.action().len(), features.clone());
        let expected_values = run(network.value().len(), features);
        for (a, b) in [(&logits, &expected_logits), (&values, &expected_values)] {
            let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            prop_assert!(difference < 1e-5, "{difference}");
        }

        let fused = flat(&model, &score(&logits, &values).backward().unwrap());
        let primitive = flat(&model, &score(&expected_logits, &expected_values).backward().unwrap());
        let size = primitive.iter().fold(1.0, |m: f32, x| m.max(x.abs()));
        for (i, (f, p)) in fused.iter().zip(&primitive).enumerate() {
            prop_assert!((f - p).abs() <= 1e-5 * size, "{i}: {f} {p}");
        }

        // Into a sink: the same, added to what is there.
        let gradient = Gradient::new(Mutex::new(vec![1.0; network.parameter_count()]));
        let (logits, values) = model.forward(observations, Some(&gradient)).unwrap();
        score(&logits, &values).backward().unwrap();
        for (g, f) in gradient.lock().unwrap().iter().zip(&fused) {
            prop_assert!((g - 1.0 - f).abs() <= 1e-5 * size, "{g} {f}");
        }
    }
}

#[test]
fn micro_batches_stay_below_the_size_that_candle_spreads_over_its_pool() {
    for width in [1, 128, 512, 1000, 70_000] {
        let sizes = MlpSizes {
            embedding_size: width,
            common_layers: vec![],
            policy_layers: vec![],
            value_layers: vec![],
            activation: Activation::Relu,
        };
        let observation = ObservationSpace::SparseBinary { shape: vec![2] };
        let network = Network::mlp(observation, ActionSpace::discrete(3), &sizes).unwrap();
        let rows = Model::new(&network).unwrap().max_rows();
        assert!((1..=256).contains(&rows) && (rows == 1 || rows * width < 1 << 16), "{rows}");
    }
}

#[test]
fn what_does_not_fit_the_network_is_an_error() {
    let observation = ObservationSpace::SparseBinary { shape: vec![3] };
    let sizes = MlpSizes {
        embedding_size: 2,
        common_layers: vec![],
        policy_layers: vec![],
        value_layers: vec![],
        activation: Activation::Relu,
    };
    let network = Network::mlp(observation, ActionSpace::discrete(2), &sizes).unwrap();
    let parameters = vec![0.0; network.parameter_count()];
    let mut rows = Observations::new();
    rows.push_ones(&[3]);
    let error = forward(&network, &parameters, &rows).unwrap_err().to_string();
    assert_eq!(error, "observation: expected indices below 3, found 3");
    let error = forward(&network, &parameters[1..], &rows).unwrap_err().to_string();
    assert!(error.contains("17 parameters"), "{error}");
}

/// The weights of a peer checkpoint, read with candle, and its network.
fn peer(name: &str) -> (Network, Vec<f32>, serde_json::Value) {
    let file = format!("{}/../../tests/vectors/peer/{name}", env!("CARGO_MANIFEST_DIR"));
    let tensors =
        candle_core::safetensors::load(format!("{file}.safetensors"), &Device::Cpu).unwrap();
    let golden = std::fs::read(format!("{file}.golden.json")).unwrap();
    let widths = |part: &str| -> Vec<usize> {
        let size = |i| Some(tensors.get(&format!("{part}.{}.weight", 2 * i))?.dims()[0]);
        (0..).map_while(size).collect()
    };
    let hidden = |part: &str| {
        let mut widths = widths(part);
        widths.pop();
        widths
    };
    let (embedding_size, bits) = tensors["embeddings.weight"].dims2().unwrap();
    let sizes = MlpSizes {
        embedding_size,
        common_layers: widths("common"),
        policy_layers: hidden("action"),
        value_layers: hidden("value"),
        activation: Activation::Relu,
    };
    let observation = ObservationSpace::SparseBinary { shape: vec![bits] };
    let network = Network::mlp(observation, ActionSpace::discrete(4), &sizes).unwrap();
    let parameters = network.parameters().into_iter().flat_map(|spec| {
        let tensor = &tensors[&spec.name];
        let tensor = if spec.transposed_in_file { tensor.t().unwrap() } else { tensor.clone() };
        assert_eq!(tensor.dims(), spec.shape);
        tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    });
    let parameters = parameters.collect();
    (network, parameters, serde_json::from_slice(&golden).unwrap())
}

#[test]
fn peer_checkpoints_give_the_golden_logits_and_values() {
    for name in ["ppo_puzzle8_v1", "ppo_puzzle15_v1"] {
        let (network, parameters, golden) = peer(name);
        let numbers =
            |v: &serde_json::Value| -> Vec<f64> { serde_json::from_value(v.clone()).unwrap() };
        let cases = golden["cases"].as_array().unwrap();
        let mut observations = Observations::new();
        for case in cases {
            let ones: Vec<u32> = serde_json::from_value(case["observation"].clone()).unwrap();
            observations.push_ones(&ones);
        }
        let (logits, values) = forward(&network, &parameters, &observations).unwrap();
        for (i, case) in cases.iter().enumerate() {
            let expected = numbers(&case["logits"]);
            for (found, expected) in logits[4 * i..].iter().zip(&expected) {
                assert!(
                    (f64::from(*found) - expected).abs() < 1e-4,
                    "{name} {i}: {found} {expected}"
                );
            }
            assert!((f64::from(values[i]) - case["value"].as_f64().unwrap()).abs() < 1e-4);
        }
    }
}
