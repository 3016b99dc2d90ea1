//! Every layer: inference and training compute the same, and its gradient is one.
#![allow(clippy::unwrap_used)]

use crate::bench::{noise, synthetic_parameters};
use crate::data::supervised_batch::SupervisedBatch;
use crate::gradient::learner::{Learner, StepSize};
use crate::gradient::loss::imitation::{Imitation, PolicyTargets};
use crate::gradient::model::Model;
use crate::gradient::ops::Gradient;
use crate::gradient::optimizer::{AdamConfig, TrainState};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Mutex;
use twisterl_core::evaluator::{Evaluation, Evaluator as _};
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::init::Scheme;
use twisterl_core::policy::layers::{LayerInput, LayerSpec, place, types};
use twisterl_core::policy::network::{Layers, Network};
use twisterl_core::space::{ActionSpace, ObservationSpace, Observations};

fn specs(layers: &[Value]) -> Vec<LayerSpec> {
    layers.iter().map(|layer| LayerSpec::from_value(layer.clone()).unwrap()).collect()
}

/// A layer for an input of this shape, chosen by two numbers. Smooth, so that differences are derivatives.
fn layer(shape: &[usize], kind: usize, size: usize) -> Value {
    let width = *shape.last().unwrap();
    let activation = ["tanh", "gelu", "silu", "identity"][size % 4];
    let anywhere = [
        json!({"type": "linear", "outputs": 1 + size % 7, "activation": activation}),
        json!({"type": "layer_norm"}),
        json!({"type": "activation", "function": activation}),
        json!({"type": "positions"}),
        json!({"type": "residual", "activation": activation, "layers": [
            {"type": "layer_norm"},
            {"type": "linear", "outputs": 3, "activation": "gelu"},
            {"type": "residual", "layers": [{"type": "positions"}]},
            {"type": "linear", "outputs": width}
        ]}),
        json!({"type": "flatten"}),
        json!({"type": "reshape", "shape": [shape.iter().product::<usize>(), 1]}),
    ];
    let tokens = [
        json!({"type": "attention", "heads": if width.is_multiple_of(2) { 1 + size % 2 } else { 1 }}),
        json!({"type": "pool", "by": (["mean", "sum"][size % 2])}),
        json!({"type": "transpose", "axes": (0..shape.len()).rev().collect::<Vec<_>>()}),
    ];
    let fitting = |length: usize| 1 + size % length.min(3);
    let own = match *shape {
        [a, b] => {
            let (conv_dim, length) = if size.is_multiple_of(2) { (0, b) } else { (1, a) };
            let kernel = fitting(length);
            vec![json!({
                "type": "conv1d", "channels": 1 + size % 5, "kernel": kernel, "padding": (kernel - 1) / 2,
                "stride": 1 + size % 2, "conv_dim": conv_dim, "bias": size.is_multiple_of(3), "activation": activation
            })]
        }
        [a, b, _] => {
            let kernel = fitting(a.min(b));
            vec![json!({
                "type": "conv2d", "channels": 1 + size % 5, "kernel": kernel, "padding": (kernel - 1) / 2,
                "stride": 1 + size % 2, "bias": !size.is_multiple_of(3), "activation": activation
            })]
        }
        _ => vec![],
    };
    let tokens: &[Value] = if shape.len() > 1 { &tokens } else { &[] };
    let all: Vec<&Value> = anywhere.iter().chain(tokens).chain(&own).chain(&own).collect();
    all[kind % all.len()].clone()
}

/// Networks of up to five random layers before heads of which one has another.
fn networks() -> impl Strategy<Value = Network> {
    let shape = proptest::collection::vec(1usize..5, 1..4);
    let choices = proptest::collection::vec((any::<usize>(), any::<usize>()), 1..6);
    (any::<bool>(), shape, choices).prop_map(|(sparse, shape, choices)| {
        let mut common = Vec::new();
        let mut now = shape.clone();
        for (kind, size) in choices {
            common.push(LayerSpec::from_value(layer(&now, kind, size)).unwrap());
            now = place(&common, "common", LayerInput::Values(&shape))
                .unwrap()
                .last()
                .unwrap()
                .output()
                .to_vec();
        }
        common.push(LayerSpec::from_value(json!({"type": "flatten"})).unwrap());
        let action = specs(&[json!({"type": "linear", "outputs": 3, "activation": "tanh"})]);
        let observation = match sparse {
            true => ObservationSpace::SparseBinary { shape },
            false => ObservationSpace::Dense { shape },
        };
        let layers = Layers { common, action, value: vec![] };
        Network::hidden(observation, ActionSpace::discrete(4), &layers).unwrap()
    })
}

