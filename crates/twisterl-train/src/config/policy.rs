//! The `policy` part of a config.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twisterl_core::policy::network::{Activation, MlpSizes};
use twisterl_core::symmetry::Symmetry;

/// The kinds of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub enum PolicyClass {
    /// A multi-layer perceptron with an action and a value head.
    #[default]
    BasicPolicy,
}

impl TryFrom<String> for PolicyClass {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match super::explain::short_name(&name) {
            "BasicPolicy" | "Mlp" => Ok(Self::BasicPolicy),
            "Conv1dPolicy" => {
                Err(format!("expected BasicPolicy, found {name:?}, which is not supported yet"))
            }
            _ => Err(format!("expected BasicPolicy, found {name:?}")),
        }
    }
}

impl From<PolicyClass> for String {
    fn from(class: PolicyClass) -> Self {
        match class {
            PolicyClass::BasicPolicy => "BasicPolicy".into(),
        }
    }
}

/// The function after every layer but the last of each head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActivationName {
    /// `max(x, 0)`
    #[default]
    Relu,
    /// Hyperbolic tangent.
    Tanh,
}

/// What a policy does with the symmetries of its environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SymmetryName {
    /// Nothing.
    #[default]
    None,
    /// It sees of each state and its images only the first in lexicographic order, so that the network has less to
    /// learn and the policy is symmetric by construction. For sparse observations and one discrete action.
    Canonical,
}

impl From<SymmetryName> for Symmetry {
    fn from(name: SymmetryName) -> Self {
        match name {
            SymmetryName::None => Self::None,
            SymmetryName::Canonical => Self::Canonical,
        }
    }
}

/// Sizes of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyConfig {
    /// Width of the first layer.
    #[schemars(range(min = 1, max = 65536))]
    pub embedding_size: usize,
    /// Widths of the layers that both heads share.
    #[schemars(length(max = 64), inner(range(min = 1, max = 65536)))]
    pub common_layers: Vec<usize>,
    /// Widths of the hidden layers of the action head.
    #[schemars(length(max = 64), inner(range(min = 1, max = 65536)))]
    pub policy_layers: Vec<usize>,
    /// Widths of the hidden layers of the value head.
    #[schemars(length(max = 64), inner(range(min = 1, max = 65536)))]
    pub value_layers: Vec<usize>,
    /// The function after every layer but the last of each head.
    pub activation: ActivationName,
    /// What the policy does with the symmetries of its environment.
    pub symmetry: SymmetryName,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            embedding_size: 512,
            common_layers: vec![256],
            policy_layers: Vec::new(),
            value_layers: Vec::new(),
            activation: ActivationName::Relu,
            symmetry: SymmetryName::None,
        }
    }
}

impl PolicyConfig {
    /// The sizes from which the network description is made.
    pub fn sizes(&self) -> MlpSizes {
        MlpSizes {
            embedding_size: self.embedding_size,
            common_layers: self.common_layers.clone(),
            policy_layers: self.policy_layers.clone(),
            value_layers: self.value_layers.clone(),
            activation: match self.activation {
                ActivationName::Relu => Activation::Relu,
                ActivationName::Tanh => Activation::Tanh,
            },
        }
    }
}
