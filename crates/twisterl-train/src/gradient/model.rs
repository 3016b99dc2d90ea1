//! Networks on candle, which computes their gradients.

use crate::Result;
use crate::gradient::layers;
use crate::gradient::layers::{Apply, Parameters};
use crate::gradient::ops::Gradient;
use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Tensor, Var, bail};
use twisterl_core::Error;
use twisterl_core::policy::layers::{Embedding, Layer};
use twisterl_core::policy::network::Network;
use twisterl_core::space::{ObservationSpace, Observations};

/// Candle spreads operations on this many values or more over a pool that serialises its callers
/// (candle-core 0.11, cpu_backend/utils.rs).
const CANDLE_POOL_MIN: usize = 1 << 16;
/// The most rows of a micro-batch: more are not faster, since they do not stay in the cache.
const MAX_ROWS: usize = 256;

/// A network whose parameters are candle variables.
#[derive(Debug)]
pub struct Model {
    network: Network,
    layers: Vec<TrainableLayer>,
    /// The distribution parameters that all rows share, if there are any, and their place in the flat vector.
    shared: Option<([Var; 1], usize)>,
}

/// A layer with its variables.
#[derive(Debug)]
struct TrainableLayer {
    layer: Layer,
    op: LayerOp,
    variables: Vec<Var>,
    /// The place of the first variable in the flat vector.
    start: usize,
}

/// The application of a layer.
#[derive(Debug, Clone, Copy)]
enum LayerOp {
    /// To the ones of observations.
    Embedding,
    /// To values.
    Values(Apply),
}

impl Model {
    /// Builds a network whose parameters are all 0.
    ///
    /// # Errors
    /// If the network is inconsistent, or has a layer without a gradient.
    pub fn new(network: &Network) -> Result<Self> {
        network.check()?;
        let mut layers = Vec::new();
        let mut start = 0;
        let zeros = |shape| Var::zeros(shape, candle_core::DType::F32, &Device::Cpu);
        let mut shared = None;
        let acting = network.common().len() + network.action().len();
        for (i, layer) in network.layers().enumerate() {
            if i == acting && network.shared_parameters() > 0 {
                shared = Some(([zeros(vec![network.shared_parameters()])?], start));
                start += network.shared_parameters();
            }
            let op = match layer.kind::<Embedding>() {
                Some(_) => LayerOp::Embedding,
                None => LayerOp::Values(layers::find(layer.spec())?),
            };
            let variables = layer.parameters().into_iter().map(|parameter| zeros(parameter.shape));
            let variables = variables.collect::<candle_core::Result<Vec<_>>>()?;
            let length: usize = variables.iter().map(|v| v.elem_count()).sum();
            layers.push(TrainableLayer { layer: layer.clone(), op, variables, start });
            start += length;
        }
        Ok(Self { network: network.clone(), layers, shared })
    }

    /// Builds a network with these parameters, which are in the order and layout of [`Network::parameters`].
    ///
    /// # Errors
    /// As for [`new`](Self::new) and [`load`](Self::load).
    pub fn of(network: &Network, parameters: &[f32]) -> Result<Self> {
        let mut model = Self::new(network)?;
        model.load(parameters)?;
        Ok(model)
    }

    /// Replaces the parameters.
    ///
    /// # Errors
    /// If their number is not that of the network.
    pub fn load(&mut self, parameters: &[f32]) -> Result<()> {
        let count = self.network.parameter_count();
        if parameters.len() != count {
            return Err(
                Error::weights("all", format!("{count} parameters"), parameters.len()).into()
            );
        }
        let shared = self.shared.iter().map(|(variables, start)| (&variables[..], *start));
        for (variables, mut start) in
            self.layers.iter().map(|layer| (&layer.variables[..], layer.start)).chain(shared)
        {
            for variable in variables {
                let end = start + variable.elem_count();
                // The variables partition the parameters, whose number was checked.
                variable.inplace_op1(&Assign(&parameters[start..end]))?;
                start = end;
            }
        }
        Ok(())
    }

    /// The most rows of a micro-batch: few enough that the activations stay in the cache, and that candle computes no
    /// tensor of them on its pool.
    pub fn max_rows(&self) -> usize {
        ((CANDLE_POOL_MIN - 1) / self.network.widest().max(1)).clamp(1, MAX_ROWS)
    }

