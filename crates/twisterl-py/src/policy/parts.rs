//! Policies put together from their parts: spaces, symmetries, and arrays of weights.

use super::Policy;
use crate::enter::Enter as _;
use crate::error::refuse;
use crate::registry::registry;
use numpy::{PyArrayDyn, PyArrayMethods as _, PyUntypedArrayMethods as _};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use twisterl_core::Error as CoreError;
use twisterl_core::space::symmetry::Twist;
use twisterl_core::space::{ActionComponent, ActionSpace, ObservationSpace, permute_equal_actions};
use twisterl_train::config::RunConfig;
use twisterl_train::record::load;
use twisterl_train::record::load::NamedTensor;

/// Permutations of the observation and of the actions.
pub(super) type Permutations = Vec<(Vec<u32>, Vec<u32>)>;

/// The spaces of environments that are not there yet: the shape of observations, and the number of actions.
pub(super) type Spaces = (Vec<usize>, usize);

impl Policy {
    /// Returns the initial policy of `config` for environments with real observations of this shape and this number of
    /// actions.
    pub(super) fn detached(
        py: Python<'_>,
        config: &RunConfig,
        (shape, actions): Spaces,
        twists: Permutations,
    ) -> PyResult<Self> {
        py.enter(|| {
            let actions = ActionSpace::new(vec![ActionComponent::Discrete { n: actions }])?;
            let spaces = (ObservationSpace::Dense { shape }, actions);
            let policy = load::detached_policy(config, spaces, pairs(twists), registry())?;
            let name = policy.env_cls.clone();
            let (known, also) = (Vec::new(), String::new());
            let unknown = CoreError::UnknownEnvironment { name, known, also };
            Self::new(policy, Err(unknown))
        })
    }

    /// Returns a copy for the same environment with other parameters (JSON), which leave the spaces as they are.
    pub(super) fn with_params(&self, py: Python<'_>, params: &str) -> PyResult<Self> {
        let params: serde_json::Value = serde_json::from_str(params)
            .map_err(|error| refuse(py, "UsageError", "params", "JSON", &error.to_string()))?;
        py.attached(|| {
            let mut policy = self.policy.clone();
            let spec = registry().make(&policy.env_cls, &params)?;
            let spaces = (spec.observation_space(), spec.action_space());
            let network = &policy.network;
            if spaces != (network.observation.clone(), network.actions.clone()) {
                let expected = format!("{:?} and {:?}", network.observation, network.actions);
                let found = format!("{:?} and {:?}", spaces.0, spaces.1);
                return Err(CoreError::config("params: spaces", expected, found).into());
            }
            policy.env = spec.params();
            Self::new(policy, Ok(spec))
        })
    }

    /// Returns a copy with other weights or other symmetries.
    pub(super) fn with_parts(
        &self,
        py: Python<'_>,
        weights: Option<&Bound<'_, PyDict>>,
        twists: Option<Permutations>,
    ) -> PyResult<Self> {
        let mut header = self.policy.header();
        if let Some(twists) = twists {
            header.twists = pairs(twists);
        }
        let Some(weights) = weights else {
            let mut policy = self.policy.clone();
            policy.twists = header.twists;
            py.attached(|| policy.check())?;
            return py.attached(|| Self::new(policy, self.env.clone()));
        };
        let tensors = read_tensors(weights)?;
        py.enter(|| Self::new(load::from_tensors(header, &tensors)?, self.env.clone()))
    }
}

/// Returns maps of the actions that are permutations as far as the choice among equal actions allows, in the order of `twists`.
#[pyfunction(name = "permute_equal_actions")]
pub(crate) fn permuted(twists: Permutations) -> Vec<Vec<u32>> {
    pairs(twists).into_iter().map(|twist| twist.action).collect()
}

fn pairs(twists: Permutations) -> Vec<Twist> {
    let twists = twists.into_iter().map(|(observation, action)| Twist { observation, action });
    let mut twists: Vec<Twist> = twists.collect();
    permute_equal_actions(&mut twists);
    twists
}

fn read_tensors(weights: &Bound<'_, PyDict>) -> PyResult<Vec<NamedTensor>> {
    let read = |(name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let name: String = name.extract()?;
        let array = value.cast::<PyArrayDyn<f32>>().map_err(|_| {
            let found = value.get_type().to_string();
            refuse(value.py(), "UsageError", &name, "an array of single precision", &found)
        })?;
        Ok((name, array.shape().to_vec(), array.to_vec()?))
    };
    weights.iter().map(read).collect()
}
