//! The gradients of layers: the counterpart on candle of each kind in `twisterl_core::policy::layers`, in the file of the
//! same name.
//!
//! [`Differentiable::apply`] builds the graph of a layer from candle's operations or from the custom ops in
//! [`crate::gradient::ops`]; candle computes the gradients. Its result must be that of the layer's `Forward`.
//! [`register`] adds further kinds of layer.

mod activation;
mod embedding;
mod linear;
mod norm;
mod residual;
mod spatial;

pub(crate) use embedding::embed;

use crate::gradient::ops::tap::Tap;
use crate::gradient::ops::{Gradient, Sink};
use crate::{Error, Result};
use candle_core::{Tensor, Var, bail};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{PoisonError, RwLock};
use twisterl_core::policy::layers::{
    self, Activate, Attention, Conv1d, Conv2d, Flatten, LayerKind, LayerNorm, LayerSpec, Linear,
    Pool, Positions, Reshape, Residual, Transpose,
};

/// A kind of layer that can be trained.
pub trait Differentiable: LayerKind {
    /// Applies the layer to `x`, `[rows, ..input shape]`. Returns `[rows, ..output shape]`.
    ///
    /// # Errors
    /// If candle refuses an operation.
    fn apply(&self, x: &Tensor, parameters: &Parameters<'_>) -> candle_core::Result<Tensor>;
}

/// The tensors of a layer, in the order of [`LayerKind::parameters`].
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a> {
    variables: &'a [Var],
    /// The place of the first in the flat gradient.
    start: usize,
    gradient: Option<&'a Gradient>,
}

impl<'a> Parameters<'a> {
    /// The tensors of a layer whose first value is at `start` of the flat `gradient`, if there is one.
    pub(crate) fn new(variables: &'a [Var], start: usize, gradient: Option<&'a Gradient>) -> Self {
        Self { variables, start, gradient }
    }

    /// Returns tensor `index` for candle's own operations. Its gradient is added to the flat gradient.
    ///
    /// # Errors
    /// If there are not as many.
    pub fn tensor(&self, index: usize) -> candle_core::Result<Tensor> {
        match self.sink(index..index + 1) {
            Some(sink) => self.variable(index)?.apply_op1(Tap(sink)),
            None => Ok(self.variable(index)?.as_tensor().clone()),
        }
    }

    /// Returns variable `index` for an op that adds the gradient to the [`sink`](Self::sink) itself.
    ///
    /// # Errors
    /// If there are not as many.
    pub(crate) fn variable(&self, index: usize) -> candle_core::Result<&'a Var> {
        match self.variables.get(index) {
            Some(variable) => Ok(variable),
            None => bail!("expected a layer of more than {index} tensors"),
        }
    }

    /// Returns the sink for the gradients of consecutive tensors; `None` if candle's gradient store collects them.
    pub(crate) fn sink(&self, range: Range<usize>) -> Option<Sink> {
        let gradient = self.gradient?;
        let part = self.part(range);
        let length: usize = part.variables.iter().map(|v| v.elem_count()).sum();
        Some(Sink::new(gradient.clone(), part.start..part.start + length))
    }

    /// Returns consecutive tensors, for a layer within this one.
    #[must_use]
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        let before = self.variables.iter().take(range.start).map(|v| v.elem_count());
        Self {
            start: self.start + before.sum::<usize>(),
            variables: &self.variables[range],
            gradient: self.gradient,
        }
    }
}

/// [`Differentiable::apply`] of a layer whose kind is known at run time only.
pub(crate) type Apply = fn(&LayerSpec, &Tensor, &Parameters<'_>) -> candle_core::Result<Tensor>;

const BUILT_IN: [(&str, Apply); 12] = [
    entry::<Activate>(),
    entry::<Attention>(),
    entry::<Conv1d>(),
    entry::<Conv2d>(),
    entry::<Flatten>(),
    entry::<LayerNorm>(),
    entry::<Linear>(),
    entry::<Pool>(),
    entry::<Positions>(),
    entry::<Reshape>(),
    entry::<Residual>(),
    entry::<Transpose>(),
];

static OWN: RwLock<BTreeMap<&str, Apply>> = RwLock::new(BTreeMap::new());

const fn entry<L: Differentiable>() -> (&'static str, Apply) {
    (L::TYPE, apply::<L>)
}

fn apply<L: Differentiable>(
    spec: &LayerSpec,
    x: &Tensor,
    parameters: &Parameters<'_>,
) -> candle_core::Result<Tensor> {
    match spec.kind::<L>() {
        Some(layer) => layer.apply(x, parameters),
        None => bail!("expected a layer of type {}, found {}", L::TYPE, spec.type_name()),
    }
}

/// Adds a kind of layer, for inference and for training. Configs and files can name it from then on.
///
/// # Errors
/// If its name is that of another kind.
pub fn register<L: Differentiable>() -> Result<()> {
    layers::register::<L>()?;
    let (name, apply) = entry::<L>();
    OWN.write().unwrap_or_else(PoisonError::into_inner).insert(name, apply);
    Ok(())
}

/// Finds the gradient of a layer.
///
/// # Errors
/// If only its inference was registered, or it is an embedding, which needs observations.
pub(crate) fn find(spec: &LayerSpec) -> Result<Apply> {
    let name = spec.type_name();
    let built_in = BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, apply)| *apply);
    let own = || OWN.read().unwrap_or_else(PoisonError::into_inner).get(name).copied();
    built_in.or_else(own).ok_or_else(|| {
        let expected =
            "a layer whose gradient is registered with twisterl_train::gradient::layers::register";
        Error::Core(twisterl_core::Error::config("policy", expected, format!("`{name}`")))
    })
}

/// Returns the shape of the output of a layer for `x`, without the rows.
fn output_of<L: LayerKind>(layer: &L, x: &Tensor) -> candle_core::Result<Vec<usize>> {
    layer.output(row_shape(x)?).map_err(candle_core::Error::wrap)
}

/// Returns the shape of a row of `x`.
fn row_shape(x: &Tensor) -> candle_core::Result<&[usize]> {
    match x.dims() {
        [_, shape @ ..] => Ok(shape),
        [] => bail!("expected rows, found a scalar"),
    }
}

#[cfg(test)]
mod tests;
