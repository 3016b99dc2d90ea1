//! Trained policies.

use crate::convert::{
    action_object, kind, push_mask, push_observation, push_values, rows, shape, state, state_object,
};
use crate::env::{Component, components};
use crate::error::{core_exception, exception, refuse};
use crate::registry::registry;
use crate::spread::Spread;
use numpy::{PyArray1, PyArray2, PyArrayMethods as _};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use rayon::prelude::*;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::batched::{BatchedEvaluation, action_count};
use twisterl_core::evaluator::decision::Decision;
use twisterl_core::evaluator::distribution::Choice;
use twisterl_core::evaluator::{Evaluation, Evaluator as _};
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::weights::tensors::{TensorFile, f32_values};
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::rollout::{Collection, Collector, Horizon, Starts};
use twisterl_core::solve::{Solution, replay};
use twisterl_core::space::{ActionSpace, ObservationSpace, Observations};
use twisterl_train::Error;
use twisterl_train::config::RunConfig;
use twisterl_train::data::batch::Batch;
use twisterl_train::play::{PlayArgs, figures, in_pool};
use twisterl_train::record::load;

/// Rows of a batch that are evaluated together on one thread.
const CHUNK: usize = 512;

/// A trained policy with the environment that it is for.
#[pyclass(frozen, subclass, module = "twisterl._core")]
pub struct Policy {
    policy: twisterl_core::policy::Policy,
    executor: Executor,
    spec: Arc<dyn EnvSpec>,
    /// Memory of single predictions; a second thread makes its own.
    judge: Mutex<Option<BatchedEvaluation>>,
}

impl Policy {
    fn new(policy: twisterl_core::policy::Policy) -> Result<Self, Error> {
        let spec = registry().make(&policy.env_cls, &policy.env)?;
        let executor = Executor::of(&policy)?;
        Ok(Self { policy, executor, spec, judge: Mutex::new(None) })
    }

    fn space(&self) -> &ObservationSpace {
        &self.policy.network.observation
    }

    fn actions(&self) -> &ActionSpace {
        &self.policy.network.actions
    }

    /// The number of actions, where predictions make sense.
    fn width(&self, py: Python<'_>) -> PyResult<usize> {
        action_count(&self.policy.network.actions).map_err(|e| core_exception(py, e))
    }

    /// Evaluates one observation.
    fn judged<T>(
        &self,
        observation: &Bound<'_, PyAny>,
        mask: Option<&Bound<'_, PyAny>>,
        use_it: impl FnOnce(&BatchedEvaluation) -> T,
    ) -> PyResult<T> {
        let py = observation.py();
        self.width(py)?; // one discrete action
        let actions = self.actions();
        let kept = self.judge.try_lock().ok().and_then(|mut judge| judge.take());
        let mut judge = kept.unwrap_or_else(|| BatchedEvaluation::new(actions));
        judge.clear();
        push_observation(&mut judge.observations, observation, self.space())?;
        push_mask(&mut judge.masks, mask, actions)?;
        judge.evaluate_log_probs(&self.executor).map_err(|e| core_exception(py, e))?;
        let result = use_it(&judge);
        if let Ok(mut kept) = self.judge.try_lock() {
            *kept = Some(judge);
        }
        Ok(result)
    }

