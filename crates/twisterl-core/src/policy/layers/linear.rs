//! The dense layer.

use super::{Activation, Forward, LayerKind, Parameter, in_range, misfit, size, vectors};
use crate::policy::arithmetic::Arithmetic;
use crate::policy::layers::product::PackedLinear;
use crate::{Error, Result};
use ndarray::ArrayView2;
use pulp::Arch;
use serde::{Deserialize, Serialize};

/// `y = f(x W^T + b)` for each feature vector. Weights in memory and files: `[outputs, inputs]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// The number of inputs. If not given or equal to the width of the last axis, the layer acts on each feature
    /// vector; if equal to the size of the whole input, on the flattened input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<usize>,
    /// The number of outputs.
    pub outputs: usize,
    /// The activation of the outputs.
    #[serde(default)]
    pub activation: Activation,
}

impl Linear {
    /// Returns the number of inputs for an input of this shape.
    pub fn width(&self, input: &[usize]) -> usize {
        self.inputs.unwrap_or(vectors(input).1)
    }
}

impl LayerKind for Linear {
    const TYPE: &'static str = "linear";

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        let outputs = in_range("outputs", self.outputs)?;
        let Some((&width, rest)) = input.split_last() else {
            return Err(misfit("features to read", input));
        };
        match self.inputs {
            Some(inputs) if inputs == size(input) => Ok(vec![outputs]),
            Some(inputs) if inputs != width => {
                let expected = format!("{width}, the width of the features in {input:?}");
                Err(Error::config("inputs", expected, inputs))
            }
            _ => Ok([rest, &[outputs]].concat()),
        }
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let inputs = self.width(input);
        vec![Parameter::weight(vec![self.outputs, inputs]), Parameter::bias(self.outputs, inputs)]
    }

    fn forward(&self, input: &[usize], arithmetic: Arithmetic) -> Result<Option<Box<dyn Forward>>> {
        Ok(Some(Box::new(Dense::new(
            (self.width(input), self.outputs),
            self.activation,
            arithmetic,
        ))))
    }
}

/// A dense layer with its weights packed.
#[derive(Debug, Clone)]
pub(super) struct Dense {
    arch: Arch,
    inputs: usize,
    packed: PackedLinear,
}

impl Dense {
    /// Returns a layer of so many inputs and outputs with all weights 0.
    pub(super) fn new(
        (inputs, outputs): (usize, usize),
        activation: Activation,
        arithmetic: Arithmetic,
    ) -> Self {
        let packed = PackedLinear::new(inputs, outputs, activation, arithmetic);
        Self { arch: Arch::new(), inputs, packed }
    }

    /// Computes `out`, `[vectors, outputs]`, from `x`, `[vectors, inputs]`.
    pub(super) fn run(&self, x: &[f32], out: &mut [f32]) {
        self.packed.apply(self.arch, x, out);
    }
}

impl Forward for Dense {
    fn load(&mut self, parameters: &[f32]) {
        let outputs = self.packed.outputs();
        // Cannot fail: the weights are followed by a bias or by nothing.
        if let Some((weights, bias)) = parameters.split_at_checked(outputs * self.inputs)
            && let Ok(weights) = ArrayView2::from_shape((outputs, self.inputs), weights)
        {
            self.packed.load(0, weights, bias);
        }
    }

    fn apply(&self, x: &[f32], out: &mut [f32], _: &mut [f32]) {
        self.run(x, out);
    }
}
