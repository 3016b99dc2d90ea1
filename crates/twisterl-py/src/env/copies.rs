//! Copies and pickles of batches of environments, which continue as their originals would.

use super::{EnvBatch, EnvSpec};
use crate::enter::Enter as _;
use pyo3::PyTypeInfo as _;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use twisterl_core::env::{Start, Step};
use twisterl_core::evaluator::batched::BatchedEvaluation;
use twisterl_core::rng::{Purpose, Rng, StreamKey};
use twisterl_core::space::{Action, Actions, Observations};
use twisterl_core::{Error, Result};

/// The return value of `__reduce__`: [`revive_env`], its arguments, and the attributes that Python code has set.
pub type Pickled<'py> =
    (Bound<'py, PyAny>, (Bound<'py, PyType>, EnvSpec, String), Option<Bound<'py, PyAny>>);

/// The episode in a slot: its start and the actions so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Record {
    /// The difficulty of a scramble, if it is one.
    difficulty: Option<usize>,
    /// The state that it began at, if it is no scramble.
    state: Vec<f64>,
    /// The seed and the number of the stream that it was drawn from.
    stream: (u64, u64),
    /// Discrete values of the actions, `[length, discrete values]`.
    discrete: Vec<u32>,
    /// Continuous values of the actions, `[length, continuous values]`.
    continuous: Vec<f32>,
    length: usize,
}

/// The content of a pickle.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    difficulty: usize,
    seed: u64,
    begun: u64,
    episodes: Vec<Record>,
    /// Keys of the observation and the mask of each slot, `[slot]`.
    observed: Vec<u64>,
}

/// Returns the stream from which an episode is drawn.
pub(super) fn stream((seed, number): (u64, u64)) -> Rng {
    StreamKey::new(seed, Purpose::Start).at(number).stream()
}

impl Record {
    /// Records the beginning of an episode.
    pub(super) fn begin(&mut self, start: Start<'_>, stream: (u64, u64)) {
        self.stream = stream;
        self.state.clear();
        self.difficulty = match start {
            Start::Scramble { difficulty } | Start::Uniform { difficulty } => Some(difficulty),
            Start::State { state, .. } => {
                self.state.extend_from_slice(state);
                None
            }
        };
        self.discrete.clear();
        self.continuous.clear();
        self.length = 0;
    }

    /// Records an action.
    pub(super) fn push(&mut self, action: Action<'_>) {
        self.length += 1;
        match action {
            Action::Discrete(index) => self.discrete.push(index as u32),
            Action::Parts { discrete, continuous } => {
                self.discrete.extend_from_slice(discrete);
                self.continuous.extend_from_slice(continuous);
            }
        }
    }

    fn start(&self) -> Start<'_> {
        match self.difficulty {
            Some(difficulty) => Start::Scramble { difficulty },
            None => Start::State { state: &self.state, difficulty: None },
        }
    }
}

impl EnvBatch {
    /// Returns an independent copy.
    pub(super) fn duplicate(&self, py: Python<'_>) -> PyResult<Self> {
        self.check_open(py)?;
        Ok(Self {
            spec: Arc::clone(&self.spec),
            env: py.attached(|| self.env.duplicate())?,
            space: self.space.clone(),
            last: self.last.clone(),
            episodes: self.episodes.clone(),
            slots: Vec::new(),
            actions: Actions::new(&self.space),
            steps: Vec::new(),
            observations: Observations::new(),
            masks: Vec::new(),
            ..*self
        })
    }

