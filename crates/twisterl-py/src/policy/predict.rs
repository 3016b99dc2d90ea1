//! Predictions and actions.

use super::Policy;
use crate::convert::actions::{action_object, push_mask};
use crate::convert::numbers::{kind, readable, rows};
use crate::convert::observations::{push_observation, push_values, shape, size};
use crate::enter::Enter as _;
use crate::error::refuse;
use numpy::{PyArray1, PyArray2, PyArrayDyn, PyArrayMethods as _, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use rayon::prelude::*;
use twisterl_core::evaluator::batched::{BatchedEvaluation, action_count};
use twisterl_core::evaluator::decision::Decision;
use twisterl_core::evaluator::distribution::{Choice, argmax, sample};
use twisterl_core::evaluator::{Evaluation, Evaluator as _};
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_train::trainer::threads::in_pool;
use twisterl_train::{Error, Result};

/// Rows of a batch that are evaluated together on one thread.
const CHUNK: usize = 512;

/// Probabilities or parameters, `[row, parameter]`, and values, `[row]`.
pub type Predicted<'py> = (Bound<'py, PyArray2<f32>>, Bound<'py, PyArray1<f32>>);

impl Policy {
    pub(super) fn predict_one<'py>(
        &self,
        observation: &Bound<'py, PyAny>,
        mask: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyArray1<f32>>, f32)> {
        let py = observation.py();
        if self.actions().single_discrete().is_none() {
            let evaluated = self.decided(observation, mask)?.evaluated;
            return Ok((PyArray1::from_slice(py, evaluated.parameters()), evaluated.value(0)));
        }
        self.evaluated(observation, mask, |evaluation| {
            let probabilities = evaluation.log_probs(0).iter().map(|log| log.exp());
            (PyArray1::from_iter(py, probabilities), evaluation.value(0))
        })
    }

    pub(super) fn predict_many<'py>(
        &self,
        observations: &Bound<'py, PyAny>,
        masks: Option<&Bound<'py, PyAny>>,
        num_cores: Option<usize>,
    ) -> PyResult<Predicted<'py>> {
        let py = observations.py();
        let mut chunks = self.chunks(observations, masks)?;
        let (parameters, values) = if self.actions().single_discrete().is_some() {
            py.enter(|| self.probabilities(&mut chunks, num_cores))?
        } else {
            py.enter(|| in_pool(num_cores, || self.parameters(&chunks)))?
        };
        let width = self.executor.action_width();
        let parameters = PyArray1::from_vec(py, parameters).reshape([values.len(), width])?;
        Ok((parameters, PyArray1::from_vec(py, values)))
    }

    /// Returns the outputs of the network for each row of a batch, and the values.
    pub(super) fn outputs<'py>(
        &self,
        observations: &Bound<'py, PyAny>,
        num_cores: Option<usize>,
    ) -> PyResult<Predicted<'py>> {
        let py = observations.py();
        let chunks = self.chunks(observations, None)?;
        let (outputs, values) = py.enter(|| in_pool(num_cores, || self.parameters(&chunks)))?;
        let shape = [values.len(), self.executor.action_width()];
        let outputs = PyArray1::from_vec(py, outputs).reshape(shape)?;
        Ok((outputs, PyArray1::from_vec(py, values)))
    }

    /// Returns an action: drawn with this seed, or else the most probable one.
    pub(super) fn choose<'py>(
        &self,
        observation: &Bound<'py, PyAny>,
        mask: Option<&Bound<'py, PyAny>>,
        seed: Option<u64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = observation.py();
        let draws = || StreamKey::new(seed.unwrap_or_default(), Purpose::Act).stream();
        if self.actions().single_discrete().is_none() {
            let choice = if seed.is_some() { Choice::Sample } else { Choice::Greedy };
            let mut decision = self.decided(observation, mask)?;
            py.attached(|| decision.choose(&self.executor, choice, &mut draws()))?;
            return action_object(py, decision.actions.row(0), self.actions());
        }
        let chosen = self.evaluated(observation, mask, |evaluation| {
            let log_probs = evaluation.log_probs(0);
            if seed.is_none() {
                return argmax(log_probs);
            }
            let probabilities: Vec<f32> = log_probs.iter().map(|log| log.exp()).collect();
            sample(&probabilities, &mut draws())
        })?;
        Ok(chosen.into_pyobject(py)?.into_any())
    }

    /// Evaluates one observation of a policy whose action is one choice.
    fn evaluated<T>(
        &self,
        observation: &Bound<'_, PyAny>,
        mask: Option<&Bound<'_, PyAny>>,
        read: impl FnOnce(&BatchedEvaluation) -> T,
    ) -> PyResult<T> {
        let py = observation.py();
        let actions = self.actions();
        py.attached(|| action_count(actions))?;
        let kept = self.memory.try_lock().ok().and_then(|mut memory| memory.take());
        let mut evaluation = kept.unwrap_or_else(|| BatchedEvaluation::new(actions));
        evaluation.clear();
        push_observation(&mut evaluation.observations, observation, self.space())?;
        push_mask(&mut evaluation.masks, mask, actions)?;
        py.attached(|| evaluation.evaluate_log_probs(&self.executor))?;
        let result = read(&evaluation);
        if let Ok(mut memory) = self.memory.try_lock() {
            *memory = Some(evaluation);
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
        observation.py().attached(|| decision.evaluated.evaluate(&self.executor))?;
        Ok(decision)
    }

    /// Returns the parameters of the distribution of each row of a batch, and the values.
    fn parameters(&self, chunks: &[BatchedEvaluation]) -> Result<(Vec<f32>, Vec<f32>)> {
        let evaluate = |chunk: &BatchedEvaluation| {
            let mut evaluation = Evaluation::default();
            self.executor.evaluate(&chunk.observations, &mut evaluation)?;
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

    /// Returns the probabilities of the choices of each row of a batch, and the values.
    fn probabilities(
        &self,
        chunks: &mut [BatchedEvaluation],
        num_cores: Option<usize>,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let evaluate = |chunk: &mut BatchedEvaluation| chunk.evaluate_log_probs(&self.executor);
        match &mut *chunks {
            [one] => evaluate(one)?,
            many => in_pool(num_cores, || {
                let ended = many.par_iter_mut().map(evaluate).collect::<Vec<_>>();
                Ok(ended.into_iter().collect::<Result<(), _>>()?)
            })?,
        }
        let (mut probabilities, mut values) = (Vec::new(), Vec::new());
        for chunk in chunks {
            for row in 0..chunk.observations.len() {
                probabilities.extend(chunk.log_probs(row).iter().map(|log| log.exp()));
                values.push(chunk.value(row));
            }
        }
        Ok((probabilities, values))
    }

    /// Returns the rows of a batch with their masks, in chunks.
    fn chunks(
        &self,
        observations: &Bound<'_, PyAny>,
        masks: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<BatchedEvaluation>> {
        let py = observations.py();
        let mut chunks = match self.array(observations)? {
            Some(array) => {
                let given: Vec<&[f32]> =
                    array.as_slice()?.chunks(size(py, self.space())?.max(1)).collect();
                self.cut(&given, |chunk, row| {
                    push_values(py, &mut chunk.observations, row, self.space())
                })?
            }
            None => self.cut(&rows(observations, "observations")?, |chunk, row| {
                push_observation(&mut chunk.observations, row, self.space())
            })?,
        };
        let count = chunks.iter().map(|chunk| chunk.observations.len()).sum();
        let masks = match masks {
            Some(masks) => rows(masks, "masks")?.into_iter().map(Some).collect(),
            None => vec![None; count],
        };
        if masks.len() != count {
            let (expected, found) = (format!("{count} rows"), masks.len().to_string());
            return Err(refuse(py, "ObservationError", "masks", &expected, &found));
        }
        for (chunk, masks) in chunks.iter_mut().zip(masks.chunks(CHUNK)) {
            for mask in masks {
                push_mask(&mut chunk.masks, mask.as_ref(), self.actions())?;
            }
        }
        Ok(chunks)
    }

    /// Cuts rows into chunks, which `push` fills.
    fn cut<T>(
        &self,
        rows: &[T],
        push: impl Fn(&mut BatchedEvaluation, &T) -> PyResult<()>,
    ) -> PyResult<Vec<BatchedEvaluation>> {
        let fill = |rows: &[T]| {
            let mut chunk = BatchedEvaluation::new(self.actions());
            rows.iter().try_for_each(|row| push(&mut chunk, row)).map(|()| chunk)
        };
        rows.chunks(CHUNK).map(fill).collect()
    }

    /// Returns a whole batch as one array of single precision, if it is an array of the right shape.
    fn array<'py>(
        &self,
        observations: &Bound<'py, PyAny>,
    ) -> PyResult<Option<PyReadonlyArrayDyn<'py, f32>>> {
        let py = observations.py();
        let Ok(found) = observations.getattr("shape").and_then(|s| s.extract::<Vec<usize>>())
        else {
            return Ok(None);
        };
        let size = size(py, self.space())?;
        let fits = found.get(1..).is_some_and(|row| row == [size]) || {
            let shape = shape(py, self.space())?;
            found.get(1..).is_some_and(|row| row == shape)
        };
        if !fits {
            return Ok(None);
        }
        let refused = || {
            let expected = format!("an array of numbers with rows of {size}");
            refuse(py, "ObservationError", "observations", &expected, &kind(observations))
        };
        let array = py
            .import("numpy")?
            .call_method1("ascontiguousarray", (observations, "float32"))
            .map_err(|_| refused())?
            .cast_into::<PyArrayDyn<f32>>()
            .map_err(|_| refused())?;
        readable(&array, "observations").map(Some)
    }
}
