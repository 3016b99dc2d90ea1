//! The network description: plain data from which core builds inference and train builds gradients.

pub use super::layers::{Activation, Layer};
use super::layers::{
    Conv1d, Embedding, Flatten, Initial, LayerInput, LayerSpec, Linear, MAX_WIDTH, Parameter,
    place, size,
};
use crate::evaluator::distribution::{ActionDistribution, DistributionSpec};
use crate::space::{ActionSpace, ObservationSpace};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The most parameters that a network may have.
const MAX_PARAMETERS: usize = 1 << 30;

/// The sizes of a multi-layer perceptron with two heads, as configs give them under `policy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MlpSizes {
    /// Width of the first layer.
    pub embedding_size: usize,
    /// Widths of the layers shared by both heads.
    pub common_layers: Vec<usize>,
    /// Widths of the hidden layers of the action head.
    pub policy_layers: Vec<usize>,
    /// Widths of the hidden layers of the value head.
    pub value_layers: Vec<usize>,
    /// The activation after every layer except the last one of each head.
    pub activation: Activation,
}

/// A trunk that reads observations, and two heads: one for the parameters of the action distribution, one for the
/// value. Without a trunk, each head reads the observation itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Description")]
pub struct Network {
    /// The observation space.
    pub observation: ObservationSpace,
    /// The action space.
    pub actions: ActionSpace,
    /// The distribution that the action head parameterises, one description per component of the action space; empty:
    /// the defaults of the components.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub distribution: Vec<DistributionSpec>,
    common: Vec<Layer>,
    action: Vec<Layer>,
    value: Vec<Layer>,
}

/// The actions that a network chooses: an action space and the distribution over it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decides {
    /// The action space.
    pub actions: ActionSpace,
    /// See [`Network::distribution`].
    pub distribution: Vec<DistributionSpec>,
}

impl From<ActionSpace> for Decides {
    fn from(actions: ActionSpace) -> Self {
        Self { actions, distribution: Vec::new() }
    }
}

impl Decides {
    /// Returns the numbers of state-dependent and of state-independent distribution parameters.
    fn widths(&self) -> Result<(usize, usize)> {
        DistributionSpec::widths(&self.actions, &self.distribution)
    }
}

/// The layers of a network.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layers {
    /// From the observation to the features.
    pub common: Vec<LayerSpec>,
    /// From the features to the state-dependent distribution parameters.
    pub action: Vec<LayerSpec>,
    /// From the features to the value, of width 1.
    pub value: Vec<LayerSpec>,
}

/// A network as written in a file, before its layers have been checked against each other.
#[derive(Deserialize)]
struct Description {
    observation: ObservationSpace,
    actions: ActionSpace,
    #[serde(default)]
    distribution: Vec<DistributionSpec>,
    common: Vec<LayerSpec>,
    action: Vec<LayerSpec>,
    value: Vec<LayerSpec>,
}

impl TryFrom<Description> for Network {
    type Error = Error;

    fn try_from(description: Description) -> Result<Self> {
        let Description { observation, actions, distribution, common, action, value } = description;
        let decides = Decides { actions, distribution };
        Self::new(observation, decides, &Layers { common, action, value })
    }
}

/// A parameter tensor and its range in the flat parameter vector.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterSpec {
    /// The name in files.
    pub name: String,
    /// The shape in memory, row-major. A bias has one dimension.
    pub shape: Vec<usize>,
    /// True if files hold the transposed matrix.
    pub transposed_in_file: bool,
    /// The range in the flat vector.
    pub range: Range<usize>,
    /// The number of inputs that each output sums over, for initialisation.
    pub fan_in: usize,
    /// The initial values.
    pub initial: Initial,
}

