//! A policy for tests.

#![allow(clippy::unwrap_used)]

use super::Policy;
use super::network::{Activation, MlpSizes, Network};
use crate::envs::registry::EnvSpec;

/// Returns a policy with random weights and 16 hidden values.
pub(crate) fn random_policy(spec: &dyn EnvSpec) -> Policy {
    let sizes = MlpSizes {
        embedding_size: 16,
        common_layers: vec![],
        policy_layers: vec![],
        value_layers: vec![],
        activation: Activation::Tanh,
    };
    let network = Network::mlp(spec.observation_space(), spec.action_space(), &sizes).unwrap();
    Policy::initial(network, spec.name(), spec.params(), spec.twists(), 0).unwrap()
}
