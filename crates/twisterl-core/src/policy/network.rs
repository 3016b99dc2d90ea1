//! The network description: plain data from which core builds its inference and train its gradients.

use crate::space::{ActionComponent, ActionSpace, ObservationSpace};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The most values that a layer may have, so that a hostile description is refused before memory is asked for.
const MAX_WIDTH: usize = 1 << 24;
/// The most parameters that a network may have.
const MAX_PARAMETERS: usize = 1 << 30;

/// The function applied to each output of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`
    #[default]
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// `x`: none.
    Identity,
}

/// One layer. Its name is that of its tensors in a file, without `.weight` and `.bias`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Layer {
    /// Sum of the weight rows of the ones of a sparse binary input, plus a bias.
    /// Weights in memory: `(inputs, outputs)`; in a file, as for a linear layer: `(outputs, inputs)`.
    Embedding {
        /// Name of its tensors.
        name: String,
        /// Number of bits.
        inputs: usize,
        /// Width.
        outputs: usize,
        /// Applied to the outputs.
        activation: Activation,
    },
    /// `y = x W^T + b`. Weights in memory and file: `(outputs, inputs)`.
    Linear {
        /// Name of its tensors.
        name: String,
        /// Width of the input.
        inputs: usize,
        /// Width of the output.
        outputs: usize,
        /// Applied to the outputs.
        activation: Activation,
    },
}

impl Layer {
    /// Name of its tensors.
    pub fn name(&self) -> &str {
        match self {
            Self::Embedding { name, .. } | Self::Linear { name, .. } => name,
        }
    }

    /// Widths of input and output.
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Self::Embedding { inputs, outputs, .. } | Self::Linear { inputs, outputs, .. } => {
                (*inputs, *outputs)
            }
        }
    }

    /// The function applied to its outputs.
    pub fn activation(&self) -> Activation {
        match self {
            Self::Embedding { activation, .. } | Self::Linear { activation, .. } => *activation,
        }
    }
}

/// The sizes of a multi-layer perceptron with two heads, as configs give them under `policy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MlpSizes {
    /// Width of the first layer.
    pub embedding_size: usize,
    /// Widths of the layers that both heads share.
    pub common_layers: Vec<usize>,
    /// Widths of the hidden layers of the action head.
    pub policy_layers: Vec<usize>,
    /// Widths of the hidden layers of the value head.
    pub value_layers: Vec<usize>,
    /// Applied after every layer but the last of each head.
    pub activation: Activation,
}

/// A trunk that reads observations, and two heads on it: one for the parameters of the action distribution, one
/// for the value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// What it reads.
    pub observation: ObservationSpace,
    /// What its action head is for.
    pub actions: ActionSpace,
    /// From the observation to the features.
    pub common: Vec<Layer>,
    /// From the features to the distribution's parameters (logits).
    pub action: Vec<Layer>,
    /// From the features to the value, of width 1.
    pub value: Vec<Layer>,
}

/// A parameter tensor's place in the flat vector of all parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSpec {
    /// Name in files.
    pub name: String,
    /// Shape in memory, row-major. A bias has one dimension.
    pub shape: Vec<usize>,
    /// Whether a file holds the transposed matrix.
    pub transposed_in_file: bool,
    /// Place in the flat vector.
    pub range: Range<usize>,
    /// Width of the layer's input, for initialisation.
    pub fan_in: usize,
}

