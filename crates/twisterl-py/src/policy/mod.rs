//! Trained policies.

mod bundle;
mod options;
pub(crate) mod parts;
mod predict;
mod solve;

use crate::convert::actions::{Component, components};
use crate::convert::arguments::{Cores, deterministic_of, portable_of, seed_of, trust_of};
use crate::convert::codec::Codec;
use crate::convert::json;
use crate::convert::observations::shape;
use crate::enter::Enter as _;
use crate::enter::calls::call_env;
use crate::error::refuse;
use crate::python_env::{PythonEnvSpec, raised};
use crate::registry::registry_for_file;
use numpy::{PyArray1, PyArrayMethods as _};
use parts::{Permutations, Spaces};
use predict::Predicted;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use solve::{Solved, States};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use twisterl_core::Error as CoreError;
use twisterl_core::envs::registry::{EnvSpec, Registry, Trust};
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::evaluator::batched::BatchedEvaluation;
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::weights::tensors::{TensorFile, f32_values};
use twisterl_core::policy::{Arithmetic, Policy as Weights};
use twisterl_core::space::{ActionSpace, ObservationSpace};
use twisterl_train::Result;
use twisterl_train::config::RunConfig;
use twisterl_train::record::load;
use twisterl_train::record::load::LoadedPolicy;

/// A trained policy with the environment that it is for.
#[pyclass(frozen, subclass, module = "twisterl._core")]
pub struct Policy {
    policy: Weights,
    executor: Arc<Executor>,
    /// The environment, or the reason why there is none.
    env: Result<Arc<dyn EnvSpec>, CoreError>,
    /// Reads observations and masks, and writes actions, of an environment written in Python.
    codec: Option<Codec>,
    /// Memory of single predictions; a second thread makes its own.
    memory: Mutex<Option<BatchedEvaluation>>,
}

impl Policy {
    fn new(mut policy: Weights, env: Result<Arc<dyn EnvSpec>, CoreError>) -> Result<Self> {
        let executor = Arc::new(Executor::of(&policy)?);
        let spec = env.as_ref().ok().and_then(|env| PythonEnvSpec::of_spec(&**env));
        // Files of older versions do not say what their environments declare.
        policy.spaces = policy.spaces.or_else(|| env.as_ref().ok()?.declared_spaces());
        let codec = call_env(None, |py| match (&policy.spaces, spec) {
            (Some(spaces), _) => Codec::of_spaces(py, spaces).map(Some),
            (None, Some(spec)) => Ok(Some(spec.codec().clone_ref(py))),
            (None, None) => Ok(None),
        })
        .map_err(|e| raised(&policy.env_cls, e))?;
        Ok(Self { policy, executor, env, codec, memory: Mutex::new(None) })
    }

    fn loaded(loaded: LoadedPolicy, portable: bool) -> Result<Self> {
        let env = loaded.env();
        let mut policy = loaded.policy;
        if portable {
            policy.arithmetic = Arithmetic::Portable;
        }
        Self::new(policy, env)
    }

    /// Returns the policy that the run with `config` begins with: fresh, or with the weights that the path leads to.
    fn initial(config: &RunConfig, weights: Option<&Path>, registry: &Registry) -> Result<Self> {
        // The config is the user's, as for training.
        let registry = registry.with_trust(Trust::Code);
        let spec = registry.make(&config.env_cls, &config.env)?;
        let policy = match weights {
            Some(path) => load::weights_for(config, &*spec, path, &registry)?,
            None => load::initial_policy(config, &*spec, &registry)?,
        };
        Self::new(policy, Ok(spec))
    }

    /// The policy as plain data.
    pub fn weights(&self) -> &Weights {
        &self.policy
    }

    /// Returns its environment.
    ///
    /// # Errors
    /// `UnknownEnvError` if there is none of the name in the policy's file, or its code is not trusted.
    pub fn env(&self, py: Python<'_>) -> PyResult<Arc<dyn EnvSpec>> {
        py.attached(|| self.env.clone())
    }

    fn space(&self) -> &ObservationSpace {
        &self.policy.network.observation
    }

    fn actions(&self) -> &ActionSpace {
        &self.policy.network.actions
    }
}

