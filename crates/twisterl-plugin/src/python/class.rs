//! The class of an environment, of which each extension derives its own.

use super::exported::Exported;
use super::values::{action_space, array, observation_space, push_action, raise, shape};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyType};
use std::sync::Arc;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::env::{Start, Step};
use twisterl_core::registry::EnvSpec;
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::space::{Actions, Observations};

/// One environment, stepped from Python. Classes of extensions derive from it.
#[pyclass(subclass, module = "twisterl_plugin")]
pub(super) struct NativeEnvironment {
    exported: &'static Exported,
    spec: Arc<dyn EnvSpec>,
    env: Box<dyn VecEnv>,
    difficulty: usize,
    seed: Option<u64>,
    episodes: u64,
    begun: bool,
    last: Step,
}

/// The methods that TwisteRL would call if the environment were one of Python.
const PLAYED: [&str; 12] = [
    "reset",
    "step",
    "observe",
    "masks",
    "action_masks",
    "is_final",
    "reward",
    "success",
    "solved",
    "set_state",
    "get_state",
    "twists",
];

/// Observation, reward, terminated, truncated and info.
type Stepped<'py> = (Bound<'py, PyAny>, f32, bool, bool, Bound<'py, PyDict>);

/// Permutations of the observation, and of the actions, `[twist][value]`.
type Twists = (Vec<Vec<u32>>, Vec<Vec<u32>>);

impl NativeEnvironment {
    /// Begins an episode.
    fn begin(&mut self, start: Start<'_>) -> PyResult<()> {
        let key = StreamKey::new(self.seed.unwrap_or(0), Purpose::Start).at(self.episodes);
        self.env.begin(0, start, &mut key.stream()).map_err(raise)?;
        self.episodes += 1;
        self.begun = true;
        self.last = Step::default();
        Ok(())
    }

    /// Begins an episode if none has, as the methods that look at one need.
    fn ready(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.begun { Ok(()) } else { self.scramble(py) }
    }

    fn scramble(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.seed.is_none() {
            let bits = py.import("random")?.getattr("SystemRandom")?.call0()?;
            self.seed = Some(bits.call_method1("getrandbits", (64,))?.extract()?);
        }
        self.begin(Start::Scramble { difficulty: self.difficulty })
    }

    fn look(&mut self, py: Python<'_>) -> PyResult<(Observations, Vec<bool>)> {
        self.ready(py)?;
        let (mut observed, mut masks) = (Observations::new(), Vec::new());
        self.env.observe(&[0], &mut observed, &mut masks).map_err(raise)?;
        Ok((observed, masks))
    }

    fn info<'py>(&self, py: Python<'py>, mask: Vec<bool>) -> PyResult<Bound<'py, PyDict>> {
        let info = PyDict::new(py);
        info.set_item("action_mask", py.import("numpy")?.call_method1("array", (mask, "int8"))?)?;
        info.set_item("is_success", self.env.solved(0))?;
        Ok(info)
    }
}

#[pymethods]
impl NativeEnvironment {
    #[new]
    #[classmethod]
    #[pyo3(signature = (**params))]
    fn new(class: &Bound<'_, PyType>, params: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let exported = Exported::of(class)?;
        let text: String = match params {
            Some(params) => {
                class.py().import("json")?.call_method1("dumps", (params,))?.extract()?
            }
            None => "{}".into(),
        };
        let params = serde_json::from_str(&text);
        let params = params.map_err(|error| PyValueError::new_err(error.to_string()))?;
        let spec = (exported.maker)()(&params).map_err(raise)?;
        let env = spec.batch(1);
        let difficulty = spec.difficulty();
        let (seed, episodes, begun) = (None, 0, false);
        Ok(Self { exported, spec, env, difficulty, seed, episodes, begun, last: Step::default() })
    }

    /// Returns the functions of the environment for TwisteRL; none if a class in Python has replaced a method, which
    /// would then not be called.
    fn __twisterl_env__<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyCapsule>>> {
        let (class, base) = (slf.get_type(), slf.py().get_type::<Self>());
        for method in PLAYED {
            if !class.getattr(method)?.is(&base.getattr(method)?) {
                return Ok(None);
            }
        }
        slf.borrow().exported.functions(slf.py()).map(Some)
    }

