//! Environments written in Python as those of core: batches of them behind one call into `twisterl._adapter` a batch.

use numpy::{PyArray2, PyArrayMethods as _, PyReadonlyArray2, PyUntypedArrayMethods as _};
use pyo3::prelude::*;
use pyo3::types::PyList;
use rand::Rng as _;
use serde_json::Value;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::env::check::Report;
use twisterl_core::env::walk::Walk;
use twisterl_core::env::{Start, Step};
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::error::Raised;
use twisterl_core::rng::Rng;
use twisterl_core::space::symmetry::Twist;
use twisterl_core::space::{
    Action, ActionComponent, ActionSpace, Actions, ObservationSpace, Observations,
};
use twisterl_core::{Error, Result};

/// One problem in Python: its parameters, its spaces, and the maker of its batches.
pub struct PyEnvSpec {
    name: String,
    params: Value,
    /// `twisterl._adapter.Problem`.
    problem: Py<PyAny>,
    observation_space: ObservationSpace,
    action_space: ActionSpace,
    twists: Vec<Twist>,
    difficulty: usize,
}

impl PyEnvSpec {
    /// The environment that the class or function `name` (with its module) makes of `params`; `None` where there is no
    /// such module.
    ///
    /// # Errors
    /// Whatever the import or the class raises, or if its spaces make no sense.
    pub fn new(name: &str, params: &Value) -> Result<Option<Self>> {
        let made = Python::attach(|py| -> PyResult<Option<Result<Self>>> {
            let adapter = py.import("twisterl._adapter")?;
            let factory = adapter.call_method1("resolve", (name,))?;
            if factory.is_none() {
                return Ok(None);
            }
            let problem = adapter.call_method1("Problem", (name, factory, params.to_string()))?;
            Self::of(name, params, &problem).map(Some)
        });
        made.map_err(|e| raised(name, e))?.transpose()
    }

    fn of(name: &str, params: &Value, problem: &Bound<'_, PyAny>) -> PyResult<Result<Self>> {
        let shape: Vec<usize> = problem.getattr("shape")?.extract()?;
        let sparse: bool = problem.getattr("sparse")?.extract()?;
        let observation_space = match sparse {
            true => ObservationSpace::SparseBinary { shape },
            false => ObservationSpace::Dense { shape },
        };
        let mut components = Vec::new();
        for component in problem.getattr("actions")?.try_iter()? {
            components.push(
                match component?.extract::<(usize, Vec<f32>, Vec<f32>, Vec<usize>)>()? {
                    (0, low, high, shape) => ActionComponent::Continuous { low, high, shape },
                    (n, _, _, shape) if shape.is_empty() => ActionComponent::Discrete { n },
                    (_, _, _, shape) => ActionComponent::Binary { n: shape.iter().product() },
                },
            );
        }
        let (bits, actions): (Vec<Vec<u32>>, Vec<Vec<u32>>) =
            problem.getattr("twists")?.extract()?;
        let difficulty = problem.getattr("difficulty")?.extract()?;
        let twists = bits.into_iter().zip(actions);
        let twists = twists.map(|(observation, action)| Twist { observation, action }).collect();
        let problem = problem.clone().unbind();
        Ok(ActionSpace::new(components).and_then(|action_space| {
            let (name, params) = (name.to_owned(), params.clone());
            let spec =
                Self { name, params, problem, observation_space, action_space, twists, difficulty };
            let bits = spec.observation_space.size().filter(|&bits| bits > 0).ok_or_else(|| {
                spec.broken(
                    "observations have at least one value",
                    format!("{:?}", spec.observation_space),
                )
            })?;
            let choices = spec.action_space.mask_width();
            spec.twists.iter().try_for_each(|twist| twist.check(bits, choices))?;
            Ok(spec)
        }))
    }

    fn broken(&self, rule: &str, found: String) -> Error {
        Error::Contract { name: self.name.clone(), rule: rule.into(), found }
    }
}

fn raised(name: &str, error: PyErr) -> Error {
    Error::Raised { name: name.into(), raised: Raised::new(error) }
}

impl PyEnvSpec {
    fn without_inverses(&self) -> Error {
        let expected =
            "an environment that declares the inverse of each action, as native ones can";
        Error::config("env_cls", expected, &self.name)
    }
}

impl EnvSpec for PyEnvSpec {
    fn name(&self) -> &str {
        &self.name
    }