fn observations(network: &Network, rows: usize) -> Observations {
    let size = network.observation.size().unwrap();
    let mut observations = Observations::new();
    for row in 0..rows {
        let value = |i: usize| noise(row * size + i + 5);
        match network.observation {
            ObservationSpace::Dense { .. } => {
                let values: Vec<f32> = (0..size).map(value).collect();
                observations.push_with(|to| to.values(&values));
            }
            _ => {
                let ones: Vec<u32> =
                    (0..size).filter(|&i| value(i) > 0.0).map(|i| i as u32).collect();
                observations.push_ones(&ones);
            }
        }
    }
    observations
}

/// A scalar of all outputs, and its gradient.
fn score(network: &Network, parameters: &[f32], observations: &Observations) -> (f64, Vec<f32>) {
    let model = Model::of(network, parameters).unwrap();
    let gradient = Gradient::new(Mutex::new(vec![0.0; parameters.len()]));
    let (logits, values) = model.forward(observations.clone(), Some(&gradient)).unwrap();
    let all = candle_core::Tensor::cat(&[&logits, &values], 1).unwrap();
    let weights: Vec<f32> = (0..all.elem_count()).map(|i| noise(i + 3)).collect();
    let numbers = all.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let total = numbers.iter().zip(&weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    let weights = candle_core::Tensor::from_vec(weights, all.shape(), all.device()).unwrap();
    (all * weights).unwrap().sum_all().unwrap().backward().unwrap();
    let gradient = gradient.lock().unwrap().clone();
    (total, gradient)
}

proptest! {
    #[test]
    fn inference_computes_what_training_does(network in networks(), rows in 1usize..9) {
        let parameters = synthetic_parameters(&network);
        let observations = observations(&network, rows);
        let (logits, values) = crate::gradient::model::forward(&network, &parameters, &observations).unwrap();
        let mut out = Evaluation::default();
        Executor::new(&network, &parameters).unwrap().evaluate(&observations, &mut out).unwrap();
        for (a, b) in logits.iter().zip(&out.actions).chain(values.iter().zip(&out.values)) {
            prop_assert!((a - b).abs() <= 1e-5 * a.abs().max(1.0), "{a} {b}");
        }
        prop_assert_eq!((logits.len(), values.len()), (4 * rows, rows));
    }

    #[test]
    fn descriptions_read_back_as_written(network in networks()) {
        let text = serde_json::to_string(&network).unwrap();
        prop_assert_eq!(serde_json::from_str::<Network>(&text).unwrap(), network);
    }

    /// Along each tensor by itself, so that none is wrong by a little unseen.
    #[test]
    fn gradients_are_the_limits_of_differences(network in networks(), rows in 1usize..4) {
        let parameters = synthetic_parameters(&network);
        let observations = observations(&network, rows);
        let (_, gradient) = score(&network, &parameters, &observations);
        let scale = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt().max(1.0);
        for spec in network.parameters() {
            let along = |h: f32| {
                let mut moved = parameters.clone();
                moved[spec.range.clone()].iter_mut().enumerate().for_each(|(i, p)| *p += h * noise(i + 71));
                score(&network, &moved, &observations).0
            };
            let own = gradient[spec.range.clone()].iter().enumerate();
            let slope: f64 = own.map(|(i, g)| f64::from(*g) * f64::from(noise(i + 71))).sum();
            // Of fourth order in h. Where features hardly differ, layer norm is steep and asks for a small one; elsewhere
            // that would drown in rounding.
            let errors = [4e-3, 1e-3, 2.5e-4f32].map(|h| {
                let difference = 8.0 * (along(h) - along(-h)) - along(2.0 * h) + along(-2.0 * h);
                (difference / (12.0 * f64::from(h)) - slope).abs()
            });
            let found = errors.iter().any(|error| *error <= 1e-2 * scale);
            prop_assert!(found, "{}: {slope} is off by {errors:?}, {scale}", spec.name);
        }
    }
}

#[test]
fn every_kind_is_among_the_random_ones() {
    let mut seen: Vec<String> = vec!["embedding".into()];
    for shape in [&[4][..], &[4, 4], &[4, 4, 4]] {
        seen.extend((0..14).map(|kind| layer(shape, kind, 2)["type"].as_str().unwrap().to_owned()));
    }
    for name in types() {
        assert!(seen.iter().any(|s| s == name), "{name}");
    }
}

#[test]
fn largest_values_and_rectifiers_pass_gradients_where_they_came_from() {
    let layers = specs(&[
        json!({"type": "linear", "outputs": 5, "activation": "relu"}),
        json!({"type": "pool", "by": "max"}),
    ]);
    let observation = ObservationSpace::Dense { shape: vec![4, 3] };
    let layers = Layers { common: layers, ..Layers::default() };
    let network = Network::hidden(observation, ActionSpace::discrete(2), &layers).unwrap();
    let (parameters, observations) = (synthetic_parameters(&network), observations(&network, 2));
    let (_, gradient) = score(&network, &parameters, &observations);
    for i in 0..parameters.len() {
        let at = |h: f32| {
            let mut moved = parameters.clone();
            moved[i] += h;
            score(&network, &moved, &observations).0
        };
        let difference = (at(1e-3) - at(-1e-3)) / 2e-3;
        assert!(
            (difference - f64::from(gradient[i])).abs() < 2e-3,
            "{i}: {difference} {}",
            gradient[i]
        );
    }
}

/// Twelve points; whether most of them lie in the first or the third quadrant.
fn sets(count: usize, seed: usize) -> SupervisedBatch {
    let mut examples = SupervisedBatch::default();
    for row in 0..count {
        let points: Vec<f32> = (0..24).map(|i| noise(seed * 7_000_003 + row * 24 + i)).collect();
        let most = points.chunks(2).filter(|p| p[0] * p[1] > 0.0).count() > 6;
        examples.observations.push_with(|to| to.values(&points));
        examples.masks.extend([true, true]);
        examples.policies.extend(if most { [0.0, 1.0] } else { [1.0, 0.0] });
        examples.values.push(0.0);
    }
    examples
}

/// Share of new sets that are told right after training on 1,000.
fn told_right(common: &[Value]) -> (usize, f64) {
    let layers = Layers { common: specs(common), ..Layers::default() };
    let observation = ObservationSpace::Dense { shape: vec![12, 2] };
    let network = Network::hidden(observation, ActionSpace::discrete(2), &layers).unwrap();
    let parameters = Scheme::He.with_usual_gains().parameters(&network, 1);
    let count = parameters.len();
    let mut learner = Learner::new(&network).unwrap();
    let mut state = TrainState::new(parameters, AdamConfig::default());
    let size = StepSize { lr: 3e-3, max_grad_norm: Some(1.0) };
    let examples = sets(1000, 1);
    for step in 0..500 {
        let indices: Vec<u32> = (0..100).map(|i| (step * 100 + i) % 1000).collect();
        let objective =
            Imitation { examples: &examples, targets: PolicyTargets::Distribution, vf_coef: 0.0 };
        learner.step(&mut state, &objective, &indices, size).unwrap();
    }
    let test = sets(1000, 2);
    let (logits, _) =
        crate::gradient::model::forward(&network, state.weights(), &test.observations).unwrap();
    let right = logits
        .chunks(2)
        .zip(test.policies.chunks(2))
        .filter(|(l, p)| (l[1] > l[0]) == (p[1] > 0.5));
    (count, right.count() as f64 / 1000.0)
}

#[test]
fn sets_are_for_layers_that_see_sets() {
    let (perceptron, plain) = told_right(&[
        json!({"type": "flatten"}),
        json!({"type": "linear", "outputs": 48, "activation": "relu"}),
        json!({"type": "linear", "outputs": 24, "activation": "relu"}),
    ]);
    let each = |outputs: usize| json!({"type": "linear", "outputs": outputs, "activation": "relu"});
    let (pooled, deep_sets) = told_right(&[each(32), each(32), json!({"type": "pool"}), each(24)]);
    let (attending, attention) = told_right(&[
        each(16),
        json!({"type": "residual", "layers": [{"type": "attention", "heads": 2}]}),
        each(16),
        json!({"type": "pool"}),
        each(16),
    ]);
    assert!(pooled <= perceptron && attending <= perceptron, "{pooled}, {attending}, {perceptron}");
    assert!(deep_sets > 0.83 && attention > 0.83, "{deep_sets}, {attention}");
    assert!(plain < 0.75, "{plain}");
}
