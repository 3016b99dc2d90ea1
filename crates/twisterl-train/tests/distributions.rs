//! Distributions other than the categorical: in configs, registered by programs, and refused.

#![allow(clippy::unwrap_used)]

mod support;

use rand::RngExt as _;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use support::{options, until};
use twisterl_core::envs::registry::Registry;
use twisterl_core::evaluator::distribution::{
    Choice, Distribution, Gradient, Parameters, ParametersMut, Sample, SampleMut, SampleScore,
    Slopes,
};
use twisterl_core::rng::Rng;
use twisterl_core::space::ActionComponent;
use twisterl_train::config::RunConfig;
use twisterl_train::record::load::load_policy;
use twisterl_train::trainer::{resume, train};

/// The Laplace distribution of one number around the network's output: `ln p = -|u - m| / b - ln 2b`, `H = 1 + ln 2b`.
#[derive(Debug)]
struct Laplace {
    scale: f64,
    low: f32,
    high: f32,
}

impl Laplace {
    fn make(
        component: &ActionComponent,
        params: &Value,
    ) -> twisterl_core::Result<Arc<dyn Distribution>> {
        let scale = params.get("scale").and_then(Value::as_f64).unwrap_or(0.0);
        if scale <= 0.0 {
            return Err(twisterl_core::Error::config("scale", "a number above 0", params));
        }
        match component {
            ActionComponent::Continuous { low, high, .. } if low.len() == 1 => {
                Ok(Arc::new(Self { scale, low: low[0], high: high[0] }))
            }
            other => Err(twisterl_core::Error::config(
                "type",
                "laplace for one number alone",
                format!("{other:?}"),
            )),
        }
    }

    fn log_density(&self, mean: f32, u: f32) -> f64 {
        -f64::from((u - mean).abs()) / self.scale - (2.0 * self.scale).ln()
    }
}

impl Distribution for Laplace {
    fn parameters(&self) -> usize {
        1
    }

    fn choose(
        &self,
        parameters: ParametersMut<'_>,
        choice: Choice,
        rng: &mut Rng,
        sample: SampleMut<'_>,
    ) -> f32 {
        let mean = parameters.head[0];
        let u = match choice {
            Choice::Greedy => mean,
            Choice::Sample => {
                let dice = rng.random::<f64>() - 0.5;
                mean - (self.scale * dice.signum() * (1.0 - 2.0 * dice.abs()).ln()) as f32
            }
        };
        sample.values.push(u);
        self.log_density(mean, u) as f32
    }

    fn act(&self, values: &[f32], action: &mut Vec<f32>) {
        action.extend(values.iter().map(|u| u.clamp(self.low, self.high)));
    }

    fn score(&self, parameters: Parameters<'_>, sample: Sample<'_>, _: &mut [f64]) -> SampleScore {
        let log_prob = self.log_density(parameters.head[0], sample.values[0]);
        SampleScore { log_prob, entropy: 1.0 + (2.0 * self.scale).ln() }
    }

    fn gradient(
        &self,
        parameters: Parameters<'_>,
        sample: Sample<'_>,
        _: &[f64],
        slopes: Slopes,
        gradient: Gradient<'_>,
    ) {
        let side = f64::from(sample.values[0] - parameters.head[0]).signum();
        gradient.head[0] = slopes.log_prob * side / self.scale;
    }
}

fn with_laplace() -> Registry {
    let mut registry = Registry::default();
    registry.register_distribution("laplace", Laplace::make);
    registry
}

fn config(distribution: Value) -> Value {
    json!({
        "env_cls": "Pendulum-v1",
        "policy": {"embedding_size": 8, "common_layers": [], "distribution": distribution},
        "algorithm": {
            "collecting": {"num_envs": 4, "rollout_length": 8},
            "training": {"num_epochs": 1},
            "evals": {"greedy": {"num_episodes": 2, "max_steps": 10}},
            "learning": {"diff_metric": "greedy"}
        },
        "num_iterations": 2
    })
}

