//! The layers of which networks are made, one file each.
//!
//! A layer is a [`LayerKind`]: plain data that a config gives, from which it says what shape it makes of a given one,
//! which tensors it needs, and how to run it ([`Forward`]). Its twin, the gradient, is in `twisterl-train` under the same
//! file name. Shapes are those of one row and end with the features: a board of `height x width` cells with a vector in
//! each is `[height, width, features]`. Layers work on the last axis wherever that makes sense.
//!
//! [`register`] adds layers of one's own.

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
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;

/// The most values that a layer may give or need in between, so that a hostile description is refused before memory is
/// asked for.
pub const MAX_WIDTH: usize = 1 << 24;

/// A kind of layer: the data that describes one, and what follows from it. All shapes are those of one row.
pub trait LayerKind: Serialize + DeserializeOwned + Debug + Send + Sync + 'static {
    /// Its name in descriptions, under `type`.
    const TYPE: &'static str;

    /// Reads its data: the fields of a description, as an object. A kind that holds layers reads those with
    /// [`LayerSpec::list`], so that their errors keep their paths.
    ///
    /// # Errors
    /// [`Error::Config`] with the path below the layer.
    fn read(fields: Value) -> Result<Self> {
        from_serde::read(fields)
    }

    /// The shape that it makes of `input`, which is not empty.
    ///
    /// # Errors
    /// If it does not take this shape or one of its own values is out of range: [`Error::Config`] with the path below
    /// the layer, empty for the layer as a whole.
    fn output(&self, input: &[usize]) -> Result<Vec<usize>>;

    /// Its tensors, in the order in which they lie in memory. Only asked for shapes that [`output`](Self::output) takes,
    /// as is [`forward`](Self::forward).
    fn parameters(&self, _input: &[usize]) -> Vec<Parameter> {
        Vec::new()
    }

    /// What runs it, all weights 0; `None` where it leaves the values as they are.
    ///
    /// # Errors
    /// If a layer within this one does not fit.
    fn forward(&self, input: &[usize]) -> Result<Option<Box<dyn Forward>>>;
}

/// A layer laid out for inference. Several threads may share one.
pub trait Forward: Debug + Send + Sync + CloneForward {
    /// Replaces the weights: the tensors of [`LayerKind::parameters`], one after the other. Allocates nothing.
    fn load(&mut self, _parameters: &[f32]) {}

    /// `out` (rows x output) from `x` (rows x input), both row-major, at least one row. Allocates nothing; `scratch` has
    /// rows x [`scratch`](Self::scratch) values.
    fn apply(&self, x: &[f32], out: &mut [f32], scratch: &mut [f32]);

    /// The number of values a row that it needs in between.
    fn scratch(&self) -> usize {
        0
    }
}

/// Copies behind a `dyn Forward`; every [`Forward`] that is `Clone` has it.
pub trait CloneForward {
    /// A copy.
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
    /// Name below the layer's, such as `weight`.
    pub name: String,
    /// Shape in memory, row-major.
    pub shape: Vec<usize>,
    /// Whether a file holds the transposed matrix.
    pub transposed_in_file: bool,
    /// The number of values that each output sums over.
    pub fan_in: usize,
    /// What it begins as.
    pub initial: Initial,
}

/// What a tensor begins as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Initial {
    /// Weights of sums, as the scheme of the policy says. The first axis is that of the outputs, in a file.
    Weight,
    /// What is added to sums, as the scheme says.
    Bias,
    /// The same value everywhere.
    Constant(f32),
    /// Normal around 0 with this standard deviation.
    Normal(f32),
}

impl Parameter {
    /// A matrix or kernel whose first axis is that of the outputs.
    pub fn weight(shape: Vec<usize>) -> Self {
        let fan_in = shape.iter().skip(1).product();
        let name = "weight".into();
        Self { name, shape, transposed_in_file: false, fan_in, initial: Initial::Weight }
    }

    /// What is added to `outputs` sums of `fan_in` values.
    pub fn bias(outputs: usize, fan_in: usize) -> Self {
        let (name, shape) = ("bias".into(), vec![outputs]);
        Self { name, shape, transposed_in_file: false, fan_in, initial: Initial::Bias }
    }

    /// Under another name.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Beginning as something else.
    #[must_use]
    pub fn initially(self, initial: Initial) -> Self {
        Self { initial, ..self }
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The number of values of a shape; `usize::MAX` where that overflows.
pub fn size(shape: &[usize]) -> usize {
    shape.iter().fold(1, |n: usize, &d| n.saturating_mul(d))
}

/// The number of feature vectors of a shape, and their width.
pub fn vectors(shape: &[usize]) -> (usize, usize) {
    match shape.split_last() {
        Some((&width, rest)) => (size(rest), width),
        None => (1, 1),
    }
}

/// The error of a layer that does not take the shape `found`.
pub fn misfit(expected: impl Into<String>, found: &[usize]) -> Error {
    Error::config("", expected, format!("shape {found:?}"))
}

/// Whether a value of a layer is within `1..=MAX_WIDTH`.
pub(crate) fn in_range(path: &str, value: usize) -> Result<usize> {
    match value {
        1..=MAX_WIDTH => Ok(value),
        _ => Err(Error::config(path, "1 to 2^24", value)),
    }
}