    fn params(&self) -> Value {
        self.params.clone()
    }

    fn observation_space(&self) -> ObservationSpace {
        self.observation_space.clone()
    }

    fn action_space(&self) -> ActionSpace {
        self.action_space.clone()
    }

    fn twists(&self) -> Vec<Twist> {
        self.twists.clone()
    }

    fn difficulty(&self) -> usize {
        self.difficulty
    }

    fn batch(&self, len: usize) -> Box<dyn VecEnv> {
        Box::new(PyEnvBatch {
            name: self.name.clone(),
            problem: Python::attach(|py| self.problem.clone_ref(py)),
            batch: None,
            observation_space: self.observation_space.clone(),
            mask_width: self.action_space.mask_width(),
            actions: self.action_space.clone(),
            single: self.action_space.single_discrete().is_some(),
            solved: vec![false; len],
        })
    }

    fn inverses(&self) -> Result<Vec<u32>> {
        Err(self.without_inverses())
    }

    fn walker(&self) -> Result<Box<dyn Walk>> {
        Err(self.without_inverses())
    }

    fn check(&self, _: u64) -> Result<Report> {
        Err(Error::config("env_cls", "a native environment", &self.name))
    }
}

/// A batch of Python environments, made when the first episode begins.
struct PyEnvBatch {
    name: String,
    problem: Py<PyAny>,
    batch: Option<Py<PyAny>>,
    observation_space: ObservationSpace,
    actions: ActionSpace,
    mask_width: usize,
    single: bool,
    solved: Vec<bool>,
}

