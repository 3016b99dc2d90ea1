//! The network and the distribution of actions by the spaces of the environment.

use super::{ActionKind, Inputs, Preset, Problem};
use crate::config::AlgorithmClass;
use serde_json::{Map, Value, json};
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::space::{ActionComponent, ObservationSpace};

/// The most numbers of an image for which fully connected layers are used.
const SMALL_IMAGE: usize = 1024;
/// The most channels of an image.
const CHANNELS: usize = 16;
/// The logarithm of the standard deviation of continuous actions at the start of a run: wide, so that what is far away is
/// found.
const LOG_STD: f64 = 0.5;
/// The same where a choice decides what a number means, for each state its own.
const MIXED_LOG_STD: f64 = -1.0;
/// The gain of the layer of logits at which all choices start equally likely.
const EQUAL_CHOICES: f64 = 0.01;

/// The fields by which a config gives the sizes of its network.
const SIZES: [&str; 5] =
    ["embedding_size", "common_layers", "policy_layers", "value_layers", "conv_dim"];

/// Returns the section `policy`, below a config that gives some of its fields.
pub(super) fn network(preset: Preset, spec: &dyn EnvSpec, given: &Value) -> Value {
    let mut policy = Map::new();
    match preset.inputs {
        Inputs::Bits => {
            policy.insert("embedding_size".into(), json!(128));
            policy.insert("common_layers".into(), json!([128]));
            if symmetric(spec) {
                policy.insert("symmetry".into(), json!("canonical"));
            }
        }
        Inputs::Numbers => {
            policy.insert("embedding_size".into(), json!(64));
            policy.insert("common_layers".into(), json!([64]));
            policy.insert("activation".into(), json!("tanh"));
        }
        Inputs::Image => match convolutions(spec).filter(|_| !has_network(given)) {
            Some(layers) => {
                policy.insert("layers".into(), layers);
            }
            None => {
                policy.insert("embedding_size".into(), json!(128));
                policy.insert("common_layers".into(), json!([128]));
            }
        },
    }
    if preset.algorithm == AlgorithmClass::Ppo
        && preset.problem == Problem::Reward
        && !matches!(spec.observation_space(), ObservationSpace::SparseBinary { .. })
    {
        policy.insert("normalize_observations".into(), json!(true));
    }
    if preset.algorithm == AlgorithmClass::Ppo
        && preset.problem == Problem::Reward
        && preset.is_symbolic()
        && ActionKind::of(&spec.action_space()) == ActionKind::Discrete
    {
        policy.insert("init".into(), json!({"action_gain": EQUAL_CHOICES}));
    }
    let draws = matches!(preset.algorithm, AlgorithmClass::Ppo | AlgorithmClass::Es);
    if let Some(distribution) = distribution(spec).filter(|_| draws) {
        policy.insert("distribution".into(), distribution);
    }
    policy.into()
}

/// Returns true if a config says which network it wants.
fn has_network(config: &Value) -> bool {
    let policy = |field: &&str| config.pointer(&format!("/policy/{field}")).is_some();
    config.get("policy_cls").is_some() || SIZES.iter().any(policy)
}

/// Returns true if the policy can see one of each set of symmetric states.
fn symmetric(spec: &dyn EnvSpec) -> bool {
    let sparse = matches!(spec.observation_space(), ObservationSpace::SparseBinary { .. });
    sparse && spec.action_space().single_discrete().is_some() && !spec.twists().is_empty()
}

/// Returns the distribution of each component of the actions, if one of them is continuous.
fn distribution(spec: &dyn EnvSpec) -> Option<Value> {
    let space = spec.action_space();
    let kind = ActionKind::of(&space);
    (kind != ActionKind::Discrete).then(|| {
        let parts = space.components().iter().map(|part| match part {
            ActionComponent::Discrete { .. } => json!({"type": "categorical"}),
            ActionComponent::Binary { .. } => json!({"type": "bernoulli"}),
            ActionComponent::Continuous { low, high, .. } => match range(low, high) {
                Range::Usual | Range::Infinite if kind == ActionKind::Mixed => {
                    json!({"type": "gaussian", "log_std": "state", "log_std_init": MIXED_LOG_STD})
                }
                Range::Usual => json!({"type": "gaussian", "log_std_init": LOG_STD}),
                Range::Finite => json!({"type": "squashed_gaussian"}),
                Range::Infinite => json!({"type": "gaussian"}),
            },
        });
        parts.collect()
    })
}

/// The bounds of continuous actions.
enum Range {
    /// As wide as the first actions of a policy.
    Usual,
    /// Others, to which actions are to be scaled.
    Finite,
    /// Not all are finite.
    Infinite,
}

fn range(low: &[f32], high: &[f32]) -> Range {
    let bounds = || low.iter().zip(high);
    if bounds().any(|(low, high)| !(high - low).is_finite()) {
        Range::Infinite
    } else if bounds().all(|(low, high)| *low == -high && (0.5..=10.0).contains(high)) {
        Range::Usual
    } else {
        Range::Finite
    }
}

/// Returns convolutions for a large image with channels last, as Gymnasium has them.
fn convolutions(spec: &dyn EnvSpec) -> Option<Value> {
    let space = spec.observation_space();
    let &[height, width, channels] = space.shape() else { return None };
    let large = height.saturating_mul(width).saturating_mul(channels) > SMALL_IMAGE;
    if !large || channels > CHANNELS || height.min(width) < 16 {
        return None;
    }
    let conv = |channels: usize, kernel: usize, stride: usize| {
        json!({
            "type": "conv2d", "channels": channels, "kernel": kernel, "stride": stride,
            "padding": kernel / 2, "activation": "relu",
        })
    };
    Some(json!({"common": [
        conv(16, 5, 4),
        conv(32, 3, 2),
        {"type": "flatten"},
        {"type": "linear", "outputs": 128, "activation": "relu"},
    ]}))
}
