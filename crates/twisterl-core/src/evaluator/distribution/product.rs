//! The distribution of a whole action: the product over its components.

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

/// The distribution of actions of a space, given a row of parameters: those that the network's action head computes, for
/// one component after the other, and then those that all rows share, in the same order.
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

/// One component's distribution, and what belongs to it in each array.
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
            choices: sample.choices.get(self.choices.clone()).unwrap_or(&[]),
            values: sample.values.get(self.values.clone()).unwrap_or(&[]),
        }
    }

    fn parameters<'a>(
        &self,
        (head, shared): (&'a [f32], &'a [f32]),
        mask: &'a [bool],
    ) -> Parameters<'a> {
        Parameters {
            head: head.get(self.head.clone()).unwrap_or(&[]),
            shared: shared.get(self.shared.clone()).unwrap_or(&[]),
            mask: mask.get(self.mask.clone()).unwrap_or(&[]),
        }
    }
}

impl ActionDistribution {
    /// The distribution of actions of `space` that `specs` describe, one a component; none: each component's default.
    ///
    /// # Errors
    /// If a description does not fit its component, or names a distribution that was not registered.
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

    /// One choice among `n`, at least 1.
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

    /// The number of parameters that the action head computes.
    pub fn head_width(&self) -> usize {
        self.head
    }

    /// The number of parameters that all rows share.
    pub fn shared_width(&self) -> usize {
        self.shared
    }

    /// The number of parameters a row, shared ones included.
    pub fn width(&self) -> usize {
        self.head + self.shared
    }

    /// The width of a row's mask.
    pub fn mask_width(&self) -> usize {
        self.mask
    }

    /// The numbers that [`score`](Self::score) leaves for [`gradient`](Self::gradient).
    pub fn scratch_width(&self) -> usize {
        self.scratch
    }

    /// The numbers of choices and of real numbers in a sample.
    pub fn sample_widths(&self) -> (usize, usize) {
        (self.discrete, self.continuous)
    }

    /// Draws a sample, or takes the middle of each distribution, appends it, and returns the logarithm of its
    /// probability or density. `row` may be overwritten.
    pub fn choose(
        &self,
        row: &mut [f32],
        mask: &[bool],
        choice: Choice,
        rng: &mut Rng,
        samples: &mut Actions,
    ) -> f32 {
        let (head, shared) = row.split_at_mut(self.head.min(row.len()));
        let mut log_prob = 0.0;
        for part in &self.parts {
            let parameters = ParametersMut {
                head: head.get_mut(part.head.clone()).unwrap_or(&mut []),
                shared: shared.get(part.shared.clone()).unwrap_or(&[]),
                mask: mask.get(part.mask.clone()).unwrap_or(&[]),
            };
            let sample =
                SampleMut { choices: &mut samples.discrete, values: &mut samples.continuous };
            log_prob += part.distribution.choose(parameters, choice, rng, sample);
        }
        log_prob
    }

    /// Appends the actions that the environment gets for all `samples`.
    pub fn act(&self, samples: &Actions, actions: &mut Actions) {
        actions.discrete.extend_from_slice(&samples.discrete);
        if self.continuous == 0 {
            return;
        }
        for values in samples.continuous.chunks_exact(self.continuous) {
            for part in self.parts.iter().filter(|part| !part.values.is_empty()) {
                let values = values.get(part.values.clone()).unwrap_or(&[]);
                part.distribution.act(values, &mut actions.continuous);
            }
        }
    }

    /// How likely `sample` is: the sum over the components. `scratch` has [`scratch_width`](Self::scratch_width) entries.
    pub fn score(
        &self,
        row: &[f32],
        mask: &[bool],
        sample: Sample<'_>,
        scratch: &mut [f64],
    ) -> SampleScore {
        let parameters = row.split_at(self.head.min(row.len()));
        let mut sum = SampleScore::default();
        for part in &self.parts {
            let scratch = scratch.get_mut(part.scratch.clone()).unwrap_or(&mut []);
            let parameters = part.parameters(parameters, mask);
            let score = part.distribution.score(parameters, part.sample(sample), scratch);
            sum.log_prob += score.log_prob;
            sum.entropy += score.entropy;
        }
        sum
    }

    /// Writes the gradient, by the row's parameters, of a loss with these `slopes`. `gradient` comes in as 0, and
    /// `scratch` as [`score`](Self::score) left it.
    pub fn gradient(
        &self,
        row: &[f32],
        mask: &[bool],
        sample: Sample<'_>,
        scratch: &[f64],
        slopes: Slopes,
        gradient: &mut [f64],
    ) {
        let parameters = row.split_at(self.head.min(row.len()));
        let (by_head, by_shared) = gradient.split_at_mut(self.head.min(gradient.len()));
        for part in &self.parts {
            let scratch = scratch.get(part.scratch.clone()).unwrap_or(&[]);
            let parameters = part.parameters(parameters, mask);
            let gradient = Gradient {
                head: by_head.get_mut(part.head.clone()).unwrap_or(&mut []),
                shared: by_shared.get_mut(part.shared.clone()).unwrap_or(&mut []),
            };
            let sample = part.sample(sample);
            part.distribution.gradient(parameters, sample, scratch, slopes, gradient);
        }
    }
}
