//! The distribution of an action: the product over its components.

use super::{
    Categorical, Distribution, DistributionSpec, Gradient, Parameters, ParametersMut, Sample,
    SampleMut, SampleScore, Slopes,
};
use crate::Result;
use crate::evaluator::distribution::Choice;
use crate::rng::Rng;
use crate::space::{ActionComponent, ActionSpace, Actions};
use std::ops::Range;
use std::sync::Arc;

/// The distribution of the actions of a space. A row of parameters holds the outputs of the action head for each component in
/// order, followed by the parameters that do not depend on the state, in the same order.
#[derive(Debug, Clone)]
pub struct ActionDistribution {
    parts: Vec<Part>,
    head: usize,
    shared: usize,
    mask: usize,
    discrete: usize,
    continuous: usize,
    scratch: usize,
}

/// The distribution of one component, and its ranges in the arrays of a row.
#[derive(Debug, Clone)]
struct Part {
    distribution: Arc<dyn Distribution>,
    head: Range<usize>,
    shared: Range<usize>,
    mask: Range<usize>,
    choices: Range<usize>,
    values: Range<usize>,
    scratch: Range<usize>,
}

impl Part {
    fn sample<'a>(&self, sample: Sample<'a>) -> Sample<'a> {
        Sample {
            choices: &sample.choices[self.choices.clone()],
            values: &sample.values[self.values.clone()],
        }
    }

    fn parameters<'a>(
        &self,
        (head, shared): (&'a [f32], &'a [f32]),
        mask: &'a [bool],
    ) -> Parameters<'a> {
        Parameters {
            head: &head[self.head.clone()],
            shared: &shared[self.shared.clone()],
            mask: &mask[self.mask.clone()],
        }
    }
}

impl ActionDistribution {
    /// Returns the distribution of the actions of `space` that `specs` describe, one a component. If `specs` is empty, each
    /// component has its default.
    ///
    /// # Errors
    /// If a description does not fit its component, or names a distribution that is not registered.
    pub fn new(space: &ActionSpace, specs: &[DistributionSpec]) -> Result<Self> {
        DistributionSpec::check_count(space, specs)?;
        let mut all = Self::empty();
        for (i, component) in space.components().iter().enumerate() {
            let default = DistributionSpec::of(component);
            let distribution = specs.get(i).unwrap_or(&default).build(component, i)?;
            all.push(distribution, component);
        }
        Ok(all)
    }

    /// Returns the categorical distribution over `n` choices, at least 1.
    pub fn categorical(n: usize) -> Self {
        let mut all = Self::empty();
        let n = n.max(1);
        all.push(Arc::new(Categorical { n }), &ActionComponent::Discrete { n });
        all
    }

    fn empty() -> Self {
        Self {
            parts: Vec::new(),
            head: 0,
            shared: 0,
            mask: 0,
            discrete: 0,
            continuous: 0,
            scratch: 0,
        }
    }

    fn push(&mut self, distribution: Arc<dyn Distribution>, component: &ActionComponent) {
        let grow = |width: &mut usize, by: usize| {
            let start = *width;
            *width += by;
            start..*width
        };
        let (discrete, continuous) = component.widths();
        self.parts.push(Part {
            head: grow(&mut self.head, distribution.parameters()),
            shared: grow(&mut self.shared, distribution.shared()),
            mask: grow(&mut self.mask, component.mask_width()),
            choices: grow(&mut self.discrete, discrete),
            values: grow(&mut self.continuous, continuous),
            scratch: grow(&mut self.scratch, distribution.scratch()),
            distribution,
        });
    }

    /// Returns the number of parameters that the action head computes.
    pub fn head_width(&self) -> usize {
        self.head
    }

    /// Returns the number of parameters that do not depend on the state.
    pub fn shared_width(&self) -> usize {
        self.shared
    }

    /// Returns the number of parameters of a row, shared ones included.
    pub fn width(&self) -> usize {
        self.head + self.shared
    }

    /// Returns the width of a mask.
    pub fn mask_width(&self) -> usize {
        self.mask
    }

    /// Returns the length of the scratch memory that [`score`](Self::score) fills for [`gradient`](Self::gradient).
    pub fn scratch_width(&self) -> usize {
        self.scratch
    }

    /// Returns the numbers of discrete and of continuous values of a sample.
    pub fn sample_widths(&self) -> (usize, usize) {
        (self.discrete, self.continuous)
    }

    /// Appends a sample, or the greedy choice, to `samples`, and returns the logarithm of its probability or density. `row`,
    /// `[width]`, may be overwritten; `mask` is `[mask width]`.
    pub fn choose(
        &self,
        row: &mut [f32],
        mask: &[bool],
        choice: Choice,
        rng: &mut Rng,
        samples: &mut Actions,
    ) -> f32 {
        let (head, shared) = row.split_at_mut(self.head);
        let mut log_prob = 0.0;
        for part in &self.parts {
            let parameters = ParametersMut {
                head: &mut head[part.head.clone()],
                shared: &shared[part.shared.clone()],
                mask: &mask[part.mask.clone()],
            };
            let sample =
                SampleMut { choices: &mut samples.discrete, values: &mut samples.continuous };
            log_prob += part.distribution.choose(parameters, choice, rng, sample);
        }
        log_prob
    }

    /// Appends the actions of the environment for all `samples` to `actions`.
    pub fn act(&self, samples: &Actions, actions: &mut Actions) {
        actions.discrete.extend_from_slice(&samples.discrete);
        if self.continuous == 0 {
            return;
        }
        for values in samples.continuous.chunks_exact(self.continuous) {
            for part in self.parts.iter().filter(|part| !part.values.is_empty()) {
                part.distribution.act(&values[part.values.clone()], &mut actions.continuous);
            }
        }
    }

    /// Returns the log-probability of a sample and the entropy, summed over the components. `scratch` is `[scratch width]`.
    pub fn score(
        &self,
        row: &[f32],
        mask: &[bool],
        sample: Sample<'_>,
        scratch: &mut [f64],
    ) -> SampleScore {
        let parameters = row.split_at(self.head);
        let mut sum = SampleScore::default();
        for part in &self.parts {
            let scratch = &mut scratch[part.scratch.clone()];
            let parameters = part.parameters(parameters, mask);
            let score = part.distribution.score(parameters, part.sample(sample), scratch);
            sum.log_prob += score.log_prob;
            sum.entropy += score.entropy;
        }
        sum
    }

    /// Writes the gradient of a loss with these `slopes` with respect to the parameters of the row to `gradient`, `[width]`,
    /// which is 0 before. `scratch` is as [`score`](Self::score) left it.
    pub fn gradient(
        &self,
        row: &[f32],
        mask: &[bool],
        sample: Sample<'_>,
        scratch: &[f64],
        slopes: Slopes,
        gradient: &mut [f64],
    ) {
        let parameters = row.split_at(self.head);
        let (by_head, by_shared) = gradient.split_at_mut(self.head);
        for part in &self.parts {
            let scratch = &scratch[part.scratch.clone()];
            let parameters = part.parameters(parameters, mask);
            let gradient = Gradient {
                head: &mut by_head[part.head.clone()],
                shared: &mut by_shared[part.shared.clone()],
            };
            let sample = part.sample(sample);
            part.distribution.gradient(parameters, sample, scratch, slopes, gradient);
        }
    }
}
