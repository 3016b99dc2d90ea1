//! Batches of environments written in Python.

use super::observed::{Observed, push_masks, rewards};
use super::{PythonEnvSpec, broken, end, raised};
use crate::enter::calls::call_env;
use pyo3::prelude::*;
use rand::Rng as _;
use std::sync::Arc;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::env::{Start, Step};
use twisterl_core::rng::Rng;
use twisterl_core::space::{Action, ActionSpace, Actions, ObservationSpace, Observations};
use twisterl_core::{Error, Result};

/// A batch of environments, created when the first episode begins.
pub(super) struct PythonEnvBatch {
    name: String,
    /// `twisterl._internal.adapter.Problem`.
    problem: Py<PyAny>,
    /// `twisterl._internal.adapter.Batch`.
    batch: Option<Py<PyAny>>,
    actions: Arc<ActionSpace>,
    sparse: bool,
    /// The number of values of an observation.
    size: usize,
    /// True for each slot whose problem is solved.
    solved: Vec<bool>,
}

/// Rewards, terminated, truncated and solved, each `[slot]`.
type Stepped = (Vec<f32>, Vec<bool>, Vec<bool>, Vec<bool>);

impl PythonEnvBatch {
    pub(super) fn new(spec: &PythonEnvSpec, len: usize) -> Self {
        Self {
            name: spec.name.clone(),
            problem: Python::attach(|py| spec.problem.clone_ref(py)),
            batch: None,
            actions: Arc::new(spec.action_space.clone()),
            sparse: matches!(spec.observation_space, ObservationSpace::SparseBinary { .. }),
            size: spec.size,
            solved: vec![false; len],
        }
    }

    /// Begins an episode with this difficulty and seed, at a state if there is one.
    pub(super) fn begin_at(
        &mut self,
        slot: usize,
        difficulty: Option<usize>,
        seed: u32,
        state: Option<Vec<f64>>,
    ) -> Result<()> {
        self.solved[slot] = self.call(|batch| {
            batch.call_method1("begin", (slot, difficulty, seed, state))?.extract()
        })?;
        Ok(())
    }

    /// Returns a batch of copies of all slots.
    pub(super) fn copies(&self) -> Result<Self> {
        let batch: Py<PyAny> = self.look(|batch| Ok(batch.call_method0("duplicate")?.unbind()))?;
        Ok(Self {
            name: self.name.clone(),
            problem: Python::attach(|py| self.problem.clone_ref(py)),
            batch: Some(batch),
            actions: self.actions.clone(),
            solved: self.solved.clone(),
            ..*self
        })
    }

