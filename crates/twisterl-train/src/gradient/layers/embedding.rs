//! The gradient of `embedding`, which reads sparse observations.

use super::Parameters;
use super::activation::activate;
use crate::gradient::ops::embedding_bag::EmbeddingBag;
use candle_core::{Result, Tensor};
use twisterl_core::policy::layers::{Activation, Embedding};
use twisterl_core::space::Observations;

/// Applies an embedding to sparse rows. Returns `[rows, outputs]`.
pub(crate) fn embed(
    embedding: &Embedding,
    rows: Observations,
    parameters: &Parameters<'_>,
) -> Result<Tensor> {
    let (fused, rest) = match embedding.activation {
        other @ (Activation::Gelu | Activation::Silu) => (Activation::Identity, other),
        fused => (fused, Activation::Identity),
    };
    let bag = EmbeddingBag { rows, activation: fused, sink: parameters.sink(0..2) };
    activate(rest, &bag.apply(parameters.variable(0)?, parameters.variable(1)?)?)
}