#[pymethods]
impl Policy {
    /// Loads the policy that a path leads to; with `initial`, the config of a run (JSON), the policy that the run begins
    /// with: fresh, or with the weights that the path leads to; with `data`, the policy that `to_bytes` wrote. `env` and
    /// `trust` are those of [`registry_for_file`]; with `like`, a copy of that policy, with these `weights` and `twists`, or
    /// with these `params` of its environment (JSON), if given; with `portable`, in the portable arithmetic. With `initial` and `spaces`, the policy for environments with these spaces and `twists`.
    #[new]
    #[pyo3(signature = (
        path=None, config=None, initial=None, data=None, env=None, trust=false, like=None, weights=None, twists=None,
        spaces=None, portable=false, params=None
    ))]
    #[allow(clippy::too_many_arguments)] // one for each source of a policy
    fn load(
        py: Python<'_>,
        path: Option<PathBuf>,
        config: Option<PathBuf>,
        initial: Option<&str>,
        data: Option<&[u8]>,
        env: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = trust_of)] trust: bool,
        like: Option<&Self>,
        weights: Option<&Bound<'_, PyDict>>,
        twists: Option<Permutations>,
        spaces: Option<Spaces>,
        #[pyo3(from_py_with = portable_of)] portable: bool,
        params: Option<&str>,
    ) -> PyResult<Self> {
        if let Some(like) = like {
            if let Some(params) = params {
                return like.with_params(py, params);
            }
            return like.with_parts(py, weights, twists);
        }
        if path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Err(refuse(py, "UsageError", "path", "a path", "an empty text"));
        }
        let registry = registry_for_file(env, trust)?;
        if let Some(initial) = initial {
            let config = json::config(py, initial, &[])?;
            if let Some(spaces) = spaces {
                return Self::detached(py, &config, spaces, twists.unwrap_or_default());
            }
            let begin = move || Self::initial(&config, path.as_deref(), &registry);
            return py.enter_interruptible(&Interrupt::default(), begin);
        }
        let interrupt = Interrupt::default();
        let policy = match (data.map(<[u8]>::to_vec), path) {
            (Some(data), _) => py.enter_interruptible(&interrupt, move || {
                Self::loaded(LoadedPolicy::from_bytes(&data, &registry)?, portable)
            })?,
            (None, Some(path)) => py.enter_interruptible(&interrupt, move || {
                Self::loaded(load::open_policy(&path, config.as_deref(), &registry)?, portable)
            })?,
            (None, None) => return Err(refuse(py, "UsageError", "path", "one", "none")),
        };
        if env.is_some() || trust {
            // Asked for, so that its absence is an error.
            policy.env(py)?;
        }
        Ok(policy)
    }

    /// The environment with its parameters.
    #[getter]
    fn spec(&self, py: Python<'_>) -> PyResult<crate::env::EnvSpec> {
        self.env(py).map(crate::env::EnvSpec)
    }

    /// The arithmetic of its answers: `fused` or `portable-1`.
    #[getter]
    fn arithmetic(&self) -> &'static str {
        self.policy.arithmetic.name()
    }

    /// The name of the environment.
    #[getter]
    fn env_cls(&self) -> &str {
        &self.policy.env_cls
    }

    /// The parameters of the environment, as JSON.
    #[getter]
    fn env_json(&self) -> String {
        self.policy.env.to_string()
    }

    /// The shape of an observation.
    #[getter]
    fn obs_shape(&self, py: Python<'_>) -> PyResult<Vec<usize>> {
        shape(py, self.space())
    }

    /// True if observations are zeros and ones, given by the indices of the ones.
    #[getter]
    fn sparse(&self) -> bool {
        matches!(self.space(), ObservationSpace::SparseBinary { .. })
    }

    /// Encodes observations and decodes actions, of an environment written in Python.
    #[getter]
    fn codec(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.codec.as_ref().map(|codec| codec.object(py))
    }

    /// The spaces that the environment declares, as JSON.
    #[getter]
    fn spaces_json(&self) -> Option<String> {
        self.policy.spaces.as_ref().map(|spaces| serde_json::json!(spaces).to_string())
    }

    /// The number of choices of an action.
    #[getter]
    fn num_actions(&self) -> usize {
        self.actions().mask_width()
    }

    /// The components of an action, as [`EnvBatch`](crate::env::EnvBatch) has them.
    #[getter]
    fn action_components(&self) -> Vec<Component> {
        components(self.actions())
    }

    /// The number of weights.
    #[getter]
    fn num_parameters(&self) -> usize {
        self.policy.parameters.len()
    }

    /// Returns the weights by tensor name, as arrays.
    #[pyo3(name = "weights")]
    fn weight_arrays<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let weights = PyDict::new(py);
        let bytes = py.attached(|| self.policy.to_safetensors())?;
        let file = py.attached(|| TensorFile::parse(&bytes))?;
        for (name, tensor) in &py.attached(|| file.tensors())? {
            let values = PyArray1::from_iter(py, py.attached(|| f32_values(name, tensor))?);
            weights.set_item(name, values.reshape(tensor.shape())?)?;
        }
        Ok(weights)
    }

    /// Returns the file that `save` writes.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &py.attached(|| self.policy.to_safetensors())?))
    }

    /// Writes the bundle of the policy. Returns false if the template, by default that in the folder `templates`, does not have
    /// its environment. `options` are kept for solving.
    fn write_bundle(
        &self,
        py: Python<'_>,
        output: PathBuf,
        template: Option<PathBuf>,
        templates: Option<PathBuf>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<bool> {
        self.bundle(py, output, (template, templates), options)
    }

    /// Returns the probabilities of the choices if an action is one choice, else the parameters of the distribution of
    /// actions; and the value.
    #[pyo3(signature = (observation, mask=None))]
    fn predict<'py>(
        &self,
        observation: &Bound<'py, PyAny>,
        mask: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyArray1<f32>>, f32)> {
        self.predict_one(observation, mask)
    }

    /// Returns the same for many observations, on all threads: `[row, parameter]`, and the values, `[row]`.
    #[pyo3(signature = (observations, masks=None, num_cores=None))]
    fn predict_batch<'py>(
        &self,
        observations: &Bound<'py, PyAny>,
        masks: Option<&Bound<'py, PyAny>>,
        num_cores: Option<Cores>,
    ) -> PyResult<Predicted<'py>> {
        self.predict_many(observations, masks, num_cores, false)
    }

    /// Returns the outputs of the network for many observations, on all threads: `[row, output]`, logits if an action is
    /// one choice; and the values, `[row]`.
    #[pyo3(signature = (observations, num_cores=None))]
    fn forward_batch<'py>(
        &self,
        observations: &Bound<'py, PyAny>,
        num_cores: Option<Cores>,
    ) -> PyResult<Predicted<'py>> {
        self.predict_many(observations, None, num_cores, true)
    }

    /// Returns an action as the environment takes it: the most probable one, or the mode of the distribution of numbers;
    /// or one drawn with `seed`.
    #[pyo3(signature = (observation, mask=None, deterministic=true, seed=0))]
    fn act<'py>(
        &self,
        observation: &Bound<'py, PyAny>,
        mask: Option<&Bound<'py, PyAny>>,
        #[pyo3(from_py_with = deterministic_of)] deterministic: bool,
        #[pyo3(from_py_with = seed_of)] seed: u64,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.choose(observation, mask, (!deterministic).then_some(seed))
    }

    /// Returns actions for many observations, as a vector environment takes them.
    #[pyo3(signature = (observations, masks=None, deterministic=true, seed=0, num_cores=None))]
    fn act_batch<'py>(
        &self,
        observations: &Bound<'py, PyAny>,
        masks: Option<&Bound<'py, PyAny>>,
        #[pyo3(from_py_with = deterministic_of)] deterministic: bool,
        #[pyo3(from_py_with = seed_of)] seed: u64,
        num_cores: Option<Cores>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.choose_many(observations, masks, (!deterministic).then_some(seed), num_cores)
    }

    /// Solves states. Returns solved, reward, actions, start, nodes, simulations and seconds of each.
    fn solve_states<'py>(
        &self,
        states: &Bound<'py, PyAny>,
        options: &Bound<'py, PyDict>,
    ) -> PyResult<Vec<Solved<'py>>> {
        self.solve_from(states, options)
    }

    /// Solves scrambles, in the same way.
    fn solve_scrambles<'py>(
        &self,
        py: Python<'py>,
        count: usize,
        difficulty: Option<usize>,
        options: &Bound<'py, PyDict>,
    ) -> PyResult<Vec<Solved<'py>>> {
        self.solve_drawn(py, (count, difficulty), options)
    }

    /// Reads a file of states. Returns the states, and the lengths of shortest solutions that are known.
    fn read_states(&self, py: Python<'_>, path: PathBuf) -> PyResult<States> {
        self.states_of(py, path)
    }

    /// Returns the figures of an evaluation, as JSON. Without states, `drawn` holds the number, the kind and the difficulty of
    /// the problems.
    #[pyo3(signature = (states, optimal, drawn, options))]
    fn evaluate_json(
        &self,
        py: Python<'_>,
        states: Option<&Bound<'_, PyAny>>,
        optimal: Vec<Option<u32>>,
        drawn: (usize, String, Option<usize>),
        options: &Bound<'_, PyDict>,
    ) -> PyResult<String> {
        self.figures(py, (states, &optimal), &drawn, options)
    }

    /// Makes the evaluation that an entry of `evals` describes, in JSON. Returns the success rate and the mean reward.
    fn evaluate_entry(
        &self,
        py: Python<'_>,
        entry: &str,
        difficulty: usize,
    ) -> PyResult<(f64, f64)> {
        self.evaluate_one(py, entry, difficulty)
    }

    /// Returns the frames of a solution: the board at the start, then (action's name, board) for each action, as text.
    fn replay(
        &self,
        start: &Bound<'_, PyAny>,
        actions: &Bound<'_, PyAny>,
    ) -> PyResult<(String, Vec<(String, String)>)> {
        self.frames(start, actions)
    }
}
