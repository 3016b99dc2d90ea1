//! The embedding: the first layer on sparse observations.

use super::{Activation, Forward, LayerKind, Parameter, in_range, misfit, size};
use crate::policy::arithmetic::Arithmetic;
use crate::policy::layers::product::embedding_bag;
use crate::space::Observations;
use crate::{Error, Result};
use pulp::Arch;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The sum of the weight rows of the ones of a sparse binary observation, plus a bias: a linear layer on all bits at
/// the cost of the ones. Weight rows of dense values beside the bits follow those of the bits and are multiplied by the
/// values. Only valid as the first layer. Weights in memory: `[inputs, outputs]`; in files, as for a linear layer:
/// `[outputs, inputs]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    /// The number of bits and values; that of the observation if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<usize>,
    /// The number of outputs.
    pub outputs: usize,
    /// The activation of the outputs.
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

    fn forward(&self, input: &[usize], _: Arithmetic) -> Result<Option<Box<dyn Forward>>> {
        Err(misfit("an embedding to come first, on sparse observations", input))
    }
}

/// An embedding laid out for inference on sparse rows.
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
    /// Returns an embedding of this many bits and values with all weights 0.
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

    /// Returns the number of outputs.
    pub(crate) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Returns the number of weights.
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

    /// Computes `out`, `[rows, outputs]`, from these rows of `observations`.
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
