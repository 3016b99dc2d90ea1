//! Sequences of layers.

use super::{Forward, Layer};
use crate::Result;
use crate::policy::arithmetic::Arithmetic;

/// A sequence of layers laid out for inference.
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
    pub(crate) fn new(layers: &[Layer], arithmetic: Arithmetic) -> Result<Self> {
        let mut stack = Self::default();
        for layer in layers {
            let Some(forward) = layer.forward(arithmetic)? else { continue };
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

    /// Returns the largest output of a layer, in values per row.
    pub(crate) fn widest(&self) -> usize {
        self.widest
    }

    /// Returns the largest scratch memory of a layer, in values per row.
    pub(crate) fn scratch(&self) -> usize {
        self.scratch
    }

    /// Takes the weights from the front of `parameters`. Returns the rest.
    pub(crate) fn load<'a>(&mut self, mut parameters: &'a [f32]) -> &'a [f32] {
        for step in &mut self.steps {
            let Some((own, rest)) = parameters.split_at_checked(step.parameters) else { break };
            step.forward.load(own);
            parameters = rest;
        }
        parameters
    }

    /// Evaluates the layers on `x`, `[rows, input]`. The result is in one of the buffers, each of rows x
    /// [`widest`](Self::widest) values, or is `x` itself if there are no layers.
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
