//! The first layer on sparse observations.

use super::{Activation, Forward, LayerKind, Parameter, in_range, misfit, size};
use crate::policy::layers::product::embedding_bag;
use crate::space::Observations;
use crate::{Error, Result};
use pulp::Arch;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Sum of the weight rows of the ones of a sparse binary observation, plus a bias: what a linear layer is on all of its
/// bits, at the cost of its ones. Where there are dense values beside the bits, their rows follow those of the bits, and
/// count as often as the values say. It can only come first. Weights in memory: `(inputs, outputs)`; in a file, as for a
/// linear layer: `(outputs, inputs)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    /// Number of bits and values; where not given, that of the observation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<usize>,
    /// Width.
    pub outputs: usize,
    /// Applied to the outputs.
    #[serde(default)]
    pub activation: Activation,
}

impl LayerKind for Embedding {
    const TYPE: &'static str = "embedding";

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        let bits = size(input);
        if let Some(inputs) = self.inputs
            && inputs != bits
        {
            return Err(Error::config("inputs", format!("{bits} inputs"), inputs));
        }
        Ok(vec![in_range("outputs", self.outputs)?])
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let bits = size(input);
        let weight = Parameter {
            transposed_in_file: true,
            fan_in: bits,
            ..Parameter::weight(vec![bits, self.outputs])
        };
        vec![weight, Parameter::bias(self.outputs, bits)]
    }

    fn forward(&self, input: &[usize]) -> Result<Option<Box<dyn Forward>>> {
        Err(misfit("an embedding to come first, on sparse observations", input))
    }
}

/// An embedding laid out for inference, which reads sparse rows.
#[derive(Debug, Clone)]
pub(crate) struct Bag {
    arch: Arch,
    bits: usize,
    values: usize,
    activation: Activation,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Bag {
    /// Room for an embedding of this many bits and values; all weights 0.
    pub(crate) fn new(embedding: &Embedding, bits: usize, values: usize) -> Self {
        let outputs = embedding.outputs;
        Self {
            arch: Arch::new(),
            bits,
            values,
            activation: embedding.activation,
            weights: vec![0.0; (bits + values) * outputs],
            bias: vec![0.0; outputs],
        }
    }

    /// Its width.
    pub(crate) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// The number of weights.
    pub(crate) fn len(&self) -> usize {
        self.weights.len() + self.bias.len()
    }

    /// Replaces the weights.
    pub(crate) fn load(&mut self, parameters: &[f32]) {
        if let Some((weights, bias)) = parameters.split_at_checked(self.weights.len())
            && bias.len() == self.bias.len()
        {
            self.weights.copy_from_slice(weights);
            self.bias.copy_from_slice(bias);
        }
    }

    /// `out` (rows x outputs) from these rows of `observations`.
    pub(crate) fn run(
        &self,
        observations: &Observations,
        rows: Range<usize>,
        out: &mut [f32],
    ) -> Result<()> {
        observations.dense_rows(rows.clone(), self.values)?;
        for (row, out) in rows.zip(out.chunks_exact_mut(self.bias.len())) {
            let ones = observations.ones(row);
            if let Some(index) = ones.iter().find(|&&i| i as usize >= self.bits) {
                return Err(Error::observation(format!("indices below {}", self.bits), index));
            }
            let seen = (ones, observations.values(row));
            embedding_bag(self.arch, &self.weights, &self.bias, seen, self.activation, out);
        }
        Ok(())
    }
}