    /// Evaluates one observation of a policy for any kind of action.
    fn decided(
        &self,
        observation: &Bound<'_, PyAny>,
        mask: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Decision> {
        let mut decision = Decision::new(self.actions());
        push_observation(&mut decision.evaluated.observations, observation, self.space())?;
        push_mask(&mut decision.evaluated.masks, mask, self.actions())?;
        let done = decision.evaluated.evaluate(&self.executor);
        done.map_err(|e| core_exception(observation.py(), e))?;
        Ok(decision)
    }

    /// Evaluates a batch in chunks: what the network says of each row, and the values.
    fn evaluated(&self, chunks: &[BatchedEvaluation]) -> Result<(Vec<f32>, Vec<f32>), Error> {
        let evaluate = |judge: &BatchedEvaluation| {
            let mut evaluation = Evaluation::default();
            self.executor.evaluate(&judge.observations, &mut evaluation)?;
            Ok((evaluation.actions, evaluation.values))
        };
        let parts = chunks.par_iter().map(evaluate).collect::<Vec<Result<_, Error>>>();
        let (mut parameters, mut values) = (Vec::new(), Vec::new());
        for part in parts {
            let (more, more_values) = part?;
            parameters.extend(more);
            values.extend(more_values);
        }
        Ok((parameters, values))
    }

    fn play(
        &self,
        py: Python<'_>,
        options: &Bound<'_, PyDict>,
        starts: &[Start<'_>],
        (purpose, tries): (Purpose, usize),
    ) -> PyResult<(Vec<Solution>, f64)> {
        let pairs: Vec<(String, String)> = options
            .iter()
            .map(|(name, value)| Ok((name.extract()?, value.extract()?)))
            .collect::<PyResult<_>>()?;
        let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let args = PlayArgs::from_pairs(pairs).map_err(|e| exception(py, &e))?;
        let begun = Instant::now();
        let outcomes = py
            .detach(|| args.solve(&*self.spec, &self.executor, (purpose, tries), starts))
            .map_err(|e| exception(py, &e))?;
        Ok((outcomes, begun.elapsed().as_secs_f64()))
    }
}

#[pymethods]
impl Policy {
    /// The policy that a path leads to; with `initial`, the config of a run (JSON), the policy that the run would begin
    /// with: fresh, or with the weights that the path leads to; with `spread`, its policy as it is now.
    #[new]
    #[pyo3(signature = (path=None, config=None, initial=None, spread=None))]
    fn load(
        py: Python<'_>,
        path: Option<PathBuf>,
        config: Option<PathBuf>,
        initial: Option<&str>,
        spread: Option<&Spread>,
    ) -> PyResult<Self> {
        let make = || match (path, initial, spread) {
            (_, _, Some(spread)) => Self::new(spread.policy_now()),
            (Some(path), None, None) => {
                Self::new(load::load_policy(&path, config.as_deref(), registry())?)
            }
            (path, Some(initial), None) => {
                let config = crate::train::parse(initial, &[])?;
                let spec = registry().make(&config.env_cls, &config.env)?;
                Self::new(match path {
                    Some(path) => load::weights_for(&config, &*spec, &path, registry())?,
                    None => load::initial_policy(&config, &*spec, registry())?,
                })
            }
            (None, None, None) => Err(Error::usage("path: expected one, found none")),
        };
        py.detach(make).map_err(|e| exception(py, &e))
    }

    /// Name of the environment.
    #[getter]
    fn env_cls(&self) -> &str {
        &self.policy.env_cls
    }

    /// Parameters of the environment, as JSON.
    #[getter]
    fn env_json(&self) -> String {
        self.policy.env.to_string()
    }

    /// Shape of an observation.
    #[getter]
    fn obs_shape(&self) -> Vec<usize> {
        shape(self.space())
    }

    /// Whether observations are zeros and ones, given by the indices of the ones.
    #[getter]
    fn sparse(&self) -> bool {
        matches!(self.space(), ObservationSpace::SparseBinary { .. })
    }

    /// Number of choices of an action.
    #[getter]
    fn num_actions(&self) -> usize {
        self.policy.network.actions.mask_width()
    }

    /// The components of an action, as [`EnvBatch`](crate::env::EnvBatch) has them.
    #[getter]
    fn action_components(&self) -> Vec<Component> {
        components(self.actions())
    }

    /// Number of weights.
    #[getter]
    fn num_parameters(&self) -> usize {
        self.policy.parameters.len()
    }

    /// The weights by tensor name, as arrays.
    fn weights<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let refused = |e| core_exception(py, e);
        let bytes = self.policy.to_safetensors().map_err(refused)?;
        let file = TensorFile::parse(&bytes).map_err(refused)?;
        let weights = PyDict::new(py);
        for (name, tensor) in &file.tensors().map_err(refused)? {
            let values = PyArray1::from_iter(py, f32_values(name, tensor).map_err(refused)?);
            weights.set_item(name, values.reshape(tensor.shape())?)?;
        }
        Ok(weights)
    }

    /// The file that `save` writes.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.policy.to_safetensors().map_err(|e| core_exception(py, e))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Where there is one discrete action, the probabilities of its choices, else the parameters of the distribution of
    /// actions; and the value.
    #[pyo3(signature = (observation, mask=None))]
    fn predict<'py>(
        &self,
        observation: &Bound<'py, PyAny>,
        mask: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyArray1<f32>>, f32)> {
        let py = observation.py();
        if self.actions().single_discrete().is_none() {
            let evaluated = self.decided(observation, mask)?.evaluated;
            return Ok((PyArray1::from_slice(py, evaluated.parameters()), evaluated.value(0)));
        }
        self.judged(observation, mask, |judge| {
            let probabilities = judge.log_probs(0).iter().map(|log| log.exp());
            (PyArray1::from_iter(py, probabilities), judge.value(0))
        })
    }