impl Network {
    /// A multi-layer perceptron under the peer's tensor names: `embeddings`, `common.0`, `common.2`, ...,
    /// `action.0`, ..., `value.0`, ... (the odd numbers are the activations between the layers).
    ///
    /// # Errors
    /// If a size is 0 or absurdly large.
    pub fn mlp(
        observation: ObservationSpace,
        actions: ActionSpace,
        sizes: &MlpSizes,
    ) -> Result<Self> {
        let inputs = observation.size().filter(|&n| n > 0 && n <= MAX_WIDTH).ok_or_else(|| {
            Error::config(
                "observation_space",
                "1 to 2^24 bits or values",
                format!("{:?}", observation.shape()),
            )
        })?;
        let outputs: usize = actions
            .components()
            .iter()
            .map(|c| match c {
                ActionComponent::Discrete { n } => *n,
                ActionComponent::Continuous { low, .. } => low.len(),
            })
            .sum();
        let activation = sizes.activation;
        let first = match &observation {
            ObservationSpace::SparseBinary { .. } => Layer::Embedding {
                name: "embeddings".into(),
                inputs,
                outputs: sizes.embedding_size,
                activation,
            },
            ObservationSpace::Dense { .. } => Layer::Linear {
                name: "embeddings".into(),
                inputs,
                outputs: sizes.embedding_size,
                activation,
            },
        };
        let stack = |part: &str, inputs: usize, hidden: &[usize], last: Option<usize>| {
            let widths: Vec<usize> =
                std::iter::once(inputs).chain(hidden.iter().copied()).chain(last).collect();
            widths
                .windows(2)
                .enumerate()
                .map(|(i, w)| Layer::Linear {
                    name: format!("{part}.{}", 2 * i),
                    inputs: w[0],
                    outputs: w[1],
                    activation: if last.is_some() && i + 2 == widths.len() {
                        Activation::Identity
                    } else {
                        activation
                    },
                })
                .collect::<Vec<_>>()
        };
        let features = sizes.common_layers.last().copied().unwrap_or(sizes.embedding_size);
        let mut common = vec![first];
        common.extend(stack("common", sizes.embedding_size, &sizes.common_layers, None));
        let network = Self {
            action: stack("action", features, &sizes.policy_layers, Some(outputs)),
            value: stack("value", features, &sizes.value_layers, Some(1)),
            observation,
            actions,
            common,
        };
        network.check()?;
        Ok(network)
    }

    /// Whether the layers fit each other and the spaces, and the sizes are within bounds.
    ///
    /// # Errors
    /// Names the layer and both shapes.
    pub fn check(&self) -> Result<()> {
        let input = self.observation.size().unwrap_or(0);
        let mut total = 0usize;
        let mut follow = |layers: &[Layer], mut width: usize| {
            for layer in layers {
                let (inputs, outputs) = layer.shape();
                let path = format!("policy.{}", layer.name());
                if inputs != width {
                    return Err(Error::config(path, format!("{width} inputs"), inputs));
                }
                if outputs == 0 || outputs > MAX_WIDTH {
                    return Err(Error::config(path, "a width of 1 to 2^24", outputs));
                }
                total = total.saturating_add(inputs.saturating_add(1).saturating_mul(outputs));
                if total > MAX_PARAMETERS {
                    return Err(Error::config(path, "at most 2^30 parameters in all", total));
                }
                width = outputs;
            }
            Ok(width)
        };
        let features = follow(&self.common, input)?;
        let outputs = follow(&self.action, features)?;
        let value = follow(&self.value, features)?;
        let sparse = matches!(self.observation, ObservationSpace::SparseBinary { .. });
        for (i, layer) in self.layers().enumerate() {
            if matches!(layer, Layer::Embedding { .. }) != (sparse && i == 0) {
                return Err(Error::config(
                    format!("policy.{}", layer.name()),
                    "an embedding first, and only there, on sparse observations",
                    format!("{layer:?}"),
                ));
            }
        }
        let wanted = self.action_outputs();
        if outputs != wanted {
            return Err(Error::config("policy.action", format!("{wanted} outputs"), outputs));
        }
        if value != 1 {
            return Err(Error::config("policy.value", "1 output", value));
        }
        Ok(())
    }

    /// The width of the action head: a logit for each discrete choice, a mean for each continuous value.
    pub fn action_outputs(&self) -> usize {
        self.actions.mask_width() + self.actions.continuous_width()
    }

    /// All layers in the order of their parameters: common, action, value.
    pub fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.common.iter().chain(&self.action).chain(&self.value)
    }

    /// The width of the features that the heads read.
    pub fn features(&self) -> usize {
        self.common.last().map_or(0, |l| l.shape().1)
    }

    /// The parameter tensors in their fixed order: each layer's weight, then its bias.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        let mut start = 0;
        let mut specs = Vec::new();
        for layer in self.layers() {
            let (inputs, outputs) = layer.shape();
            let transposed = matches!(layer, Layer::Embedding { .. });
            let weight = if transposed { vec![inputs, outputs] } else { vec![outputs, inputs] };
            for (name, shape, transposed_in_file) in
                [("weight", weight, transposed), ("bias", vec![outputs], false)]
            {
                let size = shape.iter().product::<usize>();
                specs.push(ParameterSpec {
                    name: format!("{}.{name}", layer.name()),
                    shape,
                    transposed_in_file,
                    range: start..start + size,
                    fan_in: inputs,
                });
                start += size;
            }
        }
        specs
    }

    /// The number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.layers()
            .map(|l| {
                let (inputs, outputs) = l.shape();
                (inputs + 1) * outputs
            })
            .sum()
    }
}
