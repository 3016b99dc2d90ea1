//! Self-attention.

use crate::policy::layers::linear::Dense;
use crate::policy::layers::{
    Activation, Forward, LayerKind, MAX_WIDTH, Parameter, misfit, size, vectors,
};
use crate::{Error, Result};
use pulp::Arch;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Multi-head self-attention over all feature vectors ("tokens") of a row, whatever axes they are laid out on, with
/// projections before and after (Vaswani et al., "Attention is all you need", 2017). Tensors are those of PyTorch's
/// `nn.MultiheadAttention`: `in_proj_weight` and `in_proj_bias` make query, key and value of a token in this order,
/// `out_proj` is a linear layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attention {
    /// Heads, which share the width of the tokens evenly.
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

    fn forward(&self, input: &[usize]) -> Result<Option<Box<dyn Forward>>> {
        let (tokens, width) = vectors(input);
        Ok(Some(Box::new(SelfAttention {
            tokens,
            width,
            heads: self.heads,
            inward: Dense::new(width, 3 * width, Activation::Identity),
            outward: Dense::new(width, width, Activation::Identity),
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

    /// Query, key and value of each token, what comes of them, and the weights of one head.
    fn scratch(&self) -> usize {
        self.tokens * (4 * self.width + self.tokens)
    }
}

/// One of several heads of attention.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Width of a token.
    pub width: usize,
    /// The number of heads.
    pub heads: usize,
    /// Which of them, from 0.
    pub head: usize,
}

impl Head {
    /// Its share of the width.
    pub fn size(self) -> usize {
        self.width / self.heads.max(1)
    }

    /// What queries times keys are scaled with.
    pub fn scale(self) -> f32 {
        1.0 / (self.size() as f32).sqrt()
    }

    /// The place of its query (0), key (1) or value (2) in the projection of a token.
    pub fn place(self, which: usize) -> Range<usize> {
        let start = which * self.width + self.head * self.size();
        start..start + self.size()
    }
}

/// One head of attention in one row: `projected` has query, key and value of each token (tokens x 3 width), `out` gets
/// the head's part of each token (tokens x width), `weights` (tokens x tokens) how much each token looks at each other:
/// `softmax(q . k / sqrt(d))`, `d` being the width of the head.
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
            *weight = (*weight - max).exp();
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

/// The dot product in eight partial sums, so that it is done in vectors.
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