    /// Builds the graph of the action parameters, `[rows, parameters of the distribution]`, and of the values, `[rows, 1]`,
    /// of some rows. A backward pass adds the gradients of the parameters to `gradient`, or, without it, to candle's
    /// gradient store.
    ///
    /// # Errors
    /// If a row does not fit the network.
    pub fn forward(
        &self,
        observations: Observations,
        gradient: Option<&Gradient>,
    ) -> Result<(Tensor, Tensor)> {
        observations.check(&self.network.observation)?;
        let (common, heads) = self.layers.split_at(self.network.common().len());
        let (action, value) = heads.split_at(self.network.action().len());
        let observed = Input::Observations(observations);
        let features = match common {
            [] => observed,
            common => Input::Values(self.run(common, observed, gradient)?),
        };
        let mut actions = self.run(action, features.clone(), gradient)?;
        if let Some((variables, start)) = &self.shared {
            let shared = Parameters::new(variables, *start, gradient).tensor(0)?;
            let shared = shared.broadcast_left(actions.dim(0)?)?;
            actions = Tensor::cat(&[actions, shared], 1)?;
        }
        Ok((actions, self.run(value, features, gradient)?))
    }

    /// Applies layers to `input`.
    fn run(
        &self,
        layers: &[TrainableLayer],
        mut input: Input,
        gradient: Option<&Gradient>,
    ) -> Result<Tensor> {
        for TrainableLayer { layer, op, variables, start } in layers {
            let parameters = Parameters::new(variables, *start, gradient);
            let output = match (op, input, layer.kind::<Embedding>()) {
                (LayerOp::Embedding, Input::Observations(rows), Some(embedding)) => {
                    layers::embed(embedding, rows, &parameters)?
                }
                (LayerOp::Values(apply), input, _) => {
                    apply(layer.spec(), &input.values(&self.network.observation)?, &parameters)?
                }
                (LayerOp::Embedding, ..) => {
                    let expected = "an embedding on observations";
                    return Err(Error::config("policy", expected, "one on values").into());
                }
            };
            if output.dims().get(1..) != Some(layer.output()) {
                let found = format!("{:?} of {}", output.dims(), layer.spec().type_name());
                let expected = format!("rows of shape {:?}", layer.output());
                return Err(Error::config(layer.name(), expected, found).into());
            }
            input = Input::Values(output);
        }
        input.values(&self.network.observation)
    }
}

/// The input of a layer.
#[derive(Clone)]
enum Input {
    Observations(Observations),
    /// `[rows, ..shape]`
    Values(Tensor),
}

impl Input {
    /// Returns the input as `[rows, ..shape]`; bits are zeros and ones, and dense values beside them follow in one vector.
    fn values(self, space: &ObservationSpace) -> Result<Tensor> {
        let observations = match self {
            Self::Values(values) => return Ok(values),
            Self::Observations(observations) => observations,
        };
        let rows = observations.len();
        // `Network::check` compared the sizes with its limits.
        let (Some(bits), Some(values)) = (space.bits(), space.values()) else {
            return Err(Error::internal("an observation space larger than its network").into());
        };
        let shape = match space {
            ObservationSpace::Dense { shape } | ObservationSpace::SparseBinary { shape } => {
                [&[rows], &shape[..]].concat()
            }
            ObservationSpace::Mixed { .. } => vec![rows, bits + values],
        };
        if let ObservationSpace::Dense { .. } = space {
            return Ok(Tensor::from_slice(observations.dense(), shape, &Device::Cpu)?);
        }
        let mut numbers = vec![0.0; rows * (bits + values)];
        observations.write(0..rows, (bits, values), &mut numbers)?;
        Ok(Tensor::from_vec(numbers, shape, &Device::Cpu)?)
    }
}

/// Overwrites a variable without the intermediate tensor of `Var::set`.
struct Assign<'a>(&'a [f32]);

impl InplaceOp1 for Assign<'_> {
    fn name(&self) -> &'static str {
        "assign"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let place = layout.contiguous_offsets().map(|(start, end)| start..end);
        match (storage, place) {
            (CpuStorage::F32(values), Some(place)) if place.len() == self.0.len() => {
                // The storage of a variable holds all its values.
                values[place].copy_from_slice(self.0);
                Ok(())
            }
            _ => bail!("assign: expected {} contiguous f32 values", self.0.len()),
        }
    }
}

/// Computes the action parameters, `[rows, parameters of the distribution]`, and values, `[rows]`, of all `observations`.
///
/// # Errors
/// If the parameters or a row do not fit the network.
pub fn forward(
    network: &Network,
    parameters: &[f32],
    observations: &Observations,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let model = Model::of(network, parameters)?;
    let (mut logits, mut values) = (Vec::new(), Vec::new());
    for start in (0..observations.len()).step_by(model.max_rows()) {
        let mut rows = Observations::new();
        for row in start..observations.len().min(start + model.max_rows()) {
            rows.push_row(observations, row);
        }
        let (l, v) = model.forward(rows, None)?;
        logits.extend(l.flatten_all()?.to_vec1::<f32>()?);
        values.extend(v.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok((logits, values))
}

#[cfg(test)]
mod tests;