impl PyEnvBatch {
    /// Calls into the batch with the interpreter attached.
    fn call<T>(&mut self, work: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> Result<T> {
        Python::attach(|py| {
            let batch = match &self.batch {
                Some(batch) => batch.bind(py).clone(),
                None => {
                    let batch =
                        self.problem.bind(py).call_method1("batch", (self.solved.len(),))?;
                    self.batch.insert(batch.unbind()).bind(py).clone()
                }
            };
            work(&batch)
        })
        .map_err(|e| raised(&self.name, e))
    }

    /// The same, where a batch must be there already.
    fn look<T>(&self, work: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> Result<T> {
        let Some(batch) = &self.batch else {
            return Err(self.broken("episodes begin before they are looked at", "none has".into()));
        };
        Python::attach(|py| work(batch.bind(py))).map_err(|e| raised(&self.name, e))
    }

    fn broken(&self, rule: &str, found: String) -> Error {
        Error::Contract { name: self.name.clone(), rule: rule.into(), found }
    }
}

impl VecEnv for PyEnvBatch {
    fn len(&self) -> usize {
        self.solved.len()
    }

    fn begin(&mut self, slot: usize, start: Start<'_>, rng: &mut Rng) -> Result<()> {
        // Gymnasium and numpy take seeds from 0 on; the lower half of 32 bits suits every generator.
        let seed = rng.next_u32() >> 1;
        let (difficulty, state) = match start {
            Start::Scramble { difficulty } | Start::Uniform { difficulty } => {
                (Some(difficulty), None)
            }
            Start::State { state, difficulty } => (difficulty, Some(state.to_vec())),
        };
        let solved: bool = self.call(|batch| {
            batch.call_method1("begin", (slot, difficulty, seed, state))?.extract()
        })?;
        if let Some(place) = self.solved.get_mut(slot) {
            *place = solved;
        }
        Ok(())
    }

    fn observe(
        &mut self,
        slots: &[usize],
        observations: &mut Observations,
        masks: &mut Vec<bool>,
    ) -> Result<()> {
        let size = self.observation_space.size().unwrap_or(0);
        let (first, width) = (masks.len(), self.mask_width);
        let sparse = matches!(self.observation_space, ObservationSpace::SparseBinary { .. });
        let slots_list = slots.to_vec();
        let seen = self.call(|batch| {
            let (seen, allowed): (Bound<'_, PyAny>, Option<Bound<'_, PyList>>) =
                batch.call_method1("observe", (slots_list,))?.extract()?;
            match allowed {
                Some(allowed) => {
                    for item in &allowed {
                        masks.push(item.is_truthy()?);
                    }
                }
                None => masks.resize(first + width * slots.len(), true),
            }
            if sparse {
                return Ok(Seen::Sparse(seen.extract()?));
            }
            let array: PyReadonlyArray2<'_, f32> =
                seen.cast_into::<PyArray2<f32>>()?.try_readonly()?;
            let values = array.as_slice().map_err(PyErr::from)?;
            for row in values.chunks(array.shape().get(1).copied().unwrap_or(1).max(1)) {
                observations.push_with(|out| out.values(row));
            }
            Ok(Seen::Dense(values.iter().position(|v| !v.is_finite())))
        })?;
        match seen {
            Seen::Sparse((lengths, indices)) => {
                if let Some(index) = indices.iter().find(|&&i| i >= size as u32) {
                    let rule = format!("observe() gives indices below {size}");
                    return Err(self.broken(&rule, index.to_string()));
                }
                let mut rest = &indices[..];
                for length in lengths {
                    let (ones, others) = rest.split_at_checked(length).unwrap_or((rest, &[]));
                    observations.push_ones(ones);
                    rest = others;
                }
            }
            Seen::Dense(None) => {}
            Seen::Dense(Some(at)) => {
                let found = format!("one that is not, at position {}", at % size.max(1));
                return Err(self.broken("observations are finite numbers", found));
            }
        }
        let rows = masks.get(first..).unwrap_or(&[]);
        if rows.len() != width * slots.len() {
            let rule = format!("action masks have {width} entries");
            return Err(self.broken(&rule, format!("{} for {} states", rows.len(), slots.len())));
        }
        if width > 0 && rows.chunks(width).any(|row| !self.actions.leaves_a_choice(row)) {
            return Err(self.broken("action masks allow at least one action", "none".into()));
        }
        Ok(())
    }

    fn step(&mut self, slots: &[usize], actions: &Actions, steps: &mut Vec<Step>) -> Result<()> {
        let rows = slots.len();
        let single = self.single;
        let slots_list = slots.to_vec();
        let given: (Vec<f32>, Vec<bool>, Vec<bool>, Vec<bool>) = self.call(|batch| {
            let outcome = if single {
                batch.call_method1("step", (slots_list, actions.discrete.clone()))?
            } else {
                let parts: Vec<(Vec<u32>, Vec<f32>)> = (0..rows)
                    .map(|i| match actions.row(i) {
                        Action::Discrete(index) => (vec![index as u32], Vec::new()),
                        Action::Parts { discrete, continuous } => {
                            (discrete.to_vec(), continuous.to_vec())
                        }
                    })
                    .collect();
                batch.call_method1("step", (slots_list, parts))?
            };
            outcome.extract()
        })?;
        let (rewards, terminated, truncated, solved) = given;
        if let Some(found) = rewards.iter().find(|r| !r.is_finite()) {
            return Err(self.broken("rewards are finite numbers", found.to_string()));
        }
        let ends = terminated.into_iter().zip(truncated).zip(solved);
        for ((&slot, reward), ((terminated, truncated), solved)) in
            slots.iter().zip(rewards).zip(ends)
        {
            steps.push(Step { reward, terminated, truncated: truncated && !terminated });
            if let Some(place) = self.solved.get_mut(slot) {
                *place = solved;
            }
        }
        Ok(())
    }

    fn solved(&self, slot: usize) -> bool {
        self.solved.get(slot).copied().unwrap_or(false)
    }

    fn state(&self, slot: usize, out: &mut Vec<f64>) -> Result<()> {
        let state: Vec<f64> = self.look(|batch| batch.call_method1("state", (slot,))?.extract())?;
        out.extend(state);
        Ok(())
    }

    fn copy(&mut self, pairs: &[(usize, usize)]) -> Result<()> {
        let list = pairs.to_vec();
        self.call(|batch| batch.call_method1("copy", (list,)).map(drop))?;
        for &(from, to) in pairs {
            let solved = self.solved(from);
            if let Some(place) = self.solved.get_mut(to) {
                *place = solved;
            }
        }
        Ok(())
    }

    fn render(&self, slot: usize) -> Result<String> {
        self.look(|batch| batch.call_method1("render", (slot,))?.extract())
    }

    fn action_name(&self, action: Action<'_>) -> String {
        match action {
            Action::Discrete(index) => index.to_string(),
            Action::Parts { discrete, continuous } => format!("{discrete:?} {continuous:?}"),
        }
    }
}

/// What a batch showed: lengths and indices of sparse rows, or where a dense value is not finite.
enum Seen {
    Sparse((Vec<usize>, Vec<u32>)),
    Dense(Option<usize>),
}
