//! Self-attention.

use crate::math::vectorised::exp;
use crate::policy::arithmetic::Arithmetic;
use crate::policy::layers::linear::Dense;
use crate::policy::layers::{
    Activation, Forward, LayerKind, MAX_WIDTH, Parameter, misfit, size, vectors,
};
use crate::{Error, Result};
use pulp::Arch;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Multi-head self-attention over all feature vectors ("tokens") of a row, over any number of axes, with
/// input and output projections (Vaswani et al., "Attention is all you need", 2017). Tensors are those of
/// PyTorch's `nn.MultiheadAttention`: `in_proj_weight` and `in_proj_bias` give query, key and value of a token in this
/// order, `out_proj` is a linear layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attention {
    /// The number of heads, which must divide the width of the tokens.
    pub heads: usize,
}

impl Default for Attention {
    fn default() -> Self {
        Self { heads: 1 }
    }
}

impl LayerKind for Attention {
    const TYPE: &'static str = "attention";

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        let [_, .., width] = input else {
            return Err(misfit("an input of two or more axes, [..., features]", input));
        };
        if self.heads == 0 || width % self.heads != 0 {
            let expected = format!("a number that divides the width of the tokens, {width}");
            return Err(Error::config("heads", expected, self.heads));
        }
        let (tokens, _) = vectors(input);
        if size(input) > MAX_WIDTH / 4 || tokens.saturating_mul(tokens) > MAX_WIDTH {
            return Err(misfit("an input of at most 4096 tokens and 2^22 values", input));
        }
        Ok(input.to_vec())
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let (_, width) = vectors(input);
        vec![
            Parameter::weight(vec![3 * width, width]).named("in_proj_weight"),
            Parameter::bias(3 * width, width).named("in_proj_bias"),
            Parameter::weight(vec![width, width]).named("out_proj.weight"),
            Parameter::bias(width, width).named("out_proj.bias"),
        ]
    }

    fn forward(&self, input: &[usize], arithmetic: Arithmetic) -> Result<Option<Box<dyn Forward>>> {
        let (tokens, width) = vectors(input);
        Ok(Some(Box::new(SelfAttention {
            tokens,
            width,
            heads: self.heads,
            inward: Dense::new((width, 3 * width), Activation::Identity, arithmetic),
            outward: Dense::new((width, width), Activation::Identity, arithmetic),
        })))
    }
}

#[derive(Debug, Clone)]
struct SelfAttention {
    tokens: usize,
    width: usize,
    heads: usize,
    inward: Dense,
    outward: Dense,
}

impl Forward for SelfAttention {
    fn load(&mut self, parameters: &[f32]) {
        let inward = 3 * self.width * (self.width + 1);
        if let Some((inward, outward)) = parameters.split_at_checked(inward) {
            self.inward.load(inward);
            self.outward.load(outward);
        }
    }

    fn apply(&self, x: &[f32], out: &mut [f32], scratch: &mut [f32]) {
        let Self { tokens, width, heads, .. } = *self;
        let (projected, scratch) = scratch.split_at_mut(3 * x.len());
        let (mixed, weights) = scratch.split_at_mut(x.len());
        self.inward.run(x, projected);
        Arch::new().dispatch(|| {
            let rows = projected.chunks_exact(3 * tokens * width);
            for (row, mixed) in rows.zip(mixed.chunks_exact_mut(tokens * width)) {
                for head in 0..heads {
                    let weights = &mut weights[..tokens * tokens];
                    attend(row, mixed, Head { width, heads, head }, weights);
                }
            }
        });
        self.outward.run(mixed, out);
    }

    /// Query, key and value of each token, the output of the heads, and the attention weights of one head.
    fn scratch(&self) -> usize {
        self.tokens * (4 * self.width + self.tokens)
    }
}

/// One of several heads of attention.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// The width of a token.
    pub width: usize,
    /// The number of heads.
    pub heads: usize,
    /// The index of the head.
    pub head: usize,
}

impl Head {
    /// Returns the width of the head.
    pub fn size(self) -> usize {
        self.width / self.heads.max(1)
    }

    /// Returns the factor of the products of queries and keys.
    pub fn scale(self) -> f32 {
        1.0 / (self.size() as f32).sqrt()
    }

    /// Returns the range of its query (0), key (1) or value (2) in the projection of a token.
    pub fn place(self, which: usize) -> Range<usize> {
        let start = which * self.width + self.head * self.size();
        start..start + self.size()
    }
}

/// Computes one head of attention in one row from the queries, keys and values `projected`, `[token, 3 width]`. Writes
/// the head's columns of `out`, `[token, width]`, and the attention weights `softmax(q . k / sqrt(d))`, where `d` is
/// the width of the head, to `weights`, `[token, token]`.
#[inline(always)]
pub fn attend(projected: &[f32], out: &mut [f32], head: Head, weights: &mut [f32]) {
    let (width, scale) = (head.width, head.scale());
    let tokens = || projected.chunks_exact(3 * width);
    let looks = weights.chunks_exact_mut(tokens().len());
    for ((token, out), weights) in tokens().zip(out.chunks_exact_mut(width)).zip(looks) {
        let query = &token[head.place(0)];
        let mut max = f32::NEG_INFINITY;
        for (weight, other) in weights.iter_mut().zip(tokens()) {
            *weight = scale * dot(query, &other[head.place(1)]);
            max = max.max(*weight);
        }
        let mut sum = 0.0;
        for weight in weights.iter_mut() {
            *weight = exp(*weight - max);
            sum += *weight;
        }
        let out = &mut out[head.place(0)];
        out.fill(0.0);
        for (weight, other) in weights.iter_mut().zip(tokens()) {
            *weight /= sum;
            for (y, v) in out.iter_mut().zip(&other[head.place(2)]) {
                *y += *weight * v;
            }
        }
    }
}

/// Returns the dot product, accumulated in eight partial sums to allow vectorisation.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0f32; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
