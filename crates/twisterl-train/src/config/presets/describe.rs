//! Presets in words: the choice, and the reasons for it.

use super::{Preset, Problem};
use crate::config::{RunConfig, SymmetryName};
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::space::{ActionComponent, ObservationSpace};

/// Returns the choice and the reasons for it, a line each.
pub(super) fn describe(preset: Preset, spec: &dyn EnvSpec, config: &RunConfig) -> [String; 2] {
    let kind = match preset.problem {
        Problem::Goal => "goals",
        Problem::Reward => "returns",
    };
    let iterations = match config.num_iterations {
        Some(1) => "1 iteration".to_owned(),
        count => format!("{} iterations", count.unwrap_or_default()),
    };
    let starts = spec.starts();
    let difficulty = match (starts.curriculum, starts.uniform) {
        (true, true) => "has a difficulty that can be raised and random states",
        (true, false) => "has a difficulty that can be raised",
        (false, _) => "has no difficulty to raise",
    };
    let (seen, actions) = (observations(&spec.observation_space()), actions(spec));
    [
        format!(
            "preset for {kind}: {}, {iterations}, network {}",
            preset.algorithm,
            network(config)
        ),
        format!(
            "since it {difficulty}, observations of {seen}, actions of {actions}; a section `algorithm` replaces it"
        ),
    ]
}

/// Describes a network, such as `64-64 (tanh)`.
fn network(config: &RunConfig) -> String {
    let policy = &config.policy;
    let mut text = match &policy.layers {
        Some(_) => "of convolutions".to_owned(),
        None => {
            let hidden = policy.common_layers.iter().map(|width| format!("-{width}"));
            let activation = format!("{:?}", policy.activation).to_lowercase();
            format!("{}{} ({activation})", policy.embedding_size, hidden.collect::<String>())
        }
    };
    if policy.normalize_observations {
        text.push_str(", observations normalized");
    }
    if policy.symmetry == SymmetryName::Canonical {
        text.push_str(", one of each set of symmetric states");
    }
    text
}

/// Describes observations, such as `3 x 3 x 9 bits`.
fn observations(space: &ObservationSpace) -> String {
    match space {
        ObservationSpace::SparseBinary { shape } => many(shape, "bit"),
        ObservationSpace::Dense { shape } => many(shape, "number"),
        ObservationSpace::Mixed { bits, values } => {
            format!("{} and {}", many(bits, "bit"), many(values, "number"))
        }
    }
}

/// Describes actions, such as `1 of 4 choices and 2 numbers`.
fn actions(spec: &dyn EnvSpec) -> String {
    let space = spec.action_space();
    let parts = space.components().iter().map(|part| match part {
        ActionComponent::Discrete { n } => format!("1 of {n} choices"),
        ActionComponent::Binary { n } => many(&[*n], "bit"),
        ActionComponent::Continuous { shape, .. } => many(shape, "number"),
    });
    parts.collect::<Vec<_>>().join(" and ")
}

/// Returns a shape and what it is a shape of, such as `8 x 8 numbers` or `1 number`.
fn many(shape: &[usize], thing: &str) -> String {
    let sizes: Vec<_> = shape.iter().map(usize::to_string).collect();
    let is_one = shape.iter().all(|&size| size == 1);
    let shape = if is_one { "1".into() } else { sizes.join(" x ") };
    format!("{shape} {thing}{}", if is_one { "" } else { "s" })
}
