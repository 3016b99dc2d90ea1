//! Batches of environments written in Python.

use super::{PythonEnvSpec, broken, raised};
use crate::enter::calls::EnvCall;
use numpy::{PyArray2, PyArrayMethods as _};
use pyo3::prelude::*;
use rand::Rng as _;
use twisterl_core::Result;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::env::{Start, Step};
use twisterl_core::rng::Rng;
use twisterl_core::space::{Action, ActionSpace, Actions, ObservationSpace, Observations};

/// A batch of environments, created when the first episode begins.
pub(super) struct PythonEnvBatch {
    name: String,
    /// `twisterl._internal.adapter.Problem`.
    problem: Py<PyAny>,
    /// `twisterl._internal.adapter.Batch`.
    batch: Option<Py<PyAny>>,
    actions: ActionSpace,
    sparse: bool,
    /// The number of values of an observation.
    size: usize,
    /// True for each slot whose problem is solved.
    solved: Vec<bool>,
}

/// Observations from Python.
enum Seen {
    /// Lengths and indices of sparse rows.
    Sparse(Vec<usize>, Vec<u32>),
    /// Values of dense rows.
    Dense(Vec<f32>),
}

/// Rewards, terminated, truncated and solved, each `[slot]`.
type Stepped = (Vec<f32>, Vec<bool>, Vec<bool>, Vec<bool>);

impl PythonEnvBatch {
    pub(super) fn new(spec: &PythonEnvSpec, len: usize) -> Self {
        Self {
            name: spec.name.clone(),
            problem: Python::attach(|py| spec.problem.clone_ref(py)),
            batch: None,
            actions: spec.action_space.clone(),
            sparse: matches!(spec.observation_space, ObservationSpace::SparseBinary { .. }),
            size: spec.size,
            solved: vec![false; len],
        }
    }

    /// Calls into the batch with the interpreter attached.
    fn call<T>(&mut self, work: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> Result<T> {
        Python::attach(|py| {
            let _call = EnvCall::begin(py);
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
        Python::attach(|py| {
            let _call = EnvCall::begin(py);
            work(batch.bind(py))
        })
        .map_err(|e| raised(&self.name, e))
    }

    /// Adds what Python observed in `rows` slots to a batch.
    fn add(&self, seen: Seen, rows: usize, observations: &mut Observations) -> Result<()> {
        match seen {
            Seen::Sparse(lengths, indices) => {
                if let Some(index) = indices.iter().find(|&&i| i as usize >= self.size) {
                    let rule = format!("observe() gives indices below {}", self.size);
                    return Err(broken(&self.name, &rule, index));
                }
                // The adapter gives as many indices as the lengths add up to.
                let mut rest = &indices[..];
                for length in lengths {
                    let (ones, others) = rest.split_at(length);
                    observations.push_ones(ones);
                    rest = others;
                }
            }
            Seen::Dense(values) => {
                if let Some(at) = values.iter().position(|v| !v.is_finite()) {
                    let found = format!("one that is not, at position {}", at % self.size);
                    return Err(broken(&self.name, "observations are finite numbers", found));
                }
                for row in 0..rows {
                    let values = &values[row * self.size..(row + 1) * self.size];
                    observations.push_with(|out| out.values(values));
                }
            }
        }
        Ok(())
    }

    /// Checks the masks of `rows` slots.
    fn check_masks(&self, masks: &[bool], rows: usize) -> Result<()> {
        let width = self.actions.mask_width();
        if masks.len() != width * rows {
            let rule = format!("action masks have {width} entries");
            let found = format!("{} for {rows} states", masks.len());
            return Err(broken(&self.name, &rule, found));
        }
        if width > 0 && masks.chunks(width).any(|row| !self.actions.leaves_a_choice(row)) {
            return Err(broken(&self.name, "action masks allow at least one action", "none"));
        }
        Ok(())
    }
}

impl VecEnv for PythonEnvBatch {
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
        self.solved[slot] = self.call(|batch| {
            batch.call_method1("begin", (slot, difficulty, seed, state))?.extract()
        })?;
        Ok(())
    }

    fn observe(
        &mut self,
        slots: &[usize],
        observations: &mut Observations,
        masks: &mut Vec<bool>,
    ) -> Result<()> {
        let first = masks.len();
        let (width, sparse) = (self.actions.mask_width(), self.sparse);
        let seen = self.call(|batch| {
            let (seen, allowed): (Bound<'_, PyAny>, Option<Vec<Bound<'_, PyAny>>>) =
                batch.call_method1("observe", (slots.to_vec(),))?.extract()?;
            match allowed {
                Some(allowed) => {
                    for item in allowed {
                        masks.push(item.is_truthy()?);
                    }
                }
                None => masks.resize(first + width * slots.len(), true),
            }
            if sparse {
                let (lengths, indices) = seen.extract()?;
                return Ok(Seen::Sparse(lengths, indices));
            }
            Ok(Seen::Dense(seen.cast_into::<PyArray2<f32>>()?.to_vec()?))
        })?;
        self.add(seen, slots.len(), observations)?;
        self.check_masks(&masks[first..], slots.len())
    }

    fn step(&mut self, slots: &[usize], actions: &Actions, steps: &mut Vec<Step>) -> Result<()> {
        let single = self.actions.single_discrete().is_some();
        let (rewards, terminated, truncated, solved): Stepped = self.call(|batch| {
            let taken = slots.to_vec();
            if single {
                return batch.call_method1("step", (taken, actions.discrete.clone()))?.extract();
            }
            let parts = |i: usize| match actions.row(i) {
                Action::Discrete(index) => (vec![index as u32], Vec::new()),
                Action::Parts { discrete, continuous } => (discrete.to_vec(), continuous.to_vec()),
            };
            let parts: Vec<(Vec<u32>, Vec<f32>)> = (0..slots.len()).map(parts).collect();
            batch.call_method1("step", (taken, parts))?.extract()
        })?;
        if let Some(found) = rewards.iter().find(|r| !r.is_finite()) {
            return Err(broken(&self.name, "rewards are finite numbers", found));
        }
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
