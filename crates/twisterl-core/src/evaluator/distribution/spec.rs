//! Distributions as plain data, in configs and policy files.

use super::{Bernoulli, Categorical, Distribution, Gaussian, GaussianSpec, SquashedGaussian};
use crate::error::tagged_enum;
use crate::space::{ActionComponent, ActionSpace};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

tagged_enum! {
    /// The description of the distribution of one action component.
    #[derive(Debug, Clone, PartialEq)]
    pub enum DistributionSpec {
        /// [`Categorical`], for discrete components.
        Categorical,
        /// [`Bernoulli`], for binary components.
        Bernoulli,
        /// [`Gaussian`], for continuous components.
        Gaussian(GaussianSpec),
        /// [`SquashedGaussian`], for continuous components with finite bounds.
        SquashedGaussian(GaussianSpec),
        /// A registered distribution.
        Custom(Custom),
    }
}

/// A distribution that a user registered
/// ([`Registry::register_distribution`](crate::envs::registry::Registry::register_distribution)).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Custom {
    /// The registered name.
    pub name: String,
    /// The parameters in the config.
    pub params: Value,
    /// [`Distribution::parameters`], so that a network can be checked where the name is not registered.
    pub parameters: usize,
    /// [`Distribution::shared`].
    pub shared: usize,
    /// The distribution; `None` in a policy from a file, until the registry fills it in.
    #[serde(skip)]
    pub distribution: Option<Arc<dyn Distribution>>,
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.params, self.parameters, self.shared)
            == (&other.name, &other.params, other.parameters, other.shared)
    }
}

impl DistributionSpec {
    /// Returns the default distribution of a component.
    pub fn of(component: &ActionComponent) -> Self {
        match component {
            ActionComponent::Discrete { .. } => Self::Categorical,
            ActionComponent::Binary { .. } => Self::Bernoulli,
            ActionComponent::Continuous { .. } => Self::Gaussian(GaussianSpec::default()),
        }
    }

    /// Returns the number of parameters that the action head computes for `space`, and the number of those that do not depend
    /// on the state. Distributions need not be registered.
    ///
    /// # Errors
    /// If the number of descriptions is not that of the components.
    pub fn widths(space: &ActionSpace, specs: &[Self]) -> Result<(usize, usize)> {
        Self::check_count(space, specs)?;
        let (mut head, mut shared) = (0usize, 0usize);
        for (i, component) in space.components().iter().enumerate() {
            let default = Self::of(component);
            let (discrete, continuous) = component.widths();
            let (more, more_shared) = match specs.get(i).unwrap_or(&default) {
                Self::Categorical => (component.mask_width(), 0),
                Self::Bernoulli => (discrete, 0),
                Self::Gaussian(spec) | Self::SquashedGaussian(spec) => spec.widths(continuous),
                Self::Custom(custom) => (custom.parameters, custom.shared),
            };
            head = head.saturating_add(more);
            shared = shared.saturating_add(more_shared);
        }
        Ok((head, shared))
    }

    pub(super) fn check_count(space: &ActionSpace, specs: &[Self]) -> Result<()> {
        let count = space.components().len();
        if !specs.is_empty() && specs.len() != count {
            let expected = format!("none, or one for each of the {count} components");
            return Err(Error::config("distribution", expected, specs.len()));
        }
        Ok(())
    }

    /// Returns the distribution of `component`, which is number `index` of its space.
    ///
    /// # Errors
    /// If the description does not fit the component, or the distribution is not registered.
    pub(super) fn build(
        &self,
        component: &ActionComponent,
        index: usize,
    ) -> Result<Arc<dyn Distribution>> {
        let built: Result<Arc<dyn Distribution>> = match (self, component) {
            (Self::Categorical, &ActionComponent::Discrete { n }) => {
                Ok(Arc::new(Categorical { n }))
            }
            (Self::Bernoulli, &ActionComponent::Binary { n }) => Ok(Arc::new(Bernoulli { n })),
            (Self::Gaussian(spec), ActionComponent::Continuous { low, high, .. }) => {
                Gaussian::new(low, high, *spec).map(|d| Arc::new(d) as _)
            }
            (Self::SquashedGaussian(spec), ActionComponent::Continuous { low, high, .. }) => {
                SquashedGaussian::new(low, high, *spec).map(|d| Arc::new(d) as _)
            }
            (Self::Custom(custom), _) => match &custom.distribution {
                Some(distribution) => {
                    let found = (distribution.parameters(), distribution.shared());
                    match (custom.parameters, custom.shared) {
                        wanted if wanted == found => Ok(Arc::clone(distribution)),
                        wanted => Err(Error::config(
                            "parameters",
                            format!("{wanted:?} in rows and shared"),
                            format!("{found:?} of {}", custom.name),
                        )),
                    }
                }
                None => Err(Error::config("type", "a registered distribution", &custom.name)),
            },
            (spec, component) => {
                let expected = format!("a distribution for {component:?}");
                Err(Error::config("type", expected, format!("{spec:?}")))
            }
        };
        built.map_err(|error| error.below(&format!("distribution[{index}]")))
    }
}
