//! Layer normalisation.

use super::{Forward, Initial, LayerKind, Parameter, vectors};
use crate::policy::arithmetic::Arithmetic;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Normalises each feature vector to mean 0 and standard deviation 1, followed by a learned weight and bias (Ba, Kiros
/// and Hinton, "Layer normalization", 2016).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LayerNorm {
    /// Added to the variance.
    pub eps: f32,
}

impl Default for LayerNorm {
    fn default() -> Self {
        Self { eps: 1e-5 }
    }
}

impl LayerNorm {
    /// Returns the mean and the reciprocal standard deviation of a feature vector.
    pub fn moments(&self, x: &[f32]) -> (f32, f32) {
        let n = x.len().max(1) as f32;
        let mean = x.iter().sum::<f32>() / n;
        let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n;
        (mean, 1.0 / (variance + self.eps).sqrt())
    }
}

impl LayerKind for LayerNorm {
    const TYPE: &'static str = "layer_norm";

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        if !(self.eps > 0.0 && self.eps <= 1.0) {
            return Err(Error::config("eps", "more than 0 and at most 1", self.eps));
        }
        Ok(input.to_vec())
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let (_, width) = vectors(input);
        let of = |name: &str, value| {
            Parameter::bias(width, 1).named(name).initially(Initial::Constant(value))
        };
        vec![of("weight", 1.0), of("bias", 0.0)]
    }

    fn forward(&self, input: &[usize], _: Arithmetic) -> Result<Option<Box<dyn Forward>>> {
        let (_, width) = vectors(input);
        Ok(Some(Box::new(Norm {
            kind: self.clone(),
            weight: vec![0.0; width],
            bias: vec![0.0; width],
        })))
    }
}

#[derive(Debug, Clone)]
struct Norm {
    kind: LayerNorm,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Forward for Norm {
    fn load(&mut self, parameters: &[f32]) {
        let (weight, bias) = parameters.split_at(self.weight.len());
        self.weight.copy_from_slice(weight);
        self.bias.copy_from_slice(bias);
    }

    fn apply(&self, x: &[f32], out: &mut [f32], _: &mut [f32]) {
        let width = self.weight.len();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let (mean, scale) = self.kind.moments(x);
            let parameters = self.weight.iter().zip(&self.bias);
            for ((y, x), (w, b)) in out.iter_mut().zip(x).zip(parameters) {
                *y = (x - mean) * scale * w + b;
            }
        }
    }
}
