//! The network description on candle: the executor that has gradients.

use crate::Result;
use crate::ops::Sink;
use crate::ops::embedding_bag::EmbeddingBag;
use crate::ops::linear::Linear;
use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Tensor, Var, bail};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use twisterl_core::Error;
use twisterl_core::policy::network::{Layer, Network};
use twisterl_core::space::Observations;

/// Candle spreads operations on this many values or more over a pool that serialises its callers
/// (candle-core 0.11, cpu_backend/utils.rs).
const CANDLE_POOL_MIN: usize = 1 << 16;
/// More rows than this gain nothing, and less of them stays in the cache.
const MAX_ROWS: usize = 256;

/// A network whose parameters are candle variables.
#[derive(Debug)]
pub struct Model {
    network: Network,
    layers: Vec<Parameters>,
}

/// The variables of one layer.
#[derive(Debug)]
struct Parameters {
    weight: Var,
    bias: Var,
    /// Place of both in the flat vector.
    place: Range<usize>,
}

/// A flat gradient that the backward pass of a micro-batch adds to.
pub type Gradient = Arc<Mutex<Vec<f32>>>;

impl Model {
    /// Lays out `parameters`, which are in the order and layout of [`Network::parameters`].
    ///
    /// # Errors
    /// If the network is inconsistent or the number of parameters is not that of the network.
    pub fn new(network: &Network, parameters: &[f32]) -> Result<Self> {
        network.check()?;
        let mut layers = Vec::new();
        let mut start = 0;
        for layer in network.layers() {
            let (inputs, outputs) = layer.shape();
            let shape = match layer {
                Layer::Embedding { .. } => (inputs, outputs),
                Layer::Linear { .. } => (outputs, inputs),
            };
            let end = start + (inputs + 1) * outputs;
            layers.push(Parameters {
                weight: Var::zeros(shape, candle_core::DType::F32, &Device::Cpu)?,
                bias: Var::zeros(outputs, candle_core::DType::F32, &Device::Cpu)?,
                place: start..end,
            });
            start = end;
        }
        let mut model = Self { network: network.clone(), layers };
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
        for layer in &self.layers {
            let values = parameters.get(layer.place.clone()).unwrap_or(&[]);
            let (weight, bias) = values.split_at(layer.weight.elem_count());
            layer.weight.inplace_op1(&Assign(weight))?;
            layer.bias.inplace_op1(&Assign(bias))?;
        }
        Ok(())
    }

    /// The most rows of a micro-batch: few enough that the activations stay in the cache and that no tensor of them
    /// is spread over candle's pool.
    pub fn max_rows(&self) -> usize {
        let widest = self.network.layers().map(|l| l.shape().1).max().unwrap_or(1);
        ((CANDLE_POOL_MIN - 1) / widest).clamp(1, MAX_ROWS)
    }

    /// The graph of (logits, values) of some rows: (rows, action outputs) and (rows, 1). With a `gradient`, a backward
    /// pass adds the gradients of the parameters to it; without, candle's gradient store gets them.
    ///
    /// # Errors
    /// If a row does not fit the network.
    pub fn forward(
        &self,
        observations: Observations,
        gradient: Option<&Gradient>,
    ) -> Result<(Tensor, Tensor)> {
        observations.check(&self.network.observation)?;
        let mut layers = self.network.layers().zip(&self.layers);
        let features = match layers.next() {
            Some((Layer::Embedding { activation, .. }, parameters)) => {
                let sink = parameters.sink(gradient);
                EmbeddingBag { rows: observations, activation: *activation, sink }
                    .apply(&parameters.weight, &parameters.bias)?
            }
            Some((layer, parameters)) => {
                let (rows, inputs) = (observations.len(), layer.shape().0);
                let x = Tensor::from_slice(observations.dense(), (rows, inputs), &Device::Cpu)?;
                parameters.linear(layer, &x, gradient)?
            }
            None => return Err(Error::config("policy.common", "at least one layer", 0).into()),
        };
        let mut run = |count: usize, mut x: Tensor| -> Result<Tensor> {
            for (layer, parameters) in layers.by_ref().take(count) {
                x = parameters.linear(layer, &x, gradient)?;
            }
            Ok(x)
        };
        let features = run(self.network.common.len() - 1, features)?;
        let logits = run(self.network.action.len(), features.clone())?;
        let values = run(self.network.value.len(), features)?;
        Ok((logits, values))
    }
}

impl Parameters {
    fn sink(&self, gradient: Option<&Gradient>) -> Option<Sink> {
        gradient.map(|gradient| Sink::new(gradient.clone(), self.place.clone()))
    }

    fn linear(
        &self,
        layer: &Layer,
        x: &Tensor,
        gradient: Option<&Gradient>,
    ) -> candle_core::Result<Tensor> {
        Linear { activation: layer.activation(), sink: self.sink(gradient) }.apply(
            x,
            &self.weight,
            &self.bias,
        )
    }
}

/// Overwrites a variable, without the tensor that `Var::set` would copy from.
struct Assign<'a>(&'a [f32]);

impl InplaceOp1 for Assign<'_> {
    fn name(&self) -> &'static str {
        "assign"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let place = layout.contiguous_offsets().map(|(start, end)| start..end);
        match (storage, place) {
            (CpuStorage::F32(values), Some(place)) if place.len() == self.0.len() => {
                if let Some(values) = values.get_mut(place) {
                    values.copy_from_slice(self.0);
                }
                Ok(())
            }
            _ => bail!("assign: expected {} contiguous f32 values", self.0.len()),
        }
    }
}

/// Inference: logits (rows x action outputs) and values (rows) of all `observations`.
///
/// # Errors
/// If the parameters or a row do not fit the network.
pub fn forward(
    network: &Network,
    parameters: &[f32],
    observations: &Observations,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let model = Model::new(network, parameters)?;
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
