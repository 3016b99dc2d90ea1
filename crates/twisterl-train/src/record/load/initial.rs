//! Policies for a config: with initial weights, or with the weights of another policy.

use super::source::PolicySource;
use crate::config::{PolicyClass, RunConfig, descriptions};
use crate::{Error, Result};
use std::path::Path;
use twisterl_core::envs::registry::{EnvSpec, Registry};
use twisterl_core::policy::network::{Decides, Network};
use twisterl_core::policy::scaling::Scaling;
use twisterl_core::policy::weights::PolicyHeader;
use twisterl_core::policy::{Arithmetic, Policy};
use twisterl_core::space::symmetry::Twist;
use twisterl_core::space::{ActionSpace, ObservationSpace};

/// Builds the network of `config` for the environment `spec`.
///
/// # Errors
/// If the sizes are invalid, or the distribution does not fit the action space.
pub fn build_policy_network(
    config: &RunConfig,
    spec: &dyn EnvSpec,
    registry: &Registry,
) -> Result<Network> {
    network_for(config, (spec.observation_space(), spec.action_space()), registry)
}

fn network_for(
    config: &RunConfig,
    (observation, actions): (ObservationSpace, ActionSpace),
    registry: &Registry,
) -> Result<Network> {
    let (policy, sizes) = (&config.policy, config.policy.sizes());
    let distribution = descriptions(&policy.distribution, &actions, registry)?;
    let decides = Decides { actions, distribution };
    Ok(match (&policy.layers, config.policy_cls) {
        (Some(layers), _) => Network::hidden(observation, decides, &layers.layers())
            .map_err(|e| e.below("policy.layers"))?,
        (None, PolicyClass::BasicPolicy) => Network::mlp(observation, decides, &sizes)?,
        (None, PolicyClass::Conv1dPolicy) => {
            Network::conv1d(observation, decides, policy.conv_dim, &sizes)?
        }
    })
}

/// Returns a policy with initial weights, drawn from the seed of `config`.
///
/// # Errors
/// Those of [`build_policy_network`].
pub fn initial_policy(
    config: &RunConfig,
    spec: &dyn EnvSpec,
    registry: &Registry,
) -> Result<Policy> {
    let network = build_policy_network(config, spec, registry)?;
    let mut policy =
        Policy::initial(network, spec.name(), spec.params(), spec.twists(), config.seed)?;
    policy.parameters = config.policy.init.init().parameters(&policy.network, config.seed);
    policy.symmetry = config.policy.symmetry.into();
    policy.backtracking = backtracking(config, spec)?;
    policy.scaling = config.policy.scaling(&spec.observation_space())?;
    policy.spaces = spec.declared_spaces();
    policy.check()?;
    Ok(policy)
}

/// Returns a policy with initial weights, drawn from the seed of `config`, for environments with these spaces and
/// symmetries. It has no environment yet: the name in it is that of `config`.
///
/// # Errors
/// Those of [`build_policy_network`]; if a symmetry does not fit the spaces.
pub fn detached_policy(
    config: &RunConfig,
    (observation, actions): (ObservationSpace, ActionSpace),
    twists: Vec<Twist>,
    registry: &Registry,
) -> Result<Policy> {
    let scaling = config.policy.scaling(&observation)?;
    let network = network_for(config, (observation, actions), registry)?;
    let (name, env) = (config.env_cls.as_str(), config.env.clone());
    let mut policy = Policy::initial(network, name, env, twists, config.seed)?;
    policy.parameters = config.policy.init.init().parameters(&policy.network, config.seed);
    policy.scaling = scaling;
    policy.check()?;
    Ok(policy)
}

/// Returns a policy for a run with `config` and the weights that `path` leads to. Nothing but the weights is read: the
/// parameters of the environment may differ.
///
/// # Errors
/// If there are no weights, or they belong to another network than that of `config`.
pub fn weights_for(
    config: &RunConfig,
    spec: &dyn EnvSpec,
    path: &Path,
    registry: &Registry,
) -> Result<Policy> {
    let header = header(config, spec, registry)?;
    let found = PolicySource::locate(path)?.read(|_| Ok(header.clone()))?;
    if found.network != header.network {
        return Err(Error::checkpoint(
            path,
            format!("weights for {}", describe(&header.network)),
            describe(&found.network),
        ));
    }
    // Weights expect observations of the scale that they were trained on.
    let scaling = match (found.scaling, header.scaling) {
        (Some(found), Some(own)) => Some(Scaling { clip: own.clip, ..found }),
        (None, own) => own,
        (Some(_), None) => {
            let expected = "true, for weights that were trained on normalized observations";
            return Err(Error::config("policy.normalize_observations", expected, "false"));
        }
    };
    Ok(Policy {
        network: header.network,
        parameters: found.parameters,
        env_cls: header.env_cls,
        env: header.env,
        twists: header.twists,
        symmetry: header.symmetry,
        backtracking: header.backtracking,
        scaling,
        spaces: header.spaces,
        arithmetic: header.arithmetic,
    })
}

/// Returns the description of the policy of `config`.
pub(super) fn header(
    config: &RunConfig,
    spec: &dyn EnvSpec,
    registry: &Registry,
) -> Result<PolicyHeader> {
    Ok(PolicyHeader {
        env_cls: spec.name().to_owned(),
        env: spec.params(),
        network: build_policy_network(config, spec, registry)?,
        twists: spec.twists(),
        symmetry: config.policy.symmetry.into(),
        backtracking: backtracking(config, spec)?,
        scaling: config.policy.scaling(&spec.observation_space())?,
        spaces: spec.declared_spaces(),
        arithmetic: Arithmetic::Fused,
    })
}

/// Returns whether the policy may undo its previous action.
///
/// # Errors
/// If it may not, and the environment does not declare the inverse of each action.
fn backtracking(config: &RunConfig, spec: &dyn EnvSpec) -> Result<bool> {
    if !config.policy.backtracking {
        spec.required_inverses()?;
    }
    Ok(config.policy.backtracking)
}

/// Describes a network in one line.
fn describe(network: &Network) -> String {
    let layers: Vec<_> = network
        .layers()
        .map(|layer| {
            let (inputs, outputs) = layer.shape();
            format!("{} {inputs}-{outputs} {}", layer.name(), layer.spec())
        })
        .collect();
    format!("{:?} and layers {}", network.observation, layers.join(", "))
}
