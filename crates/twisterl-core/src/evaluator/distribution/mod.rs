//! Action distributions: sampling, log-probabilities, entropies and their derivatives with respect to the parameters.
//!
//! A [`Distribution`] is the distribution of one action component; an [`ActionDistribution`] is the product over all
//! components. All derivatives have closed forms.
//!
//! A *sample* is what a distribution draws: choices, bits, and real numbers in units of the network. An *action* is what the
//! environment takes: the same choices and bits, and the numbers within their bounds. Losses use samples, so that clipping
//! and squashing lose nothing.

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

use crate::Result;
use crate::rng::Rng;
use crate::space::ActionComponent;
use serde_json::Value;
use std::fmt::Debug;
use std::sync::Arc;

/// Makes a distribution of one action component from the parameters of its config.
pub(crate) type DistributionMaker =
    Arc<dyn Fn(&ActionComponent, &Value) -> Result<Arc<dyn Distribution>> + Send + Sync>;

/// The choice of an action from its distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The most probable choices, the first among equals, and the means of numbers.
    Greedy,
    /// A draw from the distribution.
    Sample,
}

/// The parameters of one component in one row.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a> {
    /// The outputs of the action head, `[Distribution::parameters]`.
    pub head: &'a [f32],
    /// The learned parameters that do not depend on the state, `[Distribution::shared]`.
    pub shared: &'a [f32],
    /// The allowed choices of the discrete values, `[mask width]`.
    pub mask: &'a [bool],
}

/// [`Parameters`] whose head may be overwritten.
#[derive(Debug)]
pub struct ParametersMut<'a> {
    /// [`Parameters::head`], which may be overwritten.
    pub head: &'a mut [f32],
    /// [`Parameters::shared`].
    pub shared: &'a [f32],
    /// [`Parameters::mask`].
    pub mask: &'a [bool],
}

impl ParametersMut<'_> {
    /// Returns the parameters for reading.
    pub fn read(&self) -> Parameters<'_> {
        Parameters { head: self.head, shared: self.shared, mask: self.mask }
    }
}

/// A sample of one component.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample<'a> {
    /// Choices and bits, `[discrete values]`.
    pub choices: &'a [u32],
    /// Numbers before clipping or squashing, `[continuous values]`.
    pub values: &'a [f32],
}

/// Arrays to which a sample is appended.
#[derive(Debug)]
pub struct SampleMut<'a> {
    /// [`Sample::choices`].
    pub choices: &'a mut Vec<u32>,
    /// [`Sample::values`].
    pub values: &'a mut Vec<f32>,
}

/// The log-probability of a sample, and the entropy of its distribution.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SampleScore {
    /// Logarithm of the probability, or of the density if there are real numbers; in nats.
    pub log_prob: f64,
    /// Entropy of the distribution, in nats.
    pub entropy: f64,
}

/// The derivatives of a loss with respect to the fields of a [`SampleScore`].
pub type Slopes = SampleScore;

/// The derivatives of a loss with respect to the parameters. They are 0 before.
#[derive(Debug)]
pub struct Gradient<'a> {
    /// With respect to [`Parameters::head`].
    pub head: &'a mut [f64],
    /// With respect to [`Parameters::shared`].
    pub shared: &'a mut [f64],
}

/// The distribution of one action component.
///
/// Parameters are those of one row. Methods do not panic for finite parameters and samples of the distribution itself.
pub trait Distribution: Debug + Send + Sync {
    /// Returns the number of parameters that the network computes for each row.
    fn parameters(&self) -> usize;

    /// Returns the number of learned parameters that do not depend on the state. They start at 0.
    fn shared(&self) -> usize {
        0
    }

    /// Returns the length of the scratch memory that [`score`](Self::score) fills for [`gradient`](Self::gradient).
    fn scratch(&self) -> usize {
        0
    }

    /// Appends a sample, or the most probable choices and the means of numbers, to `sample`. Returns the logarithm of its
    /// probability or density, which is not finite if a parameter is not.
    fn choose(
        &self,
        parameters: ParametersMut<'_>,
        choice: Choice,
        rng: &mut Rng,
        sample: SampleMut<'_>,
    ) -> f32;

    /// Appends the action of the environment for the `values` of a sample, all within the component's bounds.
    fn act(&self, values: &[f32], action: &mut Vec<f32>) {
        action.extend_from_slice(values);
    }

    /// Returns the log-probability of a sample and the entropy.
    fn score(
        &self,
        parameters: Parameters<'_>,
        sample: Sample<'_>,
        scratch: &mut [f64],
    ) -> SampleScore;

    /// Writes the gradient of a loss with these `slopes`. `scratch` is as [`score`](Self::score) left it.
    fn gradient(
        &self,
        parameters: Parameters<'_>,
        sample: Sample<'_>,
        scratch: &[f64],
        slopes: Slopes,
        gradient: Gradient<'_>,
    );
}
