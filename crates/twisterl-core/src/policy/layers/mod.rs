//! The layers of networks, one file each.
//!
//! A layer is a [`LayerKind`]: plain data from a config that determines the output shape for an input shape, the
//! tensors, and the inference ([`Forward`]). Its gradient is in `twisterl-train` under the same file name. Shapes are
//! those of one row and end with the features: a board of `height x width` cells with a feature vector each is
//! `[height, width, features]`. Layers act on the last axis where applicable.
//!
//! [`register`] adds custom layers.

mod activation;
mod embedding;
mod kind;
mod linear;
mod norm;
pub(super) mod product;
mod registry;
mod residual;
mod spatial;
mod spec;
mod stack;

pub use activation::{Activate, Activation};
pub(super) use embedding::Bag;
pub use embedding::Embedding;
pub use linear::Linear;
pub use norm::LayerNorm;
pub use registry::{register, types};
pub use residual::Residual;
pub use spatial::{
    Attention, Conv1d, Conv2d, Flatten, Head, PADDING, Patches, Pool, PoolBy, Positions, Reshape,
    Transpose, attend, dot,
};
pub use spec::{Layer, LayerInput, LayerSpec, place};
pub(super) use stack::Stack;

use crate::error::from_serde;
use crate::policy::arithmetic::Arithmetic;
use crate::{Error, Result};
use registry::{Entry, entry};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;

/// The built-in kinds.
const BUILT_IN: [(&str, Entry); 13] = [
    entry::<Activate>(),
    entry::<Attention>(),
    entry::<Conv1d>(),
    entry::<Conv2d>(),
    entry::<Embedding>(),
    entry::<Flatten>(),
    entry::<LayerNorm>(),
    entry::<Linear>(),
    entry::<Pool>(),
    entry::<Positions>(),
    entry::<Reshape>(),
    entry::<Residual>(),
    entry::<Transpose>(),
];

/// The largest number of output or scratch values of a layer. Larger descriptions are refused before memory is
/// allocated.
pub const MAX_WIDTH: usize = 1 << 24;

/// A kind of layer: its data, and the shapes, tensors and inference that follow from it. All shapes are those of one
/// row.
pub trait LayerKind: Serialize + DeserializeOwned + Debug + Send + Sync + 'static {
    /// The name of the kind in descriptions, under `type`.
    const TYPE: &'static str;

    /// Reads the fields of a description, given as an object. A kind with nested layers reads those with
    /// [`LayerSpec::list`], so that their errors keep their paths.
    ///
    /// # Errors
    /// [`Error::Config`] with the path below the layer.
    fn read(fields: Value) -> Result<Self> {
        from_serde::read(fields)
    }

    /// Returns the output shape for the shape `input`, which is not empty.
    ///
    /// # Errors
    /// [`Error::Config`] if the layer does not accept this shape or one of its fields is out of range. The path is
    /// relative to the layer; empty for the layer as a whole.
    fn output(&self, input: &[usize]) -> Result<Vec<usize>>;

    /// Returns the tensors in memory order. Like [`forward`](Self::forward), it is called only with shapes that
    /// [`output`](Self::output) accepts.
    fn parameters(&self, _input: &[usize]) -> Vec<Parameter> {
        Vec::new()
    }

    /// Returns the inference with all weights 0; `None` if the layer is the identity on values.
    ///
    /// # Errors
    /// If a nested layer does not fit.
    fn forward(&self, input: &[usize], arithmetic: Arithmetic) -> Result<Option<Box<dyn Forward>>>;
}

/// A layer laid out for inference. It can be shared between threads.
pub trait Forward: Debug + Send + Sync + CloneForward {
    /// Replaces the weights: the tensors of [`LayerKind::parameters`], concatenated. Does not allocate.
    fn load(&mut self, _parameters: &[f32]) {}

    /// Computes `out`, `[rows, output]`, from `x`, `[rows, input]`, for at least one row. Does not allocate; `scratch`
    /// has rows x [`scratch`](Self::scratch) values.
    fn apply(&self, x: &[f32], out: &mut [f32], scratch: &mut [f32]);

    /// Returns the scratch memory needed, in values per row.
    fn scratch(&self) -> usize {
        0
    }
}

/// Cloning behind `dyn Forward`; implemented for every [`Forward`] that is `Clone`.
pub trait CloneForward {
    /// Returns a boxed clone.
    fn boxed(&self) -> Box<dyn Forward>;
}

impl<F: Forward + Clone + 'static> CloneForward for F {
    fn boxed(&self) -> Box<dyn Forward> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Forward> {
    fn clone(&self) -> Self {
        (**self).boxed()
    }
}

/// A tensor of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The name relative to the layer, such as `weight`.
    pub name: String,
    /// The shape in memory, row-major.
    pub shape: Vec<usize>,
    /// True if files hold the transposed matrix.
    pub transposed_in_file: bool,
    /// The number of inputs that each output sums over.
    pub fan_in: usize,
    /// The initial values.
    pub initial: Initial,
}

/// The initial values of a tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Initial {
    /// Weights by the scheme of the policy. In files, the first axis is that of the outputs.
    Weight,
    /// Biases by the scheme of the policy.
    Bias,
    /// A constant.
    Constant(f32),
    /// Normal with mean 0 and this standard deviation.
    Normal(f32),
}

impl Parameter {
    /// Returns a matrix or kernel whose first axis is that of the outputs.
    pub fn weight(shape: Vec<usize>) -> Self {
        let fan_in = shape.iter().skip(1).product();
        let name = "weight".into();
        Self { name, shape, transposed_in_file: false, fan_in, initial: Initial::Weight }
    }

    /// Returns a bias of `outputs` sums of `fan_in` inputs each.
    pub fn bias(outputs: usize, fan_in: usize) -> Self {
        let (name, shape) = ("bias".into(), vec![outputs]);
        Self { name, shape, transposed_in_file: false, fan_in, initial: Initial::Bias }
    }

    /// Returns the parameter under another name.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Returns the parameter with other initial values.
    #[must_use]
    pub fn initially(self, initial: Initial) -> Self {
        Self { initial, ..self }
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns true if the tensor has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Returns the number of values of a shape; `usize::MAX` on overflow.
pub fn size(shape: &[usize]) -> usize {
    shape.iter().fold(1, |n: usize, &d| n.saturating_mul(d))
}

/// Returns the number of feature vectors of a shape and their width.
pub fn vectors(shape: &[usize]) -> (usize, usize) {
    match shape.split_last() {
        Some((&width, rest)) => (size(rest), width),
        None => (1, 1),
    }
}

/// Returns the error of a layer that does not accept the shape `found`.
pub fn misfit(expected: impl Into<String>, found: &[usize]) -> Error {
    Error::config("", expected, format!("shape {found:?}"))
}

/// Checks that a field of a layer is within `1..=MAX_WIDTH`.
pub(crate) fn in_range(path: &str, value: usize) -> Result<usize> {
    match value {
        1..=MAX_WIDTH => Ok(value),
        _ => Err(Error::config(path, "1 to 2^24", value)),
    }
}
