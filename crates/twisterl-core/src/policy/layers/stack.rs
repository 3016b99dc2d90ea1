//! Layers that run one after the other.

use super::{Forward, Layer};
use crate::Result;

/// Layers laid out for inference, each reading what the one before gives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stack {
    steps: Vec<StackedLayer>,
    widest: usize,
    scratch: usize,
}

#[derive(Debug, Clone)]
struct StackedLayer {
    forward: Box<dyn Forward>,
    outputs: usize,
    parameters: usize,
}

impl Stack {
    /// Lays out `layers`, all weights 0.
    pub(crate) fn new(layers: &[Layer]) -> Result<Self> {
        let mut stack = Self::default();
        for layer in layers {
            let Some(forward) = layer.forward()? else { continue };
            let outputs = layer.shape().1;
            stack.widest = stack.widest.max(outputs);
            stack.scratch = stack.scratch.max(forward.scratch());
            stack.steps.push(StackedLayer {
                forward,
                outputs,
                parameters: layer.parameter_count(),
            });
        }
        Ok(stack)
    }

    /// The most values a row that a layer gives.
    pub(crate) fn widest(&self) -> usize {
        self.widest
    }

    /// The most values a row that a layer needs in between.
    pub(crate) fn scratch(&self) -> usize {
        self.scratch
    }

    /// Replaces the weights by the first of `parameters`. Returns the rest.
    pub(crate) fn load<'a>(&mut self, mut parameters: &'a [f32]) -> &'a [f32] {
        for step in &mut self.steps {
            let Some((own, rest)) = parameters.split_at_checked(step.parameters) else { break };
            step.forward.load(own);
            parameters = rest;
        }
        parameters
    }

    /// What the layers make of `x` (rows x input). It is in one of the buffers, each of rows x [`widest`](Self::widest)
    /// values, or `x` itself where there is nothing to do.
    pub(crate) fn run<'a>(
        &self,
        x: &'a [f32],
        rows: usize,
        buffers: [&'a mut [f32]; 2],
        scratch: &mut [f32],
    ) -> &'a [f32] {
        let [mut from, mut to] = buffers;
        let mut width = None;
        for step in &self.steps {
            let input = width.map_or(x, |width| &from[..rows * width]);
            step.forward.apply(input, &mut to[..rows * step.outputs], scratch);
            std::mem::swap(&mut from, &mut to);
            width = Some(step.outputs);
        }
        match width {
            Some(width) => &from[..rows * width],
            None => x,
        }
    }
}