fn run(config: Value, path: &Path, registry: &Registry) -> Result<(), String> {
    let config = RunConfig::from_value(config).map_err(|e| e.to_string())?;
    train(&config, path, &options(1), registry).map(drop).map_err(|e| e.to_string())
}

#[test]
fn a_registered_distribution_is_trained_saved_and_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let laplace = json!([{"type": "laplace", "params": {"scale": 0.5}}]);
    run(config(laplace), &path, &with_laplace()).unwrap();
    let policy = load_policy(&path, None, &with_laplace()).unwrap();
    assert_eq!(policy.network.action_distribution().unwrap().width(), 1);
    let summary = resume(&path, &until(3, 1), &with_laplace()).unwrap();
    assert_eq!(summary.iterations, 3);
    // A program without it names the missing distribution.
    let error = load_policy(&path, None, &Registry::default()).unwrap_err().to_string();
    assert!(error.starts_with("policy.distribution[0].type: expected `categorical`"), "{error}");
    assert!(error.ends_with("found \"laplace\""), "{error}");
    // A program whose distribution of that name has other parameters refuses the weights.
    let mut other = Registry::default();
    other.register_distribution("laplace", |_, _| Ok(Arc::new(Wide)));
    let error = load_policy(&path, None, &other).unwrap_err().to_string();
    assert!(error.starts_with("policy.distribution[0].type: expected Custom"), "{error}");
}

/// A distribution with another number of parameters.
#[derive(Debug)]
struct Wide;

impl Distribution for Wide {
    fn parameters(&self) -> usize {
        7
    }

    fn choose(&self, _: ParametersMut<'_>, _: Choice, _: &mut Rng, _: SampleMut<'_>) -> f32 {
        0.0
    }

    fn score(&self, _: Parameters<'_>, _: Sample<'_>, _: &mut [f64]) -> SampleScore {
        SampleScore::default()
    }

    fn gradient(&self, _: Parameters<'_>, _: Sample<'_>, _: &[f64], _: Slopes, _: Gradient<'_>) {}
}

#[test]
fn invalid_descriptions_are_refused_with_their_path() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |distribution: Value| {
        let path = folder.path().join("run");
        run(config(distribution), &path, &with_laplace()).unwrap_err()
    };
    for (distribution, message) in [
        (json!([{"type": "gaussian"}, {"type": "gaussian"}]), "policy.distribution: expected one"),
        (json!([{"type": "categorical"}]), "policy.distribution[0].type: expected a distribution"),
        (json!([{"type": "normal"}]), "policy.distribution[0].type: expected `categorical`"),
        (json!([{"type": "laplace"}]), "policy.distribution[0].params.scale: expected a number"),
        (
            json!([{"type": "gaussian", "params": {}}]),
            "policy.distribution[0].params: expected nothing, for gaussian",
        ),
        (
            json!([{"type": "gaussian", "log_std_init": 3.0}]),
            "policy.distribution[0].log_std_init: expected -5 to 2, found 3",
        ),
        (
            json!([{"type": "squashed_gaussian", "log_std_max": 20.0}]),
            "policy.distribution[0].log_std_max: expected at most 4 for squashed_gaussian, found 20",
        ),
        (
            json!([{"type": "gaussian", "log_std_init": 30.0}]),
            "policy.distribution[0].log_std_init: expected at least -20 and at most 20",
        ),
    ] {
        let error = refused(distribution.clone());
        assert!(error.starts_with(message), "{distribution}: {error}");
    }
}

#[test]
fn algorithms_that_search_need_one_discrete_action() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(json!([]));
    config["algorithm_cls"] = json!("AZ");
    config["algorithm"]["collecting"] = json!({"num_episodes": 4, "num_mcts_searches": 4});
    let error = run(config, &folder.path().join("run"), &Registry::default()).unwrap_err();
    assert!(
        error.starts_with("algorithm_cls: expected PPO, since AZ needs one discrete"),
        "{error}"
    );
}