    /// Calls into the batch with the interpreter attached.
    fn call<T>(&mut self, work: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> Result<T> {
        call_env(Some(&self.problem), |py| {
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

    /// Calls into a batch that has begun.
    fn look<T>(&self, work: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> Result<T> {
        let Some(batch) = &self.batch else {
            let rule = "episodes begin before they are looked at";
            return Err(broken(&self.name, rule, "none has"));
        };
        call_env(Some(&self.problem), |py| work(batch.bind(py))).map_err(|e| raised(&self.name, e))
    }
}

impl Drop for PythonEnvBatch {
    /// Gives the environments back, for the next batches.
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            end(&self.problem, &batch, "release");
        }
    }
}

impl VecEnv for PythonEnvBatch {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.solved.len()
    }

    fn begin(&mut self, slot: usize, start: Start<'_>, rng: &mut Rng) -> Result<()> {
        let (difficulty, state) = start_of(start);
        self.begin_at(slot, difficulty, seed_of(rng), state)
    }

    fn observe(
        &mut self,
        slots: &[usize],
        observations: &mut Observations,
        masks: &mut Vec<bool>,
    ) -> Result<()> {
        let (size, sparse, actions) = (self.size, self.sparse, Arc::clone(&self.actions));
        let observed = self.call(|batch| {
            let (seen, allowed) = batch.call_method1("observe", (slots.to_vec(),))?.extract()?;
            push_masks(masks, batch, allowed, slots, &actions)?;
            Observed::read(batch, seen, slots, size, sparse)
        })?;
        observed.push(size, observations);
        Ok(())
    }

    fn step(&mut self, slots: &[usize], actions: &Actions, steps: &mut Vec<Step>) -> Result<()> {
        let single = self.actions.single_discrete().is_some();
        let (rewards, terminated, truncated, solved): Stepped = self.call(|batch| {
            let taken = slots.to_vec();
            let read = |stepped: Bound<'_, PyAny>| {
                let (given, terminated, truncated, solved) = stepped.extract()?;
                Ok((rewards(batch, &given, slots)?, terminated, truncated, solved))
            };
            if single {
                return read(batch.call_method1("step", (taken, actions.discrete.clone()))?);
            }
            let parts = |i: usize| match actions.row(i) {
                Action::Discrete(index) => (vec![index as u32], Vec::new()),
                Action::Parts { discrete, continuous } => (discrete.to_vec(), continuous.to_vec()),
            };
            let parts: Vec<(Vec<u32>, Vec<f32>)> = (0..slots.len()).map(parts).collect();
            read(batch.call_method1("step", (taken, parts))?)
        })?;
        // The adapter gives one of each for every slot.
        for (i, &slot) in slots.iter().enumerate() {
            let truncated = truncated[i] && !terminated[i];
            steps.push(Step { reward: rewards[i], terminated: terminated[i], truncated });
            self.solved[slot] = solved[i];
        }
        Ok(())
    }

    fn solved(&self, slot: usize) -> bool {
        self.solved[slot]
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
            self.solved[to] = self.solved[from];
        }
        Ok(())
    }

    fn duplicate(&self) -> Result<Box<dyn VecEnv>> {
        Ok(Box::new(self.copies()?))
    }

    fn twisted_state(&self, _: usize, _: usize) -> Result<Option<Vec<f64>>> {
        let expected = "an environment that tells the images of its states under twists";
        Err(Error::config("env_cls", expected, &self.name))
    }

    fn inverse_state(&self, slot: usize) -> Result<Option<Vec<f64>>> {
        self.look(|batch| batch.call_method1("inverse_state", (slot,))?.extract())
    }

    fn invert_solution(&self, slot: usize, actions: &[u32]) -> Result<Option<Vec<u32>>> {
        let actions = actions.to_vec();
        self.look(|batch| batch.call_method1("invert_solution", (slot, actions))?.extract())
    }

    fn render(&self, slot: usize) -> Result<String> {
        self.look(|batch| batch.call_method1("render", (slot,))?.extract())
    }

    fn close(&mut self) -> Result<()> {
        if self.batch.is_none() {
            return Ok(());
        }
        self.look(|batch| batch.call_method0("close").map(drop))
    }

    fn action_name(&self, action: Action<'_>) -> String {
        action_name(action)
    }
}

/// Draws the seed of an episode.
pub(super) fn seed_of(rng: &mut Rng) -> u32 {
    // Gymnasium and numpy take seeds from 0 on; the lower half of 32 bits suits every generator.
    rng.next_u32() >> 1
}

/// Returns the difficulty and the state of a start.
pub(super) fn start_of(start: Start<'_>) -> (Option<usize>, Option<Vec<f64>>) {
    match start {
        Start::Scramble { difficulty } | Start::Uniform { difficulty } => (Some(difficulty), None),
        Start::State { state, difficulty } => (difficulty, Some(state.to_vec())),
    }
}

/// Returns the name of an action.
pub(super) fn action_name(action: Action<'_>) -> String {
    match action {
        Action::Discrete(index) => index.to_string(),
        Action::Parts { discrete, continuous } => format!("{discrete:?} {continuous:?}"),
    }
}
