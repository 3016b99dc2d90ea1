//! Layers that change the shape.

use super::conv::{Gather, PADDING};
use crate::policy::arithmetic::Arithmetic;
use crate::policy::layers::{Forward, LayerKind, misfit, size};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Flattens all values of a row to one vector.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

impl LayerKind for Flatten {
    const TYPE: &'static str = "flatten";

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        Ok(vec![size(input)])
    }

    fn forward(&self, _: &[usize], _: Arithmetic) -> Result<Option<Box<dyn Forward>>> {
        Ok(None)
    }
}

/// Reshapes the values, in the same order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reshape {
    /// The output shape of a row.
    pub shape: Vec<usize>,
}

impl LayerKind for Reshape {
    const TYPE: &'static str = "reshape";

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        if self.shape.is_empty() || size(&self.shape) != size(input) {
            let expected = format!("a shape of {} values, as {input:?} has", size(input));
            return Err(Error::config("shape", expected, format!("{:?}", self.shape)));
        }
        Ok(self.shape.clone())
    }

    fn forward(&self, _: &[usize], _: Arithmetic) -> Result<Option<Box<dyn Forward>>> {
        Ok(None)
    }
}

/// Permutes the axes: axis `i` of the output is axis `axes[i]` of the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transpose {
    /// The permutation of the axes.
    pub axes: Vec<usize>,
}

impl Transpose {
    /// Returns, for each output value, its index in a row of shape `input`.
    pub fn order(&self, input: &[usize]) -> Arc<[u32]> {
        let shape: Vec<usize> = self.axes.iter().filter_map(|&a| input.get(a).copied()).collect();
        let stride = |axis: &usize| size(input.get(axis + 1..).unwrap_or(&[]));
        let strides: Vec<usize> = self.axes.iter().map(stride).collect();
        let place = |mut index: usize| {
            let mut from = 0;
            for (&length, stride) in shape.iter().zip(&strides).rev() {
                from += index % length * stride;
                index /= length;
            }
            u32::try_from(from).unwrap_or(PADDING)
        };
        (0..size(input)).map(place).collect()
    }
}

impl LayerKind for Transpose {
    const TYPE: &'static str = "transpose";

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        let mut sorted = self.axes.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..input.len()) {
            let expected = format!("each axis of the input {input:?} once");
            return Err(Error::config("axes", expected, format!("{:?}", self.axes)));
        }
        self.axes
            .iter()
            .map(|&axis| input.get(axis).copied().ok_or_else(|| misfit("an axis", input)))
            .collect()
    }

    fn forward(&self, input: &[usize], _: Arithmetic) -> Result<Option<Box<dyn Forward>>> {
        Ok(Some(Box::new(Gather { order: self.order(input), inputs: size(input) })))
    }
}
