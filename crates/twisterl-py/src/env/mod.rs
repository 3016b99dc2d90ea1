//! Single environments and batches of them, to be stepped from Python.

mod copies;
mod solution;

pub use copies::revive_env;
pub use solution::circuit;

use crate::convert::actions::{Component, components, push_action};
use crate::convert::arguments::Seed;
use crate::convert::codec::Codec;
use crate::convert::numbers::{kind, rows};
use crate::convert::observations::{row_values, shape, size};
use crate::convert::states::{state, state_object};
use crate::enter::Enter as _;
use crate::error::refuse;
use crate::python_env::PythonEnvSpec;
use crate::registry::env_of_caller;
use copies::Record;
use numpy::{PyArray1, PyArray2, PyArrayMethods as _};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::env::{Start, Step};
use twisterl_core::envs::registry::EnvSpec as Spec;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::error::json;
use twisterl_core::space::{ActionSpace, Actions, ObservationSpace, Observations};

/// An environment with its parameters, from which batches are created.
#[pyclass(frozen, module = "twisterl._core")]
pub struct EnvSpec(pub Arc<dyn Spec>);

#[pymethods]
impl EnvSpec {
    /// Finds the environment `env`, which is a name, a class or a factory, with parameters `params` (JSON). Both are the
    /// caller's: the module of a name is imported. `name` is the name of a factory, by default its path.
    #[new]
    #[pyo3(signature = (env, params, name=None))]
    fn new(env: &Bound<'_, PyAny>, params: &str, name: Option<&str>) -> PyResult<Self> {
        let py = env.py();
        let params = json::parse(params.as_bytes())
            .map_err(|e| refuse(py, "ConfigError", "env", &e.expected, &e.found))?;
        let made = env_of_caller(env, &params, name)?;
        py.attached(|| made).map(Self)
    }

    /// Returns what pickle stores: the name of a built-in environment or the factory of another, and the parameters.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let name = self.0.name();
        let maker = PythonEnvSpec::of_spec(&*self.0).map(PythonEnvSpec::factory);
        let env = match maker {
            Some(factory) => factory.bind(py).clone(),
            None => name.into_pyobject(py)?.into_any(),
        };
        let arguments = (env, self.params_json(), name).into_pyobject(py)?;
        Ok((py.get_type::<Self>().into_any(), arguments))
    }

    /// Tests the environment against its contract. Returns the numbers of episodes, steps and symmetries, and what could not
    /// be checked.
    fn check(&self, py: Python<'_>, seed: Seed) -> PyResult<(usize, usize, usize, Vec<String>)> {
        let spec = Arc::clone(&self.0);
        let work = move || spec.check(seed.0);
        let report = py.enter_interruptible(&Interrupt::default(), work)?;
        Ok((report.episodes, report.steps, report.twists, report.not_checked))
    }

    /// The registered name, or the path of the Python class.
    #[getter]
    fn env_cls(&self) -> &str {
        self.0.name()
    }

    /// The parameters, as JSON.
    #[getter]
    fn params_json(&self) -> String {
        self.0.params().to_string()
    }
}

/// A batch of environments, one per slot.
#[pyclass(subclass, module = "twisterl._core")]
pub struct EnvBatch {
    spec: Arc<dyn Spec>,
    env: Box<dyn VecEnv>,
    closed: bool,
    space: ActionSpace,
    difficulty: usize,
    /// Keys the streams of episodes, with the number of episodes begun.
    seed: u64,
    begun: u64,
    last: Vec<Step>,
    /// The episodes so far, from which a pickle gets to the same point, `[slot]`.
    episodes: Vec<Record>,
    // Memory that steps work in.
    slots: Vec<usize>,
    actions: Actions,
    steps: Vec<Step>,
    observations: Observations,
    masks: Vec<bool>,
}

impl EnvBatch {
    fn check_open(&self, py: Python<'_>) -> PyResult<()> {
        if !self.closed {
            return Ok(());
        }
        let what = format!("environment {}", self.spec.name());
        Err(refuse(py, "UsageError", &what, "one that is open", "one after close()"))
    }