    /// The parameters, defaults included.
    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("json")?.call_method1("loads", (self.spec.params().to_string(),))
    }

    /// Begins an episode of the difficulty. Returns its observation, and what else is known of it.
    #[pyo3(signature = (*, seed=None, options=None))]
    fn reset<'py>(
        &mut self,
        py: Python<'py>,
        seed: Option<u64>,
        options: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyDict>)> {
        let _ = options;
        if let Some(seed) = seed {
            (self.seed, self.episodes) = (Some(seed), 0);
        }
        self.scramble(py)?;
        let (observed, mask) = self.look(py)?;
        Ok((array(py, &self.spec.observation_space(), &observed)?, self.info(py, mask)?))
    }

    /// Takes an action. Returns observation, reward, terminated, truncated and what else is known.
    fn step<'py>(&mut self, action: &Bound<'py, PyAny>) -> PyResult<Stepped<'py>> {
        let py = action.py();
        self.ready(py)?;
        let space = self.spec.action_space();
        let mut actions = Actions::new(&space);
        push_action(&space, action, &mut actions)?;
        let mut steps = Vec::new();
        self.env.step(&[0], &actions, &mut steps).map_err(raise)?;
        self.last = steps.first().copied().unwrap_or_default();
        let (observed, mask) = self.look(py)?;
        let observed = array(py, &self.spec.observation_space(), &observed)?;
        let Step { reward, terminated, truncated } = self.last;
        Ok((observed, reward, terminated, truncated, self.info(py, mask)?))
    }

    /// Returns the observation: the indices of the ones of bits, else the values.
    fn observe<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (observed, _) = self.look(py)?;
        match self.spec.observation_space().values() {
            Some(0) => observed.ones(0).to_vec().into_pyobject(py),
            _ => array(py, &self.spec.observation_space(), &observed),
        }
    }

    /// Returns the mask of the allowed choices.
    fn masks(&mut self, py: Python<'_>) -> PyResult<Vec<bool>> {
        Ok(self.look(py)?.1)
    }

    /// Returns the mask of the allowed choices.
    fn action_masks(&mut self, py: Python<'_>) -> PyResult<Vec<bool>> {
        self.masks(py)
    }

    /// Returns true if the episode is over.
    fn is_final(&self) -> bool {
        self.last.done() || (self.begun && self.env.solved(0))
    }

    /// Returns the reward of the last step, 0 before the first.
    fn reward(&self) -> f32 {
        self.last.reward
    }

    /// Returns true if the state is solved.
    fn success(&mut self, py: Python<'_>) -> PyResult<bool> {
        self.ready(py)?;
        Ok(self.env.solved(0))
    }

    /// Returns true if the state is solved.
    fn solved(&mut self, py: Python<'_>) -> PyResult<bool> {
        self.success(py)
    }

    /// The difficulty of the episodes that `reset` begins.
    #[getter]
    fn difficulty(&self) -> usize {
        self.difficulty
    }

    #[setter]
    fn set_difficulty(&mut self, difficulty: usize) {
        self.difficulty = difficulty;
    }

    /// Begins an episode at a state.
    fn set_state(&mut self, state: Vec<f64>) -> PyResult<()> {
        self.begin(Start::State { state: &state, difficulty: None })
    }

    /// Returns the state, a list of numbers.
    fn get_state<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.ready(py)?;
        let mut state = Vec::new();
        self.env.state(0, &mut state).map_err(raise)?;
        let whole = |number: &f64| number.fract() == 0.0 && number.abs() <= 9e15;
        match state.iter().all(whole) {
            true => {
                let numbers: Vec<i64> = state.iter().map(|&number| number as i64).collect();
                numbers.into_pyobject(py)
            }
            false => state.into_pyobject(py),
        }
    }

    /// Returns the number of actions.
    fn num_actions(&self) -> usize {
        self.spec.action_space().mask_width()
    }

    /// Returns the shape of observations.
    fn obs_shape(&self) -> Vec<usize> {
        shape(&self.spec.observation_space())
    }

    /// Returns the symmetries: permutations of the observation and of the actions.
    fn twists(&self) -> Twists {
        self.spec.twists().into_iter().map(|twist| (twist.observation, twist.action)).unzip()
    }

    /// The observation space of Gymnasium.
    #[getter]
    fn observation_space<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        observation_space(py, &self.spec.observation_space())
    }

    /// The action space of Gymnasium.
    #[getter]
    fn action_space<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        action_space(py, &self.spec.action_space())
    }

    /// Returns the state as text.
    fn render(&mut self, py: Python<'_>) -> PyResult<String> {
        self.ready(py)?;
        self.env.render(0).map_err(raise)
    }

    /// Frees nothing: an environment of Rust ends with its object.
    fn close(&self) {}

    /// Returns an independent copy, which continues as this environment would.
    fn __copy__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let params = slf.getattr("params")?;
        let copy = slf.get_type().call((), Some(params.cast::<PyDict>()?))?;
        {
            let from = slf.borrow();
            let mut to = copy.cast::<Self>()?.borrow_mut();
            to.env = from.env.duplicate().map_err(raise)?;
            (to.difficulty, to.seed, to.episodes) = (from.difficulty, from.seed, from.episodes);
            (to.begun, to.last) = (from.begun, from.last);
        }
        Ok(copy)
    }

    fn __deepcopy__<'py>(
        slf: &Bound<'py, Self>,
        memo: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = memo;
        Self::__copy__(slf)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let name = slf.get_type().name()?.to_string();
        let params = slf.borrow().spec.params();
        let params = params.as_object().into_iter().flatten();
        let params: Vec<String> = params.map(|(name, value)| format!("{name}={value}")).collect();
        Ok(format!("{name}({})", params.join(", ")))
    }
}
