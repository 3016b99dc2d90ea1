//! Distributions of actions: how a network's outputs become an action, how likely it was, and how both depend on them.
//!
//! A [`Distribution`] is that of one component of an action, one file each; an [`ActionDistribution`] is the product
//! over all components. Their densities have derivatives in closed form, which is all that training needs of them.
//!
//! What is drawn is a *sample*: choices, bits, and real numbers in units of the network. What the environment gets is
//! an *action*: the same choices and bits, and the numbers brought to their bounds. Losses see samples, so that nothing
//! is lost in clipping and squashing.

mod bernoulli;
mod categorical;
mod gaussian;
mod product;
mod spec;
mod squashed;
#[cfg(test)]
mod tests;

pub use bernoulli::Bernoulli;
pub use categorical::{
    Categorical, argmax, log_normaliser, masked_log_softmax, masked_softmax, sample,
};
pub use gaussian::{Gaussian, GaussianSpec, LogStd};
pub use product::ActionDistribution;
pub use spec::{Custom, DistributionSpec};
pub use squashed::SquashedGaussian;

use crate::rng::Rng;
use std::fmt::Debug;

/// How an action is taken from its distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The middle of the distribution: the most probable choices, the first among equals, and the means of numbers.
    Greedy,
    /// One drawn from the distribution.
    Sample,
}

/// What the network says of one component in one row.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a> {
    /// What the action head computed, [`Distribution::parameters`] numbers.
    pub head: &'a [f32],
    /// What is learned but the same in all rows, [`Distribution::shared`] numbers.
    pub shared: &'a [f32],
    /// What is allowed: an entry for each choice of each discrete value.
    pub mask: &'a [bool],
}

/// [`Parameters`] in memory that may be worked in.
#[derive(Debug)]
pub struct ParametersMut<'a> {
    /// See [`Parameters::head`]; may be overwritten.
    pub head: &'a mut [f32],
    /// See [`Parameters::shared`].
    pub shared: &'a [f32],
    /// See [`Parameters::mask`].
    pub mask: &'a [bool],
}

impl ParametersMut<'_> {
    /// The parameters, to be read.
    pub fn read(&self) -> Parameters<'_> {
        Parameters { head: self.head, shared: self.shared, mask: self.mask }
    }
}

/// What was drawn for one component.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample<'a> {
    /// Choices and bits.
    pub choices: &'a [u32],
    /// Numbers, before they are brought to the bounds.
    pub values: &'a [f32],
}

/// Where a sample goes, behind those before it.
#[derive(Debug)]
pub struct SampleMut<'a> {
    /// See [`Sample::choices`].
    pub choices: &'a mut Vec<u32>,
    /// See [`Sample::values`].
    pub values: &'a mut Vec<f32>,
}

/// How likely a sample is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SampleScore {
    /// Logarithm of its probability, or of its density where it has real numbers; in nats.
    pub log_prob: f64,
    /// Entropy of the distribution, in nats.
    pub entropy: f64,
}

/// Derivatives of a function by the two numbers of a [`SampleScore`].
pub type Slopes = SampleScore;

/// Where the derivatives by the parameters go; they come in as 0.
#[derive(Debug)]
pub struct Gradient<'a> {
    /// By [`Parameters::head`].
    pub head: &'a mut [f64],
    /// By [`Parameters::shared`].
    pub shared: &'a mut [f64],
}

/// The distribution of one component of an action.
///
/// Parameters are those of one row. None of the methods panics, whatever finite parameters and samples of its own it
/// is given.
pub trait Distribution: Debug + Send + Sync {
    /// The number of parameters that the network computes for each row.
    fn parameters(&self) -> usize;

    /// The number of parameters that are learned, from 0, and the same in all rows.
    fn shared(&self) -> usize {
        0
    }

    /// The numbers that [`score`](Self::score) leaves for [`gradient`](Self::gradient).
    fn scratch(&self) -> usize {
        0
    }

    /// Draws a sample, or takes the middle of the distribution: what is most probable, or for numbers the mean. Appends
    /// choices and numbers as many as the component has, and returns the logarithm of their probability or density.
    fn choose(
        &self,
        parameters: ParametersMut<'_>,
        choice: Choice,
        rng: &mut Rng,
        sample: SampleMut<'_>,
    ) -> f32;

    /// Appends the numbers that the environment gets for those of a sample, all within the component's bounds.
    fn act(&self, values: &[f32], action: &mut Vec<f32>) {
        action.extend_from_slice(values);
    }

    /// How likely a sample is.
    fn score(
        &self,
        parameters: Parameters<'_>,
        sample: Sample<'_>,
        scratch: &mut [f64],
    ) -> SampleScore;

    /// The gradient, by the parameters, of a loss with these `slopes`; `scratch` as [`score`](Self::score) left it.
    fn gradient(
        &self,
        parameters: Parameters<'_>,
        sample: Sample<'_>,
        scratch: &[f64],
        slopes: Slopes,
        gradient: Gradient<'_>,
    );
}