    fn check_slot(&self, py: Python<'_>, slot: usize) -> PyResult<usize> {
        self.check_open(py)?;
        if slot < self.last.len() {
            return Ok(slot);
        }
        let expected = format!("below {}", self.last.len());
        Err(refuse(py, "UsageError", "slot", &expected, &slot.to_string()))
    }

    fn start(&mut self, py: Python<'_>, slot: usize, start: Start<'_>) -> PyResult<()> {
        let slot = self.check_slot(py, slot)?;
        let stream = (self.seed, self.begun);
        self.begun += 1;
        py.attached(|| self.env.begin(slot, start, &mut copies::stream(stream)))?;
        self.episodes[slot].begin(start, stream);
        self.last[slot] = Step { terminated: self.env.solved(slot), ..Step::default() };
        Ok(())
    }

    fn look(&mut self, py: Python<'_>, slots: &[usize]) -> PyResult<()> {
        self.check_open(py)?;
        self.observations.clear();
        self.masks.clear();
        py.attached(|| self.env.observe(slots, &mut self.observations, &mut self.masks))
    }
}

#[pymethods]
impl EnvBatch {
    /// Creates `count` environments; copies of those of `like`, if given.
    #[new]
    #[pyo3(signature = (spec, count=1, seed=None, like=None))]
    fn new(
        py: Python<'_>,
        spec: &EnvSpec,
        count: usize,
        seed: Option<Seed>,
        like: Option<&Self>,
    ) -> PyResult<Self> {
        if let Some(like) = like {
            return like.duplicate(py);
        }
        if !(1..=1 << 20).contains(&count) {
            return Err(refuse(py, "ConfigError", "count", "1 to 1048576", &count.to_string()));
        }
        let spec = Arc::clone(&spec.0);
        let mut batch = Self {
            env: spec.batch(count),
            closed: false,
            difficulty: spec.difficulty(),
            // From the operating system's entropy, where no seed is given.
            seed: seed.map_or_else(|| RandomState::new().hash_one(0), |seed| seed.0),
            begun: 0,
            last: vec![Step::default(); count],
            episodes: vec![Record::default(); count],
            slots: Vec::new(),
            actions: Actions::new(&spec.action_space()),
            steps: Vec::new(),
            observations: Observations::new(),
            masks: Vec::new(),
            space: spec.action_space(),
            spec,
        };
        for slot in 0..count {
            let difficulty = batch.difficulty;
            batch.start(py, slot, Start::Scramble { difficulty })?;
        }
        Ok(batch)
    }

    /// The environment with its parameters.
    #[getter]
    fn spec(&self) -> EnvSpec {
        EnvSpec(Arc::clone(&self.spec))
    }

    /// True if observations are zeros and ones, given by the indices of the ones.
    #[getter]
    fn sparse(&self) -> bool {
        matches!(self.spec.observation_space(), ObservationSpace::SparseBinary { .. })
    }

    /// The components of an action: (number of choices, or 0; lower bounds; upper bounds; shape). Bits have two choices
    /// and a shape, a single choice has none.
    #[getter]
    fn action_components(&self) -> Vec<Component> {
        components(&self.space)
    }

    fn __len__(&self) -> usize {
        self.last.len()
    }

    /// Sets the seed of the episodes that follow.
    fn set_seed(&mut self, seed: Seed) {
        (self.seed, self.begun) = (seed.0, 0);
    }

    /// The difficulty of the episodes that a reset begins.
    #[getter]
    fn get_difficulty(&self) -> usize {
        self.difficulty
    }

    #[setter]
    fn set_difficulty(&mut self, difficulty: usize) {
        self.difficulty = difficulty;
    }

    /// The number of choices of an action.
    fn num_actions(&self) -> usize {
        self.space.mask_width()
    }

    /// The shape of an observation.
    fn obs_shape(&self, py: Python<'_>) -> PyResult<Vec<usize>> {
        shape(py, &self.spec.observation_space())
    }

    /// The symmetries: permutations of the observation and of the actions, the identity first.
    fn twists(&self, py: Python<'_>) -> PyResult<Twists> {
        let twists = self.spec.twists();
        if twists.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let bits = size(py, &self.spec.observation_space())? as u32;
        let identity = ((0..bits).collect(), (0..self.num_actions() as u32).collect());
        let all = std::iter::once(identity);
        Ok(all.chain(twists.into_iter().map(|t| (t.observation, t.action))).unzip())
    }

