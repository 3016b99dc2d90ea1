//! Layers of user crates are trained, saved and loaded by name; invalid descriptions of networks are refused.
#![allow(clippy::unwrap_used)]

mod support;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::options;
use twisterl_core::Result;
use twisterl_core::envs::registry::Registry;
use twisterl_core::evaluator::{Evaluation, Evaluator as _};
use twisterl_core::policy::Arithmetic;
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::layers::{Forward, Initial, LayerKind, Parameter, size};
use twisterl_core::policy::network::Network;
use twisterl_core::space::{ActionSpace, Observations};
use twisterl_train::config::RunConfig;
use twisterl_train::gradient::layers::{Differentiable, Parameters, register};
use twisterl_train::record::load::load_policy;
use twisterl_train::trainer::train;

/// `y = scale * x`, with a scale for each value.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scale {
    initial: f32,
}

impl LayerKind for Scale {
    const TYPE: &'static str = "scale";

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        Ok(input.to_vec())
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        vec![Parameter::weight(input.to_vec()).initially(Initial::Constant(self.initial))]
    }

    fn forward(&self, input: &[usize], _: Arithmetic) -> Result<Option<Box<dyn Forward>>> {
        Ok(Some(Box::new(Scaling { scale: vec![0.0; size(input)] })))
    }
}

#[derive(Debug, Clone)]
struct Scaling {
    scale: Vec<f32>,
}

impl Forward for Scaling {
    fn load(&mut self, parameters: &[f32]) {
        self.scale.copy_from_slice(parameters);
    }

    fn apply(&self, x: &[f32], out: &mut [f32], _: &mut [f32]) {
        for ((y, x), scale) in out.iter_mut().zip(x).zip(self.scale.iter().cycle()) {
            *y = x * scale;
        }
    }
}

impl Differentiable for Scale {
    fn apply(&self, x: &Tensor, parameters: &Parameters<'_>) -> candle_core::Result<Tensor> {
        x.broadcast_mul(&parameters.tensor(0)?)
    }
}

#[test]
fn a_layer_of_a_user_crate_is_trained_saved_and_loaded() {
    let config = |initial: f32| {
        RunConfig::from_value(json!({
            "env_cls": "Puzzle",
            "env": {"width": 2, "height": 2, "difficulty": 3},
            "policy": {"layers": {
                "common": [{"type": "embedding", "outputs": 8, "activation": "tanh"}, {"type": "scale", "initial": initial}]
            }},
            "algorithm": {
                "collecting": {"num_envs": 16, "rollout_length": 8}, "optimizer": {"lr": 0.01}
            },
            "num_iterations": 5
        }))
    };
    let unknown = config(2.0).unwrap_err().to_string();
    assert!(
        unknown.contains("policy.layers.common[1].type") && unknown.contains("`scale`"),
        "{unknown}"
    );
    register::<Scale>().unwrap();
    register::<Scale>().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    train(&config(2.0).unwrap(), &path, &options(2), &Registry::default()).unwrap();
    let policy = load_policy(&path, None, &Registry::default()).unwrap();
    let scale =
        policy.network.parameters().into_iter().find(|p| p.name == "common.1.weight").unwrap();
    let scale = &policy.parameters[scale.range];
    assert_eq!(scale.len(), 8);
    assert!(scale.iter().all(|s| *s != 2.0 && (s - 2.0).abs() < 0.5), "learned: {scale:?}");
    let wrong = json!({"type": "scale"});
    let refusal = twisterl_core::policy::layers::LayerSpec::from_value(wrong).unwrap_err();
    assert_eq!(refusal.to_string(), "initial: expected a value, found none");
}

fn network(
    observation: Value,
    common: Value,
    action: Value,
    value: Value,
) -> std::result::Result<Network, String> {
    let actions = serde_json::to_value(ActionSpace::discrete(3)).unwrap();
    let description = json!({
        "observation": observation, "actions": actions, "common": common, "action": action, "value": value
    });
    serde_path_to_error::deserialize(description)
        .map_err(|e| format!("{}: {}", e.path(), e.inner()))
}

fn dense(shape: &[usize]) -> Value {
    json!({ "type": "dense", "shape": shape })
}

