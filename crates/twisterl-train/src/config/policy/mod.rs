//! The section `policy`.

mod distribution;

pub(crate) use distribution::descriptions;
pub use distribution::{DistributionConfig, LogStdName};

use super::limits::MAX_WEIGHTS;
use super::names::class;
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use twisterl_core::error::from_serde::describe;
use twisterl_core::policy::init::{Init, Scheme};
use twisterl_core::policy::layers::LayerSpec;
use twisterl_core::policy::network::{Activation, Layers, MlpSizes};
use twisterl_core::policy::scaling::Scaling;
use twisterl_core::space::ObservationSpace;
use twisterl_core::space::symmetry::Symmetry;

/// The kinds of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PolicyClass {
    /// A multi-layer perceptron with an action and a value head.
    #[default]
    BasicPolicy,
    /// The same after a convolution along one axis of the observation.
    Conv1dPolicy,
}

impl PolicyClass {
    /// The name that a resolved config gives.
    pub fn name(self) -> &'static str {
        match self {
            Self::BasicPolicy => "BasicPolicy",
            Self::Conv1dPolicy => "Conv1dPolicy",
        }
    }

    /// Returns the policy of a name, whose module path is ignored: `twisterl.nn.BasicPolicy` is `BasicPolicy`.
    ///
    /// # Errors
    /// If there is none.
    pub fn parse(name: &str) -> Result<Self> {
        let known = [
            ("BasicPolicy", Self::BasicPolicy),
            ("Mlp", Self::BasicPolicy),
            ("Conv1dPolicy", Self::Conv1dPolicy),
        ];
        class::parse("policy_cls", name, &known)
    }
}

/// The activation after every layer except the last of each head.
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

/// The use of the symmetries of the environment by the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SymmetryName {
    /// None.
    #[default]
    None,
    /// The policy sees of each state and its symmetric images only the first in lexicographic order, so the network has
    /// less to learn and the policy is symmetric by construction. For sparse observations and one discrete action.
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

/// The layers of a network. The last layer of each head, which computes the logits of the actions or the value, is added
/// to them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LayersConfig {
    /// Layers that both heads share, each an object with its `type` and the fields of that type; none: each head reads the
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
    /// Reads the layers from JSON.
    ///
    /// # Errors
    /// If one cannot be read, with the path below `layers`.
    pub(super) fn read(mut value: Value) -> twisterl_core::Result<Self> {
        let Some(lists) = value.as_object_mut() else {
            return Err(twisterl_core::Error::config("", "an object", describe(&value)));
        };
        let mut list = |name: &str| match lists.shift_remove(name) {
            Some(list) => LayerSpec::list(list).map_err(|error| error.below(name)),
            None => Ok(Vec::new()),
        };
        Ok(Self { common: list("common")?, action: list("action")?, value: list("value")? })
    }

    /// The layers of the network.
    pub fn layers(&self) -> Layers {
        let Self { common, action, value } = self.clone();
        Layers { common, action, value }
    }
}

/// The distribution of initial weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemeName {
    /// Uniform in `±gain / sqrt(inputs)`, biases too, as is the default of PyTorch.
    #[default]
    Uniform,
    /// Orthogonal rows or columns of length `gain` (Saxe et al. 2013), biases 0.
    Orthogonal,
    /// Normal with standard deviation `gain / sqrt(inputs)` (He et al. 2015), biases 0.
    He,
}

/// The initial weights.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct InitConfig {
    /// Their distribution.
    pub scheme: SchemeName,
    /// Gain of all layers except the last ones of the heads; if not given, 1 for `uniform` and the square root of 2 for the
    /// others.
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
    /// Returns the scheme with its gains.
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
#[serde(default)]
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
    /// The activation after every layer except the last of each head.
    pub activation: ActivationName,
    /// The axis of the observation that is convolved away, 0 or 1, for `Conv1dPolicy`: the vectors along it, one for each
    /// position on the other axis, go through the same `embedding_size / length` units.
    #[schemars(range(max = 1))]
    pub conv_dim: usize,
    /// Layers of any kind, instead of those that the sizes describe.
    pub layers: Option<LayersConfig>,
    /// The initial weights.
    pub init: InitConfig,
    /// The use of the symmetries of the environment.
    pub symmetry: SymmetryName,
    /// Allow the policy to undo its previous move when it plays: in evaluations, and in solving without a tree or a beam.
    /// Most failures of greedy play oscillate between two states, which `false` prevents; the environment must then declare
    /// the inverse of each action. Training plays with backtracking, except for ES.
    pub backtracking: bool,
    /// Scale the numbers of observations to mean 0 and standard deviation 1 over all observations of training. The
    /// statistics are part of the policy.
    #[schemars(extend("x-algorithms" = ["PPO"]))]
    pub normalize_observations: bool,
    /// Normalised numbers are clipped to this magnitude.
    #[schemars(range(max = 1e9), extend("exclusiveMinimum" = 0, "x-algorithms" = ["PPO"]))]
    pub clip_observations: f64,
    /// The distributions that turn the outputs of the network into actions, one for each component of an action; none:
    /// `categorical`, `bernoulli` or `gaussian`, by the kind of the component.
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
    /// Checks that the network is not too large.
    pub(super) fn check(&self) -> Result<()> {
        let weights = |first: usize, layers: &[usize]| {
            let inputs = std::iter::once(&first).chain(layers);
            layers.iter().zip(inputs).map(|(a, b)| a * b).sum::<usize>()
        };
        let features = *self.common_layers.last().unwrap_or(&self.embedding_size);
        let total = weights(self.embedding_size, &self.common_layers)
            + weights(features, &self.policy_layers)
            + weights(features, &self.value_layers);
        if total > MAX_WEIGHTS {
            let expected = format!("at most {MAX_WEIGHTS} weights between hidden layers");
            return Err(Error::config("policy", expected, total));
        }
        Ok(())
    }

    /// Returns the scaling of observations of `space` before any have been seen.
    ///
    /// # Errors
    /// If they have no numbers to scale.
    pub fn scaling(&self, space: &ObservationSpace) -> Result<Option<Scaling>> {
        match (self.normalize_observations, space.values().unwrap_or(0)) {
            (false, _) => Ok(None),
            (true, 0) => Err(Error::config(
                "policy.normalize_observations",
                "false for an environment without numbers in its observations",
                "true",
            )),
            (true, width) => Ok(Some(Scaling::identity(width, self.clip_observations as f32))),
        }
    }

    /// The sizes of the network.
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