impl Network {
    /// Returns a network of these layers. Layers without a name are named by part and position, such as `common.0`.
    ///
    /// # Errors
    /// If layers do not fit each other or the spaces, or sizes are out of bounds. The error gives the path below the
    /// network, such as `common[1].kernel`, and both shapes.
    pub fn new(
        observation: ObservationSpace,
        decides: impl Into<Decides>,
        layers: &Layers,
    ) -> Result<Self> {
        let decides = decides.into();
        let (outputs, shared) = decides.widths()?;
        if shared > MAX_WIDTH {
            return Err(Error::config("distribution", "at most 2^24 shared parameters", shared));
        }
        let size = observation.size().filter(|&n| n > 0 && n <= MAX_WIDTH);
        let Some(size) = size else {
            let found = format!("{:?}", observation.shape());
            return Err(Error::config("observation_space", "1 to 2^24 bits or values", found));
        };
        let named = |part: &str, specs: &[LayerSpec], source: LayerInput<'_>| {
            let name =
                |(i, spec): (usize, &LayerSpec)| spec.clone().or_named(|| format!("{part}.{i}"));
            place(&specs.iter().enumerate().map(name).collect::<Vec<_>>(), part, source)
        };
        let mixed = [size];
        let input = match &observation {
            ObservationSpace::SparseBinary { shape } => LayerInput::Ones(shape),
            ObservationSpace::Mixed { .. } => LayerInput::Ones(&mixed),
            ObservationSpace::Dense { shape } => LayerInput::Values(shape),
        };
        let common = named("common", &layers.common, input)?;
        let features = common.last().map_or(input, |last| LayerInput::Values(last.output()));
        let action = named("action", &layers.action, features)?;
        let value = named("value", &layers.value, features)?;
        let Decides { actions, distribution } = decides;
        let network = Self { observation, actions, distribution, common, action, value };
        network.check_size()?;
        network.check_outputs("action", &network.action, outputs)?;
        network.check_outputs("value", &network.value, 1)?;
        Ok(network)
    }

    /// Returns a multi-layer perceptron with the peer's tensor names: `embeddings`, `common.0`, `common.2`, ...,
    /// `action.0`, ..., `value.0`, ... (the odd numbers are the activations between the layers).
    ///
    /// # Errors
    /// If a size is 0 or out of bounds.
    pub fn mlp(
        observation: ObservationSpace,
        decides: impl Into<Decides>,
        sizes: &MlpSizes,
    ) -> Result<Self> {
        let (outputs, activation) = (sizes.embedding_size, sizes.activation);
        let inputs = observation.size();
        let first = match &observation {
            ObservationSpace::SparseBinary { .. } | ObservationSpace::Mixed { .. } => {
                LayerSpec::new(Embedding { inputs, outputs, activation })?
            }
            ObservationSpace::Dense { .. } => {
                LayerSpec::new(Linear { inputs, outputs, activation })?
            }
        };
        Self::with_heads(observation, decides.into(), vec![first.named("embeddings")], sizes)
    }

    /// Returns the peer's `Conv1dPolicy`: a convolution of kernel size 1 without bias (`conv_layer`) over the vectors
    /// along axis `conv_dim` of a two-axis observation, `embedding_size` outputs in total, followed by a multi-layer
    /// perceptron.
    ///
    /// # Errors
    /// If the observation does not have two axes, or a size is 0, out of bounds, or not a multiple of the number of
    /// positions.
    pub fn conv1d(
        observation: ObservationSpace,
        decides: impl Into<Decides>,
        conv_dim: usize,
        sizes: &MlpSizes,
    ) -> Result<Self> {
        let positions = match (observation.shape(), conv_dim) {
            (&[_, positions], 0) | (&[positions, _], 1) => positions.max(1),
            (&[_, _], _) => return Err(Error::config("policy.conv_dim", "0 or 1", conv_dim)),
            (shape, _) => {
                let expected = "an environment with observations of two axes";
                return Err(Error::config("policy_cls", expected, format!("shape {shape:?}")));
            }
        };
        if !sizes.embedding_size.is_multiple_of(positions) {
            let expected = format!("a multiple of the number of positions, {positions}");
            return Err(Error::config("policy.embedding_size", expected, sizes.embedding_size));
        }
        let first = LayerSpec::new(Conv1d {
            channels: sizes.embedding_size / positions,
            kernel: 1,
            stride: 1,
            padding: 0,
            conv_dim,
            bias: false,
            activation: sizes.activation,
        })?;
        Self::with_heads(observation, decides.into(), vec![first.named("conv_layer")], sizes)
    }

    /// Returns a network of these hidden layers with a linear output layer appended to each head. If neither head has
    /// hidden layers, the features are flattened first.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn hidden(
        observation: ObservationSpace,
        decides: impl Into<Decides>,
        layers: &Layers,
    ) -> Result<Self> {
        let decides = decides.into();
        let (outputs, _) = decides.widths()?;
        let mut layers = layers.clone();
        if layers.action.is_empty() && layers.value.is_empty() && !layers.common.is_empty() {
            layers.common.push(LayerSpec::new(Flatten {})?);
        }
        for (head, outputs) in [(&mut layers.action, outputs), (&mut layers.value, 1)] {
            let last = Linear { inputs: None, outputs, activation: Activation::Identity };
            head.push(LayerSpec::new(last)?);
        }
        Self::new(observation, decides, &layers)
    }

    /// Returns `first`, which outputs `embedding_size` values, followed by the rest of a multi-layer perceptron.
    fn with_heads(
        observation: ObservationSpace,
        decides: Decides,
        first: Vec<LayerSpec>,
        sizes: &MlpSizes,
    ) -> Result<Self> {
        let activation = sizes.activation;
        let stack = |part: &str, inputs: usize, hidden: &[usize], last: Option<usize>| {
            let widths: Vec<usize> =
                std::iter::once(inputs).chain(hidden.iter().copied()).chain(last).collect();
            let layer = |(i, w): (usize, &[usize])| {
                let is_last = last.is_some() && i + 2 == widths.len();
                let activation = if is_last { Activation::Identity } else { activation };
                let linear = Linear { inputs: Some(w[0]), outputs: w[1], activation };
                Ok(LayerSpec::new(linear)?.named(format!("{part}.{}", 2 * i)))
            };
            widths.windows(2).enumerate().map(layer).collect::<Result<Vec<_>>>()
        };
        let (outputs, _) = decides.widths()?;
        let features = sizes.common_layers.last().copied().unwrap_or(sizes.embedding_size);
        let mut common = first;
        common.extend(stack("common", sizes.embedding_size, &sizes.common_layers, None)?);
        let layers = Layers {
            common,
            action: stack("action", features, &sizes.policy_layers, Some(outputs))?,
            value: stack("value", features, &sizes.value_layers, Some(1))?,
        };
        Self::new(observation, decides, &layers).map_err(|e| e.below("policy"))
    }

    /// Checks that the layers fit each other and the spaces, and that the sizes are within bounds.
    ///
    /// # Errors
    /// Names the layer and both shapes.
    pub fn check(&self) -> Result<()> {
        let specs = |layers: &[Layer]| layers.iter().cloned().map(LayerSpec::from).collect();
        let (common, action, value) =
            (specs(&self.common), specs(&self.action), specs(&self.value));
        let layers = Layers { common, action, value };
        let (actions, distribution) = (self.actions.clone(), self.distribution.clone());
        let decides = Decides { actions, distribution };
        match Self::new(self.observation.clone(), decides, &layers)? == *self {
            true => Ok(()),
            false => Err(Error::config("network", "layers on its own spaces", "others")),
        }
    }

    fn check_size(&self) -> Result<()> {
        let counts = self.layers().map(Layer::parameter_count);
        let total = counts.fold(self.shared_parameters(), usize::saturating_add);
        if total > MAX_PARAMETERS {
            return Err(Error::config("parameters", "at most 2^30 in all", total));
        }
        Ok(())
    }

    fn check_outputs(&self, part: &str, layers: &[Layer], wanted: usize) -> Result<()> {
        let outputs = layers.last().map_or(self.feature_shape(), Layer::output);
        match outputs == [wanted] && !layers.is_empty() {
            true => Ok(()),
            false => {
                let expected = format!("layers that give [{wanted}]");
                Err(Error::config(part, expected, format!("shape {outputs:?}")))
            }
        }
    }

    /// Returns the action distribution.
    ///
    /// # Errors
    /// If a description does not fit its component, or names a distribution that was not registered.
    pub fn action_distribution(&self) -> Result<ActionDistribution> {
        ActionDistribution::new(&self.actions, &self.distribution)
    }

    /// Returns the width of the action head: the number of state-dependent distribution parameters.
    pub fn action_outputs(&self) -> usize {
        self.distribution_widths().0
    }

    /// Returns the number of state-independent distribution parameters. They follow those of the action head.
    pub fn shared_parameters(&self) -> usize {
        self.distribution_widths().1
    }

    fn distribution_widths(&self) -> (usize, usize) {
        DistributionSpec::widths(&self.actions, &self.distribution).unwrap_or_default()
    }

    /// Returns the layers from the observation to the features; empty if the heads read the observation.
    pub fn common(&self) -> &[Layer] {
        &self.common
    }

    /// Returns the layers from the features to the state-dependent distribution parameters.
    pub fn action(&self) -> &[Layer] {
        &self.action
    }

    /// Returns the layers from the features to the value.
    pub fn value(&self) -> &[Layer] {
        &self.value
    }

    /// Returns all layers in the order of their parameters: common, action, value. The state-independent distribution
    /// parameters lie between action and value.
    pub fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.common.iter().chain(&self.action).chain(&self.value)
    }

    /// Returns the shape of the features that the heads read.
    pub fn feature_shape(&self) -> &[usize] {
        self.common.last().map_or(self.observation.shape(), Layer::output)
    }

    /// Returns the parameter tensors in their fixed order: layer by layer, with the state-independent distribution
    /// parameters, if any, between the two heads.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        let acting = self.common.iter().chain(&self.action).flat_map(Layer::named_parameters);
        let value = self.value.iter().flat_map(Layer::named_parameters);
        let shared = Some(self.shared_parameters())
            .filter(|&n| n > 0)
            .map(|n| Parameter::bias(n, 0).named("distribution").initially(Initial::Constant(0.0)));
        let mut start = 0;
        let mut specs = Vec::new();
        for parameter in acting.chain(shared).chain(value) {
            let range = start..start + parameter.len();
            start = range.end;
            specs.push(ParameterSpec {
                name: parameter.name,
                shape: parameter.shape,
                transposed_in_file: parameter.transposed_in_file,
                range,
                fan_in: parameter.fan_in,
                initial: parameter.initial,
            });
        }
        specs
    }

    /// Returns the number of parameters that determine actions: all except those of the value head, which come last.
    pub fn acting_parameter_count(&self) -> usize {
        let layers = self.common.iter().chain(&self.action);
        layers.map(Layer::parameter_count).sum::<usize>() + self.shared_parameters()
    }

    /// Returns the number of parameters.
    pub fn parameter_count(&self) -> usize {
        let value = self.value.iter().map(Layer::parameter_count);
        self.acting_parameter_count() + value.sum::<usize>()
    }

    /// Returns the largest output size of a layer, in values per row.
    pub fn widest(&self) -> usize {
        self.layers().map(|layer| size(layer.output())).max().unwrap_or(0)
    }
}