/// Returns the layers of a head: `flatten` and a dense layer.
fn head(outputs: usize) -> Value {
    json!([{ "type": "flatten" }, { "type": "linear", "outputs": outputs, "activation": "identity" }])
}

#[test]
fn invalid_networks_are_refused_with_path_and_shapes() {
    let board = dense(&[2, 3, 4]);
    for (common, parts) in [
        (json!([{ "type": "lstm" }]), vec!["common[0]", "conv2d", "lstm"]),
        (
            json!([{ "type": "conv2d", "channels": 2, "kernel": 3 }]),
            vec!["common[0].kernel", "2", "3"],
        ),
        (
            json!([{ "type": "flatten" }, { "type": "attention" }]),
            vec!["common[1]", "two or more axes", "[24]"],
        ),
        (
            json!([{ "type": "attention", "heads": 3 }]),
            vec!["common[0].heads", "divides", "4", "3"],
        ),
        (
            json!([{ "type": "reshape", "shape": [5, 5] }]),
            vec!["common[0].shape", "[2, 3, 4]", "[5, 5]"],
        ),
        (
            json!([{ "type": "transpose", "axes": [0, 0, 1] }]),
            vec!["common[0].axes", "[2, 3, 4]", "[0, 0, 1]"],
        ),
        (
            json!([{ "type": "residual", "layers": [{ "type": "linear", "outputs": 5 }] }]),
            vec!["common[0]", "[2, 3, 4]", "[2, 3, 5]"],
        ),
        (
            json!([{ "type": "residual", "layers": [{ "type": "linear", "outputs": 0 }] }]),
            vec!["common[0].layers[0].outputs"],
        ),
        (
            json!([{ "type": "embedding", "outputs": 5 }]),
            vec!["common[0]", "embedding", "[2, 3, 4]"],
        ),
        (
            json!([{ "type": "linear", "inputs": 7, "outputs": 5 }]),
            vec!["common[0].inputs", "4", "7"],
        ),
        (json!([{ "type": "linear", "outputs": 5, "width": 3 }]), vec!["common[0]", "width"]),
    ] {
        let error = network(board.clone(), common.clone(), head(3), head(1)).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "{common}: {part:?} is not in {error:?}");
        }
    }
}

#[test]
fn no_size_panics_or_exhausts_memory() {
    let huge = [0, 1, 2, 4097, 1 << 24, 1 << 40, u64::MAX];
    let layers = |n: u64, m: u64| {
        vec![
            json!({ "type": "linear", "outputs": n, "inputs": m }),
            json!({ "type": "conv2d", "channels": n, "kernel": m, "padding": m, "stride": n }),
            json!({ "type": "conv2d", "channels": 1, "kernel": n, "padding": n.saturating_sub(1), "stride": m }),
            json!({ "type": "conv1d", "channels": n, "kernel": m, "padding": n, "conv_dim": 1 }),
            json!({ "type": "conv1d", "channels": n, "kernel": m, "padding": m.saturating_sub(1), "stride": n }),
            json!({ "type": "reshape", "shape": [n, m] }),
            json!({ "type": "reshape", "shape": [n, 0, m] }),
            json!({ "type": "transpose", "axes": [n, m, 0] }),
            json!({ "type": "attention", "heads": n }),
            json!({ "type": "residual", "layers": [{ "type": "linear", "outputs": n }, { "type": "linear", "outputs": m }] }),
        ]
    };
    for shape in [vec![2, 3, 4], vec![6, 4], vec![3]] {
        for (n, m) in huge.iter().flat_map(|&n| huge.map(|m| (n, m))) {
            for layer in layers(n, m) {
                let made = network(dense(&shape), json!([layer]), head(3), head(1));
                // Accepted networks can be built. Large ones are skipped.
                if let Ok(network) = made
                    && network.parameter_count() < 1 << 16
                {
                    let weights = vec![0.1; network.parameter_count()];
                    let mut observations = Observations::new();
                    let values = vec![0.5; network.observation.size().unwrap()];
                    observations.push_with(|to| to.values(&values));
                    let mut out = Evaluation::default();
                    Executor::new(&network, &weights)
                        .unwrap()
                        .evaluate(&observations, &mut out)
                        .unwrap();
                }
            }
        }
    }
}
