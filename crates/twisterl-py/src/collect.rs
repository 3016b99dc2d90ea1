//! The transitions that PPO learns from, and the examples that AlphaZero learns from.

use crate::convert::actions::action_object;
use crate::convert::json;
use crate::convert::observations::{row_values, size};
use crate::enter::Enter as _;
use crate::error::refuse;
use crate::policy::Policy;
use numpy::{PyArray1, PyArrayMethods as _};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::{Arc, Mutex, PoisonError};
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::space::{ActionSpace, ObservationSpace, Observations};
use twisterl_train::Error;
use twisterl_train::algorithms::Iteration;
use twisterl_train::algorithms::alphazero::AlphaZero;
use twisterl_train::algorithms::policy_in_training::PolicyInTraining;
use twisterl_train::algorithms::ppo::{Ppo, Transitions};
use twisterl_train::config::AlgorithmConfig;
use twisterl_train::config::NumCores;
use twisterl_train::trainer::threads::in_pool;

/// A run of PPO that collects and does not learn.
#[pyclass(frozen, module = "twisterl._core")]
pub struct PpoCollector {
    run: Arc<Mutex<Run>>,
    interrupt: Interrupt,
    observation: ObservationSpace,
    actions: ActionSpace,
    num_cores: NumCores,
}

struct Run {
    ppo: Ppo,
    policy: PolicyInTraining,
    /// The number of the next iteration.
    next: u64,
}

#[pymethods]
impl PpoCollector {
    /// Begins the run that `config` (JSON) describes, with `policy`.
    #[new]
    fn new(py: Python<'_>, config: &str, policy: &Policy) -> PyResult<Self> {
        let config = json::config(py, config, &[])?;
        let AlgorithmConfig::Ppo(algorithm) = &config.algorithm else {
            let found = config.algorithm.class().to_string();
            return Err(refuse(py, "ConfigError", "algorithm_cls", "PPO", &found));
        };
        let interrupt = Interrupt::default();
        let (policy, spec) = (policy.weights(), policy.env(py)?);
        let (begun, heeded) = (policy.clone(), interrupt.clone());
        let (algorithm, optimizer, seed) =
            (algorithm.clone(), config.shared.optimizer.clone(), config.seed);
        let run = py.enter_interruptible(&interrupt, move || {
            let policy = PolicyInTraining::new(&optimizer, begun, &heeded)?;
            let ppo = Ppo::new(&algorithm, seed, spec, &policy)?;
            Ok::<_, Error>(Run { ppo, policy, next: 0 })
        })?;
        Ok(Self {
            run: Arc::new(Mutex::new(run)),
            interrupt,
            observation: policy.network.observation.clone(),
            actions: policy.network.actions.clone(),
            num_cores: config.shared.collecting.num_cores,
        })
    }

    /// Collects the transitions of the next iteration, at this difficulty, as arrays by name.
    fn collect<'py>(&self, py: Python<'py>, difficulty: usize) -> PyResult<Bound<'py, PyDict>> {
        // Loads NumPy before an interrupt could meet its import, which would panic.
        let _ = numpy::dtype::<f32>(py);
        let (run, num_cores) = (Arc::clone(&self.run), self.num_cores);
        let work = move || {
            let mut run = run.lock().unwrap_or_else(PoisonError::into_inner);
            let Run { ppo, policy, next } = &mut *run;
            let iteration = Iteration { number: *next, difficulty, progress: 0.0 };
            let collected = in_pool(Some(num_cores), || ppo.transitions(policy, &iteration))?;
            *next += 1;
            Ok::<_, Error>(collected)
        };
        let collected = py.enter_interruptible(&self.interrupt, work)?;
        transitions(py, collected, (&self.observation, &self.actions))
    }
}

fn transitions<'py>(
    py: Python<'py>,
    collected: Transitions,
    (observation, actions): (&ObservationSpace, &ActionSpace),
) -> PyResult<Bound<'py, PyDict>> {
    let Transitions { batch, values, rewards } = collected;
    let rows = 0..batch.len();
    let dict = PyDict::new(py);
    dict.set_item("obs", observed(py, &batch.observations, observation)?)?;
    let masks = PyArray1::from_vec(py, batch.masks);
    dict.set_item("masks", masks.reshape([rows.len(), actions.mask_width()])?)?;
    if actions.single_discrete().is_some() {
        dict.set_item("actions", PyArray1::from_vec(py, batch.actions.discrete))?;
    } else {
        let samples = rows.map(|i| action_object(py, batch.actions.row(i), actions, None));
        dict.set_item("actions", samples.collect::<PyResult<Vec<_>>>()?)?;
    }
    dict.set_item("log_probs", PyArray1::from_vec(py, batch.log_probs))?;
    dict.set_item("values", PyArray1::from_vec(py, values))?;
    dict.set_item("rewards", PyArray1::from_vec(py, rewards))?;
    dict.set_item("rets", PyArray1::from_vec(py, batch.returns))?;
    dict.set_item("advs", PyArray1::from_vec(py, batch.advantages))?;
    Ok(dict)
}