    /// Returns a copy of the same class with the same attributes; deep copies of them with `memo`.
    pub(super) fn copied<'py>(
        slf: &Bound<'py, Self>,
        memo: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let like = PyDict::new(py);
        like.set_item("like", slf)?;
        let new = Self::type_object(py).getattr("__new__")?;
        let twin = new.call((slf.get_type(), slf.borrow().spec()), Some(&like))?;
        if let Some(mut attributes) = attributes(slf) {
            if let Some(memo) = memo {
                memo.set_item(slf.as_ptr() as usize, &twin)?;
                attributes = py.import("copy")?.call_method1("deepcopy", (attributes, memo))?;
            }
            twin.getattr("__dict__")?.call_method1("update", (attributes,))?;
        }
        Ok(twin)
    }

    pub(super) fn pickled<'py>(slf: &Bound<'py, Self>) -> PyResult<Pickled<'py>> {
        let py = slf.py();
        let mut batch = slf.borrow_mut();
        batch.check_open(py)?;
        let saved = py.attached(|| batch.save())?;
        let revive = py.import("twisterl._core")?.getattr("revive_env")?;
        Ok((revive, (slf.get_type(), batch.spec(), saved), attributes(slf)))
    }

    fn save(&mut self) -> Result<String> {
        let saved = Saved {
            difficulty: self.difficulty,
            seed: self.seed,
            begun: self.begun,
            episodes: self.episodes.clone(),
            observed: self.observed()?,
        };
        serde_json::to_string(&saved).map_err(|e| Error::state("numbers that JSON can hold", e))
    }

    /// Returns keys of the observation and the mask of each slot; 0 where the episode is over.
    fn observed(&mut self) -> Result<Vec<u64>> {
        let mut evaluation = BatchedEvaluation::new(&self.space);
        let key = |slot: usize| {
            if self.last[slot].done() {
                return Ok(0);
            }
            evaluation.observe(&mut *self.env, &[slot])?;
            Ok(evaluation.key(0))
        };
        (0..self.last.len()).map(key).collect()
    }

    /// Plays the episodes of a pickle again.
    fn load(&mut self, saved: Saved) -> Result<()> {
        let count = self.last.len();
        if [saved.episodes.len(), saved.observed.len()] != [count; 2] {
            return Err(Error::state(format!("{count} episodes"), saved.episodes.len()));
        }
        (self.difficulty, self.seed, self.begun) = (saved.difficulty, saved.seed, saved.begun);
        let (mut one, mut steps) = (Actions::new(&self.space), Vec::new());
        for (slot, episode) in saved.episodes.iter().enumerate() {
            let Record { discrete, continuous, length, .. } = episode.clone();
            let actions = Actions::recorded(&self.space, discrete, continuous, length)?;
            self.env.begin(slot, episode.start(), &mut stream(episode.stream))?;
            self.last[slot] = Step { terminated: self.env.solved(slot), ..Step::default() };
            for t in 0..actions.len() {
                one.clear();
                one.push(actions.row(t));
                steps.clear();
                self.env.step(&[slot], &one, &mut steps)?;
                self.last[slot] = steps[0]; // one step for the one slot
            }
        }
        self.episodes = saved.episodes;
        if self.observed()? != saved.observed {
            let rule = "the same start and actions give the same episode";
            return Err(Error::contract(
                self.spec.name(),
                rule,
                "another one, played for a pickle",
            ));
        }
        Ok(())
    }
}

/// Returns the attributes that Python code has set, if the class can have any.
fn attributes<'py>(slf: &Bound<'py, EnvBatch>) -> Option<Bound<'py, PyAny>> {
    slf.getattr("__dict__").ok()
}

/// Returns the batch that a pickle stores.
#[pyfunction]
pub fn revive_env<'py>(
    kind: &Bound<'py, PyType>,
    spec: &Bound<'py, EnvSpec>,
    saved: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let py = kind.py();
    let saved: Saved = py.attached(|| {
        serde_json::from_str(saved).map_err(|e| Error::state("the content of a pickle", e))
    })?;
    let new = EnvBatch::type_object(py).getattr("__new__")?;
    let batch = new.call1((kind, spec, saved.episodes.len(), saved.seed))?;
    let mut inner = batch.cast::<EnvBatch>()?.borrow_mut();
    py.attached(|| inner.load(saved))?;
    drop(inner);
    Ok(batch)
}