    /// The same for many observations, on all threads: one row each, and the values.
    #[pyo3(signature = (observations, masks=None, num_cores=None))]
    fn predict_batch<'py>(
        &self,
        observations: &Bound<'py, PyAny>,
        masks: Option<&Bound<'py, PyAny>>,
        num_cores: Option<usize>,
    ) -> PyResult<Predicted<'py>> {
        let py = observations.py();
        let width = self.actions().mask_width();
        let mut chunks = self.chunks(observations, masks)?;
        if self.actions().single_discrete().is_none() {
            let (parameters, values) = py
                .detach(|| in_pool(num_cores, || self.evaluated(&chunks)))
                .map_err(|e| exception(py, &e))?;
            let rows = [values.len(), self.executor.action_width()];
            let parameters = PyArray1::from_vec(py, parameters).reshape(rows)?;
            return Ok((parameters, PyArray1::from_vec(py, values)));
        }
        let evaluate = |judge: &mut BatchedEvaluation| judge.evaluate_log_probs(&self.executor);
        py.detach(|| match &mut chunks[..] {
            [one] => Ok(evaluate(one)?),
            many => in_pool(num_cores, || {
                let judged = many.par_iter_mut().map(evaluate);
                Ok(judged.collect::<Vec<_>>().into_iter().collect::<Result<(), _>>()?)
            }),
        })
        .map_err(|e| exception(py, &e))?;
        let (mut probabilities, mut values) = (Vec::new(), Vec::new());
        for judge in &chunks {
            for row in 0..judge.observations.len() {
                probabilities.extend(judge.log_probs(row).iter().map(|log| log.exp()));
                values.push(judge.value(row));
            }
        }
        let probabilities = PyArray1::from_vec(py, probabilities).reshape([values.len(), width])?;
        Ok((probabilities, PyArray1::from_vec(py, values)))
    }

    /// An action as the environment takes it: the most probable one, or the middle of the distribution of numbers; or one
    /// drawn with `seed`.
    #[pyo3(signature = (observation, mask=None, deterministic=true, seed=0))]
    fn act<'py>(
        &self,
        observation: &Bound<'py, PyAny>,
        mask: Option<&Bound<'py, PyAny>>,
        deterministic: bool,
        seed: u64,
    ) -> PyResult<Bound<'py, PyAny>> {
        use twisterl_core::evaluator::distribution::{argmax, sample};
        let (py, mut rng) = (observation.py(), StreamKey::new(seed, Purpose::Act).stream());
        if self.actions().single_discrete().is_none() {
            let choice = if deterministic { Choice::Greedy } else { Choice::Sample };
            let mut decision = self.decided(observation, mask)?;
            let chosen = decision.choose(&self.executor, choice, &mut rng);
            chosen.map_err(|e| core_exception(py, e))?;
            return action_object(py, decision.actions.row(0), self.actions());
        }
        let chosen = self.judged(observation, mask, |judge| {
            let log_probs = judge.log_probs(0);
            if deterministic {
                return argmax(log_probs);
            }
            let probabilities: Vec<f32> = log_probs.iter().map(|log| log.exp()).collect();
            sample(&probabilities, &mut rng)
        })?;
        Ok(chosen.into_pyobject(py)?.into_any())
    }

    /// Solves states: for each (solved, reward, actions, start, nodes, simulations, seconds).
    fn solve_states<'py>(
        &self,
        states: &Bound<'py, PyAny>,
        options: &Bound<'py, PyDict>,
        tries: usize,
    ) -> PyResult<Vec<Solved<'py>>> {
        let py = states.py();
        let states = rows(states, "states")?.iter().map(state).collect::<PyResult<Vec<_>>>()?;
        let starts: Vec<_> =
            states.iter().map(|state| Start::State { state, difficulty: None }).collect();
        let (outcomes, _) = self.play(py, options, &starts, (Purpose::Solve, tries))?;
        outcomes.iter().map(|outcome| solved(py, outcome, self.actions())).collect()
    }

    /// Solves scrambles, in the same way.
    fn solve_scrambles<'py>(
        &self,
        py: Python<'py>,
        count: usize,
        difficulty: Option<usize>,
        options: &Bound<'py, PyDict>,
        tries: usize,
    ) -> PyResult<Vec<Solved<'py>>> {
        let difficulty = difficulty.unwrap_or_else(|| self.spec.difficulty());
        let starts = vec![Start::Scramble { difficulty }; count];
        let (outcomes, _) = self.play(py, options, &starts, (Purpose::Solve, tries))?;
        outcomes.iter().map(|outcome| solved(py, outcome, self.actions())).collect()
    }

    /// The figures of an evaluation, as JSON.
    #[pyo3(signature = (states, optimal, num_episodes, difficulty, options))]
    fn evaluate_json(
        &self,
        py: Python<'_>,
        states: Option<&Bound<'_, PyAny>>,
        optimal: Vec<Option<u32>>,
        num_episodes: usize,
        difficulty: Option<usize>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<String> {
        let states = match states {
            Some(states) => rows(states, "states")?.iter().map(state).collect::<PyResult<_>>()?,
            None => Vec::new(),
        };
        let starts: Vec<_> = if states.is_empty() {
            let difficulty = difficulty.unwrap_or_else(|| self.spec.difficulty());
            vec![Start::Scramble { difficulty }; num_episodes]
        } else {
            states.iter().map(|state| Start::State { state, difficulty: None }).collect()
        };
        let (outcomes, seconds) = self.play(py, options, &starts, (Purpose::Evaluate, 1))?;
        Ok(serde_json::Value::Object(figures(&outcomes, &optimal, seconds)).to_string())
    }

    /// The frames of a solution: the board at the start, then (action's name, board) for each action, as text.
    fn replay(
        &self,
        start: &Bound<'_, PyAny>,
        actions: &Bound<'_, PyAny>,
    ) -> PyResult<(String, Vec<(String, String)>)> {
        let py = start.py();
        let space = self.spec.action_space();
        let mut batch = twisterl_core::space::Actions::new(&space);
        for action in rows(actions, "actions")? {
            crate::convert::push_action(&mut batch, &action, &space)?;
        }
        let replay =
            replay(&*self.spec, &state(start)?, &batch).map_err(|e| core_exception(py, e))?;
        Ok((replay.first, replay.moves))
    }
}

