//! The `policy` part of a config.

use super::distribution::DistributionConfig;
use crate::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use twisterl_core::policy::init::{Init, Scheme};
use twisterl_core::policy::layers::LayerSpec;
use twisterl_core::policy::network::{Activation, Layers, MlpSizes};
use twisterl_core::policy::scaling::Scaling;
use twisterl_core::space::ObservationSpace;
use twisterl_core::space::symmetry::Symmetry;

/// The kinds of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub enum PolicyClass {
    /// A multi-layer perceptron with an action and a value head.
    #[default]
    BasicPolicy,
    /// The same after a convolution along one axis of the observation.
    Conv1dPolicy,
}

impl TryFrom<String> for PolicyClass {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match super::explain::short_name(&name) {
            "BasicPolicy" | "Mlp" => Ok(Self::BasicPolicy),
            "Conv1dPolicy" => Ok(Self::Conv1dPolicy),
            _ => Err(format!("expected BasicPolicy or Conv1dPolicy, found {name:?}")),
        }
    }
}

impl From<PolicyClass> for String {
    fn from(class: PolicyClass) -> Self {
        match class {
            PolicyClass::BasicPolicy => "BasicPolicy".into(),
            PolicyClass::Conv1dPolicy => "Conv1dPolicy".into(),
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
    /// `x Φ(x)`, Φ being the normal distribution function.
    Gelu,
    /// `x / (1 + exp(-x))`
    Silu,
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

/// The layers of a network. The last layer of each head, which gives a logit for each action or the value, follows by
/// itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LayersConfig {
    /// Layers that both heads share, each an object with its `type` and the fields of that; none: each head reads the
    /// observation itself.
    #[schemars(with = "Vec<Map<String, Value>>", length(max = 64))]
    pub common: Vec<LayerSpec>,
    /// Layers of the action head.
    #[schemars(with = "Vec<Map<String, Value>>", length(max = 64))]
    pub action: Vec<LayerSpec>,
    /// Layers of the value head.
    #[schemars(with = "Vec<Map<String, Value>>", length(max = 64))]
    pub value: Vec<LayerSpec>,
}

impl LayersConfig {
    /// What the network is made of.
    pub fn layers(&self) -> Layers {
        let Self { common, action, value } = self.clone();
        Layers { common, action, value }
    }
}

/// What weights begin as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemeName {
    /// Uniform in `±gain / sqrt(inputs)`, biases too, as PyTorch has it by default.
    #[default]
    Uniform,
    /// Orthogonal rows or columns of length `gain` (Saxe et al. 2013), biases 0.
    Orthogonal,
    /// Normal with standard deviation `gain / sqrt(inputs)` (He et al. 2015), biases 0.
    He,
}

/// How weights begin.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InitConfig {
    /// Their distribution.
    pub scheme: SchemeName,
    /// Gain of all but the last layers of the heads; if not given, 1 for `uniform` and the root of 2 for the others.
    #[schemars(range(min = 0, max = 1000))]
    pub gain: Option<f64>,
    /// Gain of the last layer of the action head; if not given, 1 for `uniform` and 0.01 for the others.
    #[schemars(range(min = 0, max = 1000))]
    pub action_gain: Option<f64>,
    /// Gain of the last layer of the value head; if not given, 1.
    #[schemars(range(min = 0, max = 1000))]
    pub value_gain: Option<f64>,
}

impl InitConfig {
    /// The scheme with its gains.
    pub fn init(&self) -> Init {
        let scheme = match self.scheme {
            SchemeName::Uniform => Scheme::Uniform,
            SchemeName::Orthogonal => Scheme::Orthogonal,
            SchemeName::He => Scheme::He,
        };
        let usual = scheme.with_usual_gains();
        let given = |gain: Option<f64>, usual| gain.map_or(usual, |gain| gain as f32);
        Init {
            scheme,
            gain: given(self.gain, usual.gain),
            action_gain: given(self.action_gain, usual.action_gain),
            value_gain: given(self.value_gain, usual.value_gain),
        }
    }
}

/// The network of a policy: by its sizes, or by its layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The axis of the observation that is convolved away, 0 or 1, for Conv1dPolicy: the vectors along it, of which the other
    /// axis has as many as it is long, go through the same `embedding_size / length` units.
    #[schemars(range(max = 1))]
    pub conv_dim: usize,
    /// Layers of any kind, instead of what the sizes above say.
    pub layers: Option<LayersConfig>,
    /// What the weights begin as.
    pub init: InitConfig,
    /// What the policy does with the symmetries of its environment.
    pub symmetry: SymmetryName,
    /// Whether the policy may take its last move back when it plays: in evaluations, and in solving without a tree or a beam.
    /// Most failures of greedy play are pairs of states that lead to each other, which false rules out. Training plays freely
    /// but for ES. For environments that declare the inverse of each action.
    pub backtracking: bool,
    /// Scale the numbers of observations to mean 0 and standard deviation 1 over all that was seen in training. The
    /// statistics are part of the policy. For PPO.
    pub normalize_observations: bool,
    /// Normalised numbers are cut to this magnitude.
    #[schemars(range(max = 1e9), extend("exclusiveMinimum" = 0))]
    pub clip_observations: f64,
    /// How the network's outputs become actions, one entry for each component of an action; none: `categorical`,
    /// `bernoulli` and `gaussian`, as the components are.
    #[schemars(length(max = 1024))]
    pub distribution: Vec<DistributionConfig>,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            embedding_size: 512,
            common_layers: vec![256],
            policy_layers: Vec::new(),
            value_layers: Vec::new(),
            activation: ActivationName::Relu,
            conv_dim: 0,
            layers: None,
            init: InitConfig::default(),
            symmetry: SymmetryName::None,
            backtracking: true,
            normalize_observations: false,
            clip_observations: 10.0,
            distribution: Vec::new(),
        }
    }
}

impl PolicyConfig {
    /// How observations of `space` are scaled before anything is known of them.
    ///
    /// # Errors
    /// If they have no numbers to scale.
    pub fn scaling(&self, space: &ObservationSpace) -> crate::Result<Option<Scaling>> {
        match (self.normalize_observations, space.values().unwrap_or(0)) {
            (false, _) => Ok(None),
            (true, 0) => Err(Error::config(
                "policy.normalize_observations",
                "false for an environment that shows no numbers",
                "true",
            )),
            (true, width) => Ok(Some(Scaling::identity(width, self.clip_observations as f32))),
        }
    }

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
                ActivationName::Gelu => Activation::Gelu,
                ActivationName::Silu => Activation::Silu,
            },
        }
    }
}