/// Returns the observations of a batch: lists of the indices of the ones, or an array `[row, value]`.
fn observed<'py>(
    py: Python<'py>,
    observations: &Observations,
    space: &ObservationSpace,
) -> PyResult<Bound<'py, PyAny>> {
    let rows = 0..observations.len();
    if matches!(space, ObservationSpace::SparseBinary { .. }) {
        let ones = rows.map(|i| observations.ones(i).to_vec());
        return Ok(ones.collect::<Vec<_>>().into_pyobject(py)?.into_any());
    }
    let values = rows.clone().map(|i| row_values(py, observations, i, space));
    let values = PyArray1::from_vec(py, values.collect::<PyResult<Vec<_>>>()?.concat());
    Ok(values.reshape([rows.len(), size(py, space)?])?.into_any())
}

/// A run of AlphaZero that plays and does not learn.
#[pyclass(frozen, module = "twisterl._core")]
pub struct AzCollector {
    games: Arc<Mutex<Games>>,
    interrupt: Interrupt,
    observation: ObservationSpace,
    num_actions: usize,
    num_cores: NumCores,
}

struct Games {
    alphazero: AlphaZero,
    policy: PolicyInTraining,
    /// The number of the next iteration.
    next: u64,
}

#[pymethods]
impl AzCollector {
    /// Begins the run that `config` (JSON) describes, with `policy`.
    #[new]
    fn new(py: Python<'_>, config: &str, policy: &Policy) -> PyResult<Self> {
        let config = json::config(py, config, &[])?;
        let AlgorithmConfig::AlphaZero(algorithm) = &config.algorithm else {
            let found = config.algorithm.class().to_string();
            return Err(refuse(py, "ConfigError", "algorithm_cls", "AZ", &found));
        };
        let interrupt = Interrupt::default();
        let (policy, spec) = (policy.weights(), policy.env(py)?);
        let (begun, heeded) = (policy.clone(), interrupt.clone());
        let (algorithm, optimizer, seed) =
            (algorithm.clone(), config.shared.optimizer.clone(), config.seed);
        let games = py.enter_interruptible(&interrupt, move || {
            let policy = PolicyInTraining::new(&optimizer, begun, &heeded)?;
            let alphazero = AlphaZero::new(&algorithm, seed, &*spec, &policy)?;
            Ok::<_, Error>(Games { alphazero, policy, next: 0 })
        })?;
        Ok(Self {
            games: Arc::new(Mutex::new(games)),
            interrupt,
            observation: policy.network.observation.clone(),
            num_actions: policy.network.actions.mask_width(),
            num_cores: config.shared.collecting.num_cores,
        })
    }

    /// Plays the games of the next iteration, at this difficulty. Returns their examples as arrays by name.
    fn collect<'py>(&self, py: Python<'py>, difficulty: usize) -> PyResult<Bound<'py, PyDict>> {
        let (games, num_cores) = (Arc::clone(&self.games), self.num_cores);
        let work = move || {
            let mut games = games.lock().unwrap_or_else(PoisonError::into_inner);
            let Games { alphazero, policy, next } = &mut *games;
            let iteration = Iteration { number: *next, difficulty, progress: 0.0 };
            let played = in_pool(Some(num_cores), || alphazero.examples(policy, &iteration))?;
            *next += 1;
            Ok::<_, Error>(played)
        };
        let examples = py.enter_interruptible(&self.interrupt, work)?;
        let dict = PyDict::new(py);
        dict.set_item("obs", observed(py, &examples.observations, &self.observation)?)?;
        let shape = [examples.len(), self.num_actions];
        dict.set_item("policies", PyArray1::from_vec(py, examples.policies).reshape(shape)?)?;
        dict.set_item("values", PyArray1::from_vec(py, examples.values))?;
        Ok(dict)
    }
}
