//! Convolutions: a linear layer on the patches around each position.

use crate::policy::arithmetic::Arithmetic;
use crate::policy::layers::linear::Dense;
use crate::policy::layers::{
    Activation, Forward, LayerKind, MAX_WIDTH, Parameter, in_range, misfit, size, vectors,
};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The index of a padded value, which is zero.
pub const PADDING: u32 = u32::MAX;

/// A convolution over a sequence: `[length, channels]` (or `[channels, length]`) to `[positions, channels]`. Weights in
/// memory and files: `[channels, input channels, kernel]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv1d {
    /// The number of output channels.
    pub channels: usize,
    /// The width of the kernel.
    pub kernel: usize,
    /// The stride.
    #[serde(default = "one")]
    pub stride: usize,
    /// The zero padding at either end.
    #[serde(default)]
    pub padding: usize,
    /// The channel axis of the input, 0 or 1. The output has the channels last.
    #[serde(default = "one")]
    pub conv_dim: usize,
    /// True to add a bias.
    #[serde(default = "yes")]
    pub bias: bool,
    /// The activation of the outputs.
    #[serde(default)]
    pub activation: Activation,
}

/// A convolution over a board: `[height, width, channels]` to another board. Weights in memory and files:
/// `[channels, input channels, kernel, kernel]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    /// The number of output channels.
    pub channels: usize,
    /// The side of the kernel.
    pub kernel: usize,
    /// The stride.
    #[serde(default = "one")]
    pub stride: usize,
    /// The zero padding at every edge; `(kernel - 1) / 2` preserves the size of the board.
    #[serde(default)]
    pub padding: usize,
    /// True to add a bias.
    #[serde(default = "yes")]
    pub bias: bool,
    /// The activation of the outputs.
    #[serde(default)]
    pub activation: Activation,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

/// The patches of a convolution: for each position and each kernel weight (input channel, row, column), the index of
/// the input value, or [`PADDING`].
#[derive(Debug, Clone)]
pub struct Patches {
    /// Indices, `[position, patch]`.
    pub order: Arc<[u32]>,
    /// The number of values of a patch.
    pub patch: usize,
}

/// One axis of a convolution.
#[derive(Clone, Copy)]
struct Axis {
    length: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Axis {
    /// Returns the number of positions of the kernel.
    fn positions(self) -> Result<usize> {
        in_range("kernel", self.kernel)?;
        in_range("stride", self.stride)?;
        if self.padding >= self.kernel {
            let expected = format!("less than the kernel, {}", self.kernel);
            return Err(Error::config("padding", expected, self.padding));
        }
        let padded = self.length.saturating_add(2 * self.padding);
        match padded.checked_sub(self.kernel) {
            Some(rest) => Ok(rest / self.stride + 1),
            None => {
                let expected =
                    format!("at most {padded}, the length of the input with its padding");
                Err(Error::config("kernel", expected, self.kernel))
            }
        }
    }

    /// Returns the index on the axis at offset `k` of the kernel at `position`; `None`: padding.
    fn place(self, position: usize, k: usize) -> Option<usize> {
        let place = (position * self.stride + k).checked_sub(self.padding)?;
        (place < self.length).then_some(place)
    }
}

/// Checks the sizes of patches and outputs.
fn bounded(positions: usize, patch: usize, channels: usize) -> Result<()> {
    in_range("channels", channels)?;
    match positions.saturating_mul(patch) {
        values if values <= MAX_WIDTH => Ok(()),
        values => Err(Error::config("kernel", "at most 2^24 values in all patches", values)),
    }
}

impl Conv1d {
    /// Returns the length and the number of channels of an input.
    fn sizes(&self, input: &[usize]) -> Result<(usize, usize)> {
        match (input, self.conv_dim) {
            (&[length, channels], 1) | (&[channels, length], 0) => Ok((length, channels)),
            (_, 0 | 1) => Err(misfit("an input of two axes, [length, channels]", input)),
            (_, found) => Err(Error::config("conv_dim", "0 or 1", found)),
        }
    }

    fn axis(&self, length: usize) -> Axis {
        Axis { length, kernel: self.kernel, stride: self.stride, padding: self.padding }
    }

    /// Returns the patches of an input of this shape.
    ///
    /// # Errors
    /// As for [`output`](LayerKind::output).
    pub fn patches(&self, input: &[usize]) -> Result<Patches> {
        let (length, channels) = self.sizes(input)?;
        let axis = self.axis(length);
        let (along, across) = if self.conv_dim == 0 { (1, length) } else { (channels, 1) };
        let mut order = Vec::new();
        for position in 0..axis.positions()? {
            for channel in 0..channels {
                for k in 0..self.kernel {
                    let place = axis.place(position, k).map(|p| p * along + channel * across);
                    order.push(place.map_or(PADDING, |p| p as u32));
                }
            }
        }
        Ok(Patches { order: order.into(), patch: channels * self.kernel })
    }
}

impl LayerKind for Conv1d {
    const TYPE: &'static str = "conv1d";

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        let (length, channels) = self.sizes(input)?;
        let positions = self.axis(length).positions()?;
        bounded(positions, channels.saturating_mul(self.kernel), self.channels)?;
        Ok(vec![positions, self.channels])
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let channels = self.sizes(input).map_or(0, |(_, channels)| channels);
        tensors(vec![self.channels, channels, self.kernel], self.bias)
    }

