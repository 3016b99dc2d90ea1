//! Learned positions.

use crate::Result;
use crate::policy::arithmetic::Arithmetic;
use crate::policy::layers::{Forward, Initial, LayerKind, Parameter, size};
use serde::{Deserialize, Serialize};

/// Adds a learned value to each input value, the same in every row, so that attention and pooling can distinguish
/// positions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Positions {}

impl LayerKind for Positions {
    const TYPE: &'static str = "positions";

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        Ok(input.to_vec())
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        vec![Parameter::weight(input.to_vec()).initially(Initial::Normal(0.02))]
    }

    fn forward(&self, input: &[usize], _: Arithmetic) -> Result<Option<Box<dyn Forward>>> {
        Ok(Some(Box::new(Offsets { weight: vec![0.0; size(input)] })))
    }
}

#[derive(Debug, Clone)]
struct Offsets {
    weight: Vec<f32>,
}

impl Forward for Offsets {
    fn load(&mut self, parameters: &[f32]) {
        self.weight.copy_from_slice(parameters);
    }

    fn apply(&self, x: &[f32], out: &mut [f32], _: &mut [f32]) {
        let width = self.weight.len();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            for ((y, x), w) in out.iter_mut().zip(x).zip(&self.weight) {
                *y = x + w;
            }
        }
    }
}