impl Policy {
    /// The transitions of one PPO iteration, with the values seen and the rewards received.
    pub fn collect(
        &self,
        config: &RunConfig,
        difficulty: usize,
        iteration: u64,
    ) -> Result<(Batch, Vec<f32>, Vec<f32>), Error> {
        let collecting = &config.algorithm.collecting;
        let (slots, horizon) = match collecting.num_envs {
            Some(envs) => (envs, Horizon::Steps(collecting.rollout_length)),
            None => (collecting.num_episodes, Horizon::Episodes),
        };
        let mut collector = Collector::new(&*self.spec, slots);
        let collection = Collection {
            evaluator: &self.executor,
            key: StreamKey::new(config.seed, Purpose::Act).iteration(iteration),
            starts: Starts { difficulty, uniform: 0.0, mixed: 0.0, remembered: 0.0, memory: &[] },
            horizon,
        };
        in_pool(Some(collecting.num_cores), || Ok(collector.collect(&collection)?))?;
        let mut batch = Batch::new(&self.spec.action_space());
        let (mut values, mut rewards) = (Vec::new(), Vec::new());
        for trajectory in collector.trajectories() {
            batch.extend(trajectory, collecting.gamma as f32, collecting.gae_lambda as f32);
            values.extend_from_slice(&trajectory.values);
            rewards.extend(trajectory.steps.iter().map(|step| step.reward));
        }
        Ok((batch, values, rewards))
    }
}