    fn forward(&self, input: &[usize], arithmetic: Arithmetic) -> Result<Option<Box<dyn Forward>>> {
        let patches = self.patches(input)?;
        let dense = Dense::new((patches.patch, self.channels), self.activation, arithmetic);
        Ok(Some(Box::new(Convolution::new(patches, input, dense))))
    }
}

impl Conv2d {
    /// Returns the patches of an input of this shape.
    ///
    /// # Errors
    /// As for [`output`](LayerKind::output).
    pub fn patches(&self, input: &[usize]) -> Result<Patches> {
        let (rows, columns, channels) = self.axes(input)?;
        let mut order = Vec::new();
        for row in 0..rows.positions()? {
            for column in 0..columns.positions()? {
                for channel in 0..channels {
                    for i in 0..self.kernel {
                        for j in 0..self.kernel {
                            let cell = rows.place(row, i).zip(columns.place(column, j));
                            let place =
                                cell.map(|(r, c)| (r * columns.length + c) * channels + channel);
                            order.push(place.map_or(PADDING, |p| p as u32));
                        }
                    }
                }
            }
        }
        Ok(Patches { order: order.into(), patch: channels * self.kernel * self.kernel })
    }

    /// Returns the rows, columns and channels of an input.
    fn axes(&self, input: &[usize]) -> Result<(Axis, Axis, usize)> {
        let &[height, width, channels] = input else {
            return Err(misfit("an input of three axes, [height, width, channels]", input));
        };
        let axis = |length| Axis {
            length,
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
        };
        Ok((axis(height), axis(width), channels))
    }
}

impl LayerKind for Conv2d {
    const TYPE: &'static str = "conv2d";

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        let (rows, columns, channels) = self.axes(input)?;
        let (rows, columns) = (rows.positions()?, columns.positions()?);
        let patch = size(&[channels, self.kernel, self.kernel]);
        bounded(rows.saturating_mul(columns), patch, self.channels)?;
        Ok(vec![rows, columns, self.channels])
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let (_, channels) = vectors(input);
        tensors(vec![self.channels, channels, self.kernel, self.kernel], self.bias)
    }

    fn forward(&self, input: &[usize], arithmetic: Arithmetic) -> Result<Option<Box<dyn Forward>>> {
        let patches = self.patches(input)?;
        let dense = Dense::new((patches.patch, self.channels), self.activation, arithmetic);
        Ok(Some(Box::new(Convolution::new(patches, input, dense))))
    }
}

fn tensors(shape: Vec<usize>, bias: bool) -> Vec<Parameter> {
    let weight = Parameter::weight(shape);
    let bias =
        bias.then(|| Parameter::bias(weight.shape.first().copied().unwrap_or(0), weight.fan_in));
    std::iter::once(weight).chain(bias).collect()
}

/// A convolution laid out for inference.
#[derive(Debug, Clone)]
struct Convolution {
    gather: Gather,
    dense: Dense,
}

impl Convolution {
    fn new(patches: Patches, input: &[usize], dense: Dense) -> Self {
        Self { gather: Gather { order: patches.order, inputs: size(input) }, dense }
    }
}

impl Forward for Convolution {
    fn load(&mut self, parameters: &[f32]) {
        self.dense.load(parameters);
    }

    fn apply(&self, x: &[f32], out: &mut [f32], scratch: &mut [f32]) {
        let rows = x.len() / self.gather.inputs.max(1);
        let patches = &mut scratch[..rows * self.gather.order.len()];
        self.gather.run(x, patches);
        self.dense.run(patches, out);
    }

    fn scratch(&self) -> usize {
        self.gather.order.len()
    }
}

/// Gathers values by index from rows of `inputs` values.
#[derive(Debug, Clone)]
pub(super) struct Gather {
    pub(super) order: Arc<[u32]>,
    pub(super) inputs: usize,
}

impl Gather {
    fn run(&self, x: &[f32], out: &mut [f32]) {
        let rows = x.chunks_exact(self.inputs).zip(out.chunks_exact_mut(self.order.len()));
        for (x, out) in rows {
            for (to, &from) in out.iter_mut().zip(&*self.order) {
                *to = x.get(from as usize).copied().unwrap_or(0.0);
            }
        }
    }
}

impl Forward for Gather {
    fn apply(&self, x: &[f32], out: &mut [f32], _: &mut [f32]) {
        self.run(x, out);
    }
}
