//! Residual blocks.

use super::{
    Activation, Forward, Layer, LayerInput, LayerKind, LayerSpec, Parameter, Stack, misfit, place,
    size,
};
use crate::Result;
use crate::error::from_serde;
use crate::policy::arithmetic::Arithmetic;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::mem;

/// `y = f(x + g(x))`, where the layers `g` preserve the shape (He et al., "Deep residual learning", 2015).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// The layers of `g`. The names of their tensors begin with their position.
    pub layers: Vec<LayerSpec>,
    /// The activation of the sum.
    #[serde(default = "Activation::identity", skip_serializing_if = "Activation::is_identity")]
    pub activation: Activation,
}

impl Residual {
    /// Returns the layers of `g` on an input of this shape.
    ///
    /// # Errors
    /// If they do not fit each other.
    pub fn placed(&self, input: &[usize]) -> Result<Vec<Layer>> {
        place(&self.layers, "layers", LayerInput::Values(input))
    }
}

impl LayerKind for Residual {
    const TYPE: &'static str = "residual";

    fn read(mut fields: Value) -> Result<Self> {
        let layers = match fields.get_mut("layers").map(|list| mem::replace(list, json!([]))) {
            Some(list) => LayerSpec::list(list).map_err(|e| e.below("layers"))?,
            None => Vec::new(),
        };
        Ok(Self { layers, ..from_serde::read(fields)? })
    }

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        let layers = self.placed(input)?;
        match layers.last() {
            Some(last) if last.output() == input => Ok(input.to_vec()),
            Some(last) => Err(misfit(
                format!("layers that give the shape {input:?} they read"),
                last.output(),
            )),
            None => Err(misfit("at least one layer", input)),
        }
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let layers = self.placed(input).unwrap_or_default();
        layers.iter().flat_map(Layer::named_parameters).collect()
    }

    fn forward(&self, input: &[usize], arithmetic: Arithmetic) -> Result<Option<Box<dyn Forward>>> {
        Ok(Some(Box::new(Block {
            stack: Stack::new(&self.placed(input)?, arithmetic)?,
            inputs: size(input),
            activation: self.activation,
        })))
    }
}

#[derive(Debug, Clone)]
struct Block {
    stack: Stack,
    inputs: usize,
    activation: Activation,
}

impl Forward for Block {
    fn load(&mut self, parameters: &[f32]) {
        self.stack.load(parameters);
    }

    fn apply(&self, x: &[f32], out: &mut [f32], scratch: &mut [f32]) {
        let rows = x.len() / self.inputs.max(1);
        let (a, scratch) = scratch.split_at_mut(rows * self.stack.widest());
        let (b, work) = scratch.split_at_mut(rows * self.stack.widest());
        let inner = self.stack.run(x, rows, [a, b], work);
        for ((y, x), g) in out.iter_mut().zip(x).zip(inner) {
            *y = x + g;
        }
        self.activation.apply(out);
    }

    fn scratch(&self) -> usize {
        2 * self.stack.widest() + self.stack.scratch()
    }
}
