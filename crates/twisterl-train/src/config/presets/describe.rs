//! Presets in words: the choice, and the reasons for it.

use super::{Preset, Problem};
use crate::config::{RunConfig, SymmetryName};
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::error::counts::{counted, shaped};
use twisterl_core::space::{ActionComponent, ObservationSpace};

/// Returns the choice and the reasons for it, a line each.
pub(super) fn describe(preset: Preset, spec: &dyn EnvSpec, config: &RunConfig) -> [String; 2] {
    let goal = match preset.problem {
        Problem::Goal => "reach the goal",
        Problem::Reward => "maximize the return",
    };
    let iterations = counted(config.num_iterations.unwrap_or_default(), "iteration");
    let starts = spec.starts();
    let difficulty = match (starts.curriculum, starts.uniform) {
        (true, true) => "an adjustable difficulty, and random states as starts",
        (true, false) => "an adjustable difficulty",
        (false, _) => "no adjustable difficulty",
    };
    let (seen, actions) = (observations(&spec.observation_space()), actions(spec));
    [
        format!(
            "preset to {goal}: {}, {iterations}, network {}",
            preset.algorithm,
            network(config)
        ),
        format!(
            "chosen for {}, which has {difficulty}: in each step, the policy sees {seen} and chooses {actions}; for settings \
             of your own, add a section `algorithm` to the config",
            spec.name()
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
        ObservationSpace::SparseBinary { shape } => shaped(shape, "bit"),
        ObservationSpace::Dense { shape } => shaped(shape, "number"),
        ObservationSpace::Mixed { bits, values } => {
            format!("{} and {}", shaped(bits, "bit"), shaped(values, "number"))
        }
    }
}

/// Describes actions, such as `1 of 4 actions` or `1 of 3 values and 2 numbers`.
fn actions(spec: &dyn EnvSpec) -> String {
    let space = spec.action_space();
    if let [ActionComponent::Discrete { n }] = space.components() {
        return format!("1 of {}", counted(n, "action"));
    }
    let parts = space.components().iter().map(|part| match part {
        ActionComponent::Discrete { n } => format!("1 of {}", counted(n, "value")),
        ActionComponent::Binary { n } => counted(n, "bit"),
        ActionComponent::Continuous { shape, .. } => shaped(shape, "number"),
    });
    parts.collect::<Vec<_>>().join(" and ")
}