/// Probabilities (rows x actions) and values.
type Predicted<'py> = (Bound<'py, PyArray2<f32>>, Bound<'py, PyArray1<f32>>);

/// What came of a problem.
type Solved<'py> = (bool, f32, Vec<Bound<'py, PyAny>>, Bound<'py, PyAny>, u64, u64, f64);

fn solved<'py>(py: Python<'py>, outcome: &Solution, space: &ActionSpace) -> PyResult<Solved<'py>> {
    let Solution { solved, total, start, actions, nodes, simulations, seconds, .. } = outcome;
    let actions = (0..actions.len())
        .map(|i| action_object(py, actions.row(i), space))
        .collect::<PyResult<_>>()?;
    Ok((*solved, *total, actions, state_object(py, start)?, *nodes, *simulations, *seconds))
}

impl Policy {
    /// The rows of a batch with their masks, in chunks.
    fn chunks(
        &self,
        observations: &Bound<'_, PyAny>,
        masks: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<BatchedEvaluation>> {
        let mut chunks: Vec<BatchedEvaluation> = Vec::new();
        let mut add = |push: &mut dyn FnMut(&mut Observations) -> PyResult<()>| -> PyResult<usize> {
            if chunks.last().is_none_or(|judge| judge.observations.len() == CHUNK) {
                chunks.push(BatchedEvaluation::new(self.actions()));
            }
            match chunks.last_mut() {
                Some(judge) => push(&mut judge.observations).map(|()| 1),
                None => Ok(0),
            }
        };
        let mut count = 0;
        match self.array(observations)? {
            Some(array) => {
                let values = array.as_slice()?;
                let size = self.space().size().unwrap_or(0).max(1);
                for row in values.chunks(size) {
                    count +=
                        add(&mut |batch| push_values(observations.py(), batch, row, self.space()))?;
                }
            }
            None => {
                for row in rows(observations, "observations")? {
                    count += add(&mut |batch| push_observation(batch, &row, self.space()))?;
                }
            }
        }
        let masks = masks.map(|masks| rows(masks, "masks")).transpose()?;
        if let Some(masks) = masks.as_ref().filter(|masks| masks.len() != count) {
            let (expected, found) = (format!("{count} rows"), masks.len().to_string());
            return Err(refuse(observations.py(), "ObservationError", "masks", &expected, &found));
        }
        let mut rows = masks.iter().flatten();
        for judge in &mut chunks {
            for _ in 0..judge.observations.len() {
                push_mask(&mut judge.masks, rows.next(), self.actions())?;
            }
        }
        Ok(chunks)
    }

    /// A whole batch as one array of single precision, if it is an array of the right shape.
    fn array<'py>(
        &self,
        observations: &Bound<'py, PyAny>,
    ) -> PyResult<Option<numpy::PyReadonlyArrayDyn<'py, f32>>> {
        use numpy::{PyArrayDyn, PyUntypedArrayMethods as _};
        let py = observations.py();
        let Ok(shape) = observations.getattr("shape").and_then(|s| s.extract::<Vec<usize>>())
        else {
            return Ok(None);
        };
        let (size, of) = (self.space().size(), crate::convert::shape(self.space()));
        let fits = shape
            .get(1..)
            .is_some_and(|row| *row == of || row.len() == 1 && row.first().copied() == size);
        if !fits {
            return Ok(None);
        }
        let refused = || {
            let expected = format!("an array of numbers with rows of {size:?}");
            refuse(py, "ObservationError", "observations", &expected, &kind(observations))
        };
        let array = py
            .import("numpy")?
            .call_method1("ascontiguousarray", (observations, "float32"))
            .map_err(|_| refused())?
            .cast_into::<PyArrayDyn<f32>>()
            .map_err(|_| refused())?;
        debug_assert!(array.is_contiguous());
        Ok(Some(array.try_readonly().map_err(|e| {
            refuse(
                py,
                "ObservationError",
                "observations",
                "an array that can be read",
                &e.to_string(),
            )
        })?))
    }
}
