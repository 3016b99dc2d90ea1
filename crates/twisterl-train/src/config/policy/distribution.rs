//! `policy.distribution`: how the outputs of a network become actions.

use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twisterl_core::envs::registry::Registry;
use twisterl_core::evaluator::distribution::{
    ActionDistribution, DistributionSpec, GaussianSpec, LogStd,
};
use twisterl_core::space::{ActionComponent, ActionSpace};

/// The source of the logarithms of standard deviations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogStdName {
    /// Parameters: one number for each value, the same in all states.
    #[default]
    Shared,
    /// The network, for each state.
    State,
}

/// The distribution of one component of an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DistributionConfig {
    /// `categorical` of one choice, `bernoulli` of bits, `gaussian` (clipped to the bounds) or `squashed_gaussian` (by
    /// the hyperbolic tangent) of real numbers, or the name of one that the program registered.
    #[serde(rename = "type")]
    pub kind: String,
    /// The source of the logarithms of standard deviations; `shared` if not given. For both Gaussians.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_std: Option<LogStdName>,
    /// The logarithm of the initial standard deviation, in units in which the bounds are -1 and 1; 0 if not given. For
    /// both Gaussians.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -20, max = 20))]
    pub log_std_init: Option<f64>,
    /// Its lower bound; -5 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -20, max = 20))]
    pub log_std_min: Option<f64>,
    /// Its upper bound; 2 if not given, and at most 4 for `squashed_gaussian`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -20, max = 20))]
    pub log_std_max: Option<f64>,
    /// Parameters of a registered distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Value>,
}

/// Returns the descriptions of `configs`: one for each component of `space`, or none.
///
/// # Errors
/// If one does not fit its component, with the path of the field.
pub(crate) fn descriptions(
    configs: &[DistributionConfig],
    space: &ActionSpace,
    registry: &Registry,
) -> Result<Vec<DistributionSpec>> {
    let components = space.components();
    if !configs.is_empty() && configs.len() != components.len() {
        let expected = format!("one for each of the {} components of an action", components.len());
        return Err(Error::config("policy.distribution", expected, configs.len()));
    }
    let describe = |(i, (config, component)): (usize, (&DistributionConfig, _))| {
        let described = config.describe(component, registry);
        Ok(described.map_err(|error| error.below(&format!("policy.distribution[{i}]")))?)
    };
    let described = configs.iter().zip(components).enumerate().map(describe);
    let described = described.collect::<Result<Vec<_>>>()?;
    ActionDistribution::new(space, &described).map_err(|error| error.below("policy"))?;
    Ok(described)
}

impl DistributionConfig {
    fn describe(
        &self,
        component: &ActionComponent,
        registry: &Registry,
    ) -> twisterl_core::Result<DistributionSpec> {
        let gaussian = self.gaussian();
        let (described, gaussian_fields, params) = match self.kind.as_str() {
            "categorical" => (DistributionSpec::Categorical, false, false),
            "bernoulli" => (DistributionSpec::Bernoulli, false, false),
            "gaussian" => (DistributionSpec::Gaussian(gaussian), true, false),
            "squashed_gaussian" => (DistributionSpec::SquashedGaussian(gaussian), true, false),
            name => {
                let params = self.params.as_ref().unwrap_or(&Value::Null);
                (registry.distribution(name, params, component)?, false, true)
            }
        };
        for (name, given, allowed) in [
            ("log_std", self.log_std.is_some(), gaussian_fields),
            ("log_std_init", self.log_std_init.is_some(), gaussian_fields),
            ("log_std_min", self.log_std_min.is_some(), gaussian_fields),
            ("log_std_max", self.log_std_max.is_some(), gaussian_fields),
            ("params", self.params.is_some(), params),
        ] {
            if given && !allowed {
                let expected = format!("nothing, for {}", self.kind);
                return Err(twisterl_core::Error::config(name, expected, "a value"));
            }
        }
        Ok(described)
    }

    fn gaussian(&self) -> GaussianSpec {
        let default = GaussianSpec::default();
        let number = |given: Option<f64>, default: f32| given.map_or(default, |x| x as f32);
        GaussianSpec {
            log_std: match self.log_std.unwrap_or_default() {
                LogStdName::Shared => LogStd::Shared,
                LogStdName::State => LogStd::State,
            },
            log_std_init: number(self.log_std_init, default.log_std_init),
            log_std_min: number(self.log_std_min, default.log_std_min),
            log_std_max: number(self.log_std_max, default.log_std_max),
        }
    }
}