    /// Begins an episode of the current difficulty in a slot.
    #[pyo3(signature = (slot=0))]
    fn begin(&mut self, py: Python<'_>, slot: usize) -> PyResult<()> {
        let difficulty = self.difficulty;
        self.start(py, slot, Start::Scramble { difficulty })
    }

    /// Begins an episode at a state.
    #[pyo3(signature = (value, slot=0))]
    fn set_state(&mut self, value: &Bound<'_, PyAny>, slot: usize) -> PyResult<()> {
        let numbers = state(value)?;
        self.start(value.py(), slot, Start::State { state: &numbers, difficulty: None })
    }

    /// Returns the state of a slot.
    #[pyo3(signature = (slot=0))]
    fn get_state<'py>(&self, py: Python<'py>, slot: usize) -> PyResult<Bound<'py, PyAny>> {
        let mut numbers = Vec::new();
        let slot = self.check_slot(py, slot)?;
        py.attached(|| self.env.state(slot, &mut numbers))?;
        state_object(py, &numbers)
    }

    /// Steps slot 0. Returns reward, terminated and truncated.
    fn step(&mut self, action: &Bound<'_, PyAny>) -> PyResult<(f32, bool, bool)> {
        let py = action.py();
        self.check_open(py)?;
        self.actions.clear();
        let codec = codec_of(&*self.spec);
        push_action(&mut self.actions, action, &self.space, codec)?;
        self.steps.clear();
        py.attached(|| self.env.step(&[0], &self.actions, &mut self.steps))?;
        let step = self.steps[0];
        self.last[0] = step;
        self.episodes[0].push(self.actions.row(0));
        Ok((step.reward, step.terminated, step.truncated))
    }

    /// Steps every slot. Returns rewards, terminated, truncated and solved, each `[slot]`.
    fn step_all<'py>(&mut self, actions: &Bound<'py, PyAny>) -> PyResult<Stepped<'py>> {
        let py = actions.py();
        self.check_open(py)?;
        self.actions.clear();
        let codec = codec_of(&*self.spec);
        for action in rows(actions, "actions")? {
            push_action(&mut self.actions, &action, &self.space, codec)?;
        }
        let count = self.last.len();
        if self.actions.len() != count {
            let expected = format!("{count} of them");
            return Err(refuse(py, "ActionError", "actions", &expected, &kind(actions)));
        }
        self.slots.clear();
        self.slots.extend(0..count);
        self.steps.clear();
        py.attached(|| self.env.step(&self.slots, &self.actions, &mut self.steps))?;
        self.last.clone_from(&self.steps);
        for (slot, episode) in self.episodes.iter_mut().enumerate() {
            episode.push(self.actions.row(slot));
        }
        let flags = |flag: &dyn Fn(usize, &Step) -> bool| {
            PyArray1::from_iter(py, self.steps.iter().enumerate().map(|(i, s)| flag(i, s)))
        };
        Ok((
            PyArray1::from_iter(py, self.steps.iter().map(|step| step.reward)),
            flags(&|_, step| step.terminated),
            flags(&|_, step| step.truncated),
            flags(&|slot, _| self.env.solved(slot)),
        ))
    }

    /// Returns the observation of slot 0: an array, or the indices of the ones if the environment declares no space in
    /// which these could be mistaken for its own numbers.
    fn observe<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.look(py, &[0])?;
        let encodes = codec_of(&*self.spec).is_some_and(|codec| codec.encodes);
        if self.sparse() && !encodes && self.spec.declared_spaces().is_none() {
            return Ok(self.observations.ones(0).to_vec().into_pyobject(py)?.into_any());
        }
        let space = self.spec.observation_space();
        let values = PyArray1::from_vec(py, row_values(py, &self.observations, 0, &space)?);
        Ok(values.reshape(self.obs_shape(py)?)?.into_any())
    }

    /// Returns the observations of some slots, `[slot, value]`, bits as zeros and ones; and their masks, `[slot, choice]`.
    fn observe_rows<'py>(
        &mut self,
        py: Python<'py>,
        slots: Vec<usize>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyArray2<bool>>)> {
        for &slot in &slots {
            self.check_slot(py, slot)?;
        }
        self.look(py, &slots)?;
        let space = self.spec.observation_space();
        let size = size(py, &space)?;
        let masks = PyArray1::from_slice(py, &self.masks);
        let masks = masks.reshape([slots.len(), self.num_actions()])?;
        let rows = if self.sparse() {
            let mut bits = vec![0i8; slots.len() * size];
            for row in 0..slots.len() {
                for &one in self.observations.ones(row) {
                    bits[row * size + one as usize] = 1;
                }
            }
            PyArray1::from_vec(py, bits).reshape([slots.len(), size])?.into_any()
        } else {
            let rows = (0..slots.len()).map(|row| row_values(py, &self.observations, row, &space));
            let values = PyArray1::from_vec(py, rows.collect::<PyResult<Vec<_>>>()?.concat());
            values.reshape([slots.len(), size])?.into_any()
        };
        Ok((rows, masks))
    }

    /// Returns the mask of the actions that slot 0 allows.
    fn masks(&mut self, py: Python<'_>) -> PyResult<Vec<bool>> {
        self.look(py, &[0])?;
        Ok(self.masks.clone())
    }

    /// Returns true if the episode of a slot is over.
    #[pyo3(signature = (slot=0))]
    fn is_final(&self, py: Python<'_>, slot: usize) -> PyResult<bool> {
        Ok(self.last[self.check_slot(py, slot)?].done())
    }

    /// Returns the reward of the last step of a slot; 0 at the beginning of an episode.
    #[pyo3(signature = (slot=0))]
    fn reward(&self, py: Python<'_>, slot: usize) -> PyResult<f32> {
        Ok(self.last[self.check_slot(py, slot)?].reward)
    }

    /// Returns true if the problem in a slot is solved.
    #[pyo3(signature = (slot=0))]
    fn solved(&self, py: Python<'_>, slot: usize) -> PyResult<bool> {
        Ok(self.env.solved(self.check_slot(py, slot)?))
    }

    /// Returns the state of a slot as text.
    #[pyo3(signature = (slot=0))]
    fn render_text(&self, py: Python<'_>, slot: usize) -> PyResult<String> {
        let slot = self.check_slot(py, slot)?;
        py.attached(|| self.env.render(slot))
    }

    /// True after `close`.
    #[getter]
    fn closed(&self) -> bool {
        self.closed
    }

    /// Closes the environments, each once. They cannot be used afterwards.
    fn close(&mut self, py: Python<'_>) -> PyResult<()> {
        if std::mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        py.attached(|| self.env.close())
    }

    fn __copy__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::copied(slf, None)
    }

    fn __deepcopy__<'py>(
        slf: &Bound<'py, Self>,
        memo: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::copied(slf, Some(memo))
    }

    /// Returns what pickle stores: class, environment, streams and the episodes so far, which are played again.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<copies::Pickled<'py>> {
        Self::pickled(slf)
    }

    /// Returns the name of an action.
    fn action_name(&self, action: &Bound<'_, PyAny>) -> PyResult<String> {
        let mut actions = Actions::new(&self.space);
        push_action(&mut actions, action, &self.space, codec_of(&*self.spec))?;
        Ok(self.env.action_name(actions.row(0)))
    }
}

/// Returns the codec of an environment written in Python.
fn codec_of(spec: &dyn Spec) -> Option<&Codec> {
    PythonEnvSpec::of_spec(spec).map(PythonEnvSpec::codec)
}

/// The return value of `__reduce__`: a callable and its arguments.
pub type Reduced<'py> = (Bound<'py, PyAny>, Bound<'py, PyTuple>);

/// Permutations of the observation, and of the actions, `[twist][value]`.
type Twists = (Vec<Vec<u32>>, Vec<Vec<u32>>);

/// Rewards, terminated, truncated and solved, each `[slot]`.
type Stepped<'py> = (
    Bound<'py, PyArray1<f32>>,
    Bound<'py, PyArray1<bool>>,
    Bound<'py, PyArray1<bool>>,
    Bound<'py, PyArray1<bool>>,
);
