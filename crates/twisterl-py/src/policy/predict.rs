//! Predictions and actions.

use super::Policy;
use crate::convert::actions::{action_object, push_mask};
use crate::convert::arguments::Cores;
use crate::convert::codec::Codec;
use crate::convert::numbers::{is_masked, kind, plain_f32, readable, rows, shape_of};
use crate::convert::observations::{push_observation, push_values, shape, size};
use crate::enter::Enter as _;
use crate::error::refuse;
use numpy::{PyArray1, PyArray2, PyArrayDyn, PyArrayMethods as _, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use rayon::prelude::*;
use std::sync::Arc;
use twisterl_core::error::counts::counted;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::evaluator::batched::{BatchedEvaluation, action_count};
use twisterl_core::evaluator::decision::Decision;
use twisterl_core::evaluator::distribution::{Choice, argmax, sample};
use twisterl_core::evaluator::{Evaluation, Evaluator, Interruptible};
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::space::Action;
use twisterl_train::config::NumCores;
use twisterl_train::trainer::threads::in_pool;
use twisterl_train::{Error, Result};

/// Rows of a batch that are evaluated together on one thread.
const CHUNK: usize = 512;

/// The most numbers of a batch that is not a contiguous array of single precision, and has to be copied.
const MAX_COPIED: usize = 1 << 28;

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

    /// Evaluates a batch. Returns the probabilities of the choices if an action is one choice and `outputs` is false, else
    /// the outputs of the network, which the observations are then encoded for.
    pub(super) fn predict_many<'py>(
        &self,
        observations: &Bound<'py, PyAny>,
        masks: Option<&Bound<'py, PyAny>>,
        num_cores: Option<Cores>,
        outputs: bool,
    ) -> PyResult<Predicted<'py>> {
        let py = observations.py();
        let encoder = if outputs { None } else { self.encoder() };
        let mut chunks = self.chunks(observations, masks, encoder)?;
        let single = !outputs && self.actions().single_discrete().is_some();
        let num_cores = num_cores.map(|cores| cores.0);
        let (executor, interrupt) = (Arc::clone(&self.executor), Interrupt::default());
        let heeded = interrupt.clone();
        let (parameters, values) = py.enter_interruptible(&interrupt, move || {
            let evaluator = Interruptible { evaluator: &*executor, interrupt: &heeded };
            match single {
                true => probabilities(&evaluator, &mut chunks, num_cores),
                false => in_pool(num_cores, || parameters(&evaluator, &chunks)),
            }
        })?;
        let width = self.executor.action_width();
        let parameters = PyArray1::from_vec(py, parameters).reshape([values.len(), width])?;
        Ok((parameters, PyArray1::from_vec(py, values)))
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
            py.attached(|| decision.choose(&*self.executor, choice, &mut draws()))?;
            return self.action(py, decision.actions.row(0));
        }
        let chosen = self.evaluated(observation, mask, |evaluation| {
            let log_probs = evaluation.log_probs(0);
            if seed.is_none() {
                return argmax(log_probs);
            }
            let probabilities: Vec<f32> = log_probs.iter().map(|log| log.exp()).collect();
            sample(&probabilities, &mut draws())
        })?;
        self.action(py, Action::Discrete(chosen))
    }

    /// Returns an action for each observation: drawn with this seed, or else the most probable one.
    pub(super) fn choose_many<'py>(
        &self,
        observations: &Bound<'py, PyAny>,
        masks: Option<&Bound<'py, PyAny>>,
        seed: Option<u64>,
        num_cores: Option<Cores>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = observations.py();
        let mut decisions: Vec<Decision> = self
            .chunks(observations, masks, self.encoder())?
            .into_iter()
            .map(|evaluated| Decision { evaluated, ..Decision::new(self.actions()) })
            .collect();
        let (executor, interrupt) = (Arc::clone(&self.executor), Interrupt::default());
        let heeded = interrupt.clone();
        let choice = if seed.is_some() { Choice::Sample } else { Choice::Greedy };
        let key = StreamKey::new(seed.unwrap_or_default(), Purpose::Act);
        let num_cores = num_cores.map(|cores| cores.0);
        let decisions = py.enter_interruptible(&interrupt, move || {
            let evaluator = Interruptible { evaluator: &*executor, interrupt: &heeded };
            let decide = |(chunk, decision): (usize, &mut Decision)| -> Result<()> {
                decision.evaluated.evaluate(&evaluator)?;
                // Of each chunk another stream, so that the number of threads does not matter.
                let mut draws = key.at(chunk as u64).stream();
                Ok(decision.choose(&evaluator, choice, &mut draws)?)
            };
            in_pool(num_cores, || {
                decisions.par_iter_mut().enumerate().try_for_each(decide)?;
                Ok::<_, Error>(decisions)
            })
        })?;
        let rows = decisions.iter().flat_map(|decision| {
            (0..decision.actions.len()).map(|row| self.action(py, decision.actions.row(row)))
        });
        let actions = PyList::new(py, rows.collect::<PyResult<Vec<_>>>()?)?;
        match self.codec.as_ref().filter(|_| self.declares()) {
            Some(codec) => codec.stack(actions),
            None if actions.get_item(0).is_ok_and(|first| first.is_instance_of::<PyTuple>()) => py
                .import("twisterl._internal.adapter.codec.actions")?
                .call_method1("columns", (actions,)),
            None => Ok(py.import("numpy")?.call_method1("array", (actions,))?),
        }
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
        self.push(&mut evaluation, observation, mask, self.encoder_of_one())?;
        py.attached(|| evaluation.evaluate_log_probs(&*self.executor))?;
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
        self.push(&mut decision.evaluated, observation, mask, self.encoder_of_one())?;
        observation.py().attached(|| decision.evaluated.evaluate(&*self.executor))?;
        Ok(decision)
    }

    /// Returns the rows of a batch with their masks, in chunks. Without an `encoder`, they are encoded already.
    fn chunks(
        &self,
        observations: &Bound<'_, PyAny>,
        masks: Option<&Bound<'_, PyAny>>,
        encoder: Option<&Codec>,
    ) -> PyResult<Vec<BatchedEvaluation>> {
        let py = observations.py();
        let whole = if encoder.is_some() { None } else { self.array(observations)? };
        let Some(array) = whole else {
            let stacked = encoder.map(|codec| codec.rows(observations)).transpose()?;
            let rows = match stacked.flatten() {
                Some(stacked) => stacked.iter().collect(),
                None => rows(observations, "observations")?,
            };
            let masks = self.mask_rows(py, masks, rows.len())?;
            let pairs: Vec<_> = rows.into_iter().zip(masks).enumerate().collect();
            return self.cut(&pairs, |chunk, (i, (row, mask))| {
                let named = encoder.map(|codec| (codec, format!("observations[{i}]")));
                self.push(chunk, row, mask.as_ref(), named)
            });
        };
        let given: Vec<&[f32]> = array.as_slice()?.chunks(size(py, self.space())?.max(1)).collect();
        let masks = self.mask_rows(py, masks, given.len())?;
        let pairs: Vec<_> = given.into_iter().zip(masks).collect();
        self.cut(&pairs, |chunk, (row, mask)| {
            push_values(py, &mut chunk.observations, row, self.space())?;
            push_mask(&mut chunk.masks, mask.as_ref(), self.actions(), self.codec.as_ref())
        })
    }

    /// Returns the masks of `count` rows.
    fn mask_rows<'py>(
        &self,
        py: Python<'py>,
        masks: Option<&Bound<'py, PyAny>>,
        count: usize,
    ) -> PyResult<Vec<Option<Bound<'py, PyAny>>>> {
        let Some(masks) = masks else { return Ok(vec![None; count]) };
        let masks = rows(masks, "masks")?;
        if masks.len() != count {
            let (expected, found) = (counted(count, "row"), masks.len().to_string());
            return Err(refuse(py, "ObservationError", "masks", &expected, &found));
        }
        Ok(masks.into_iter().map(Some).collect())
    }

    /// Adds an observation and its mask, read as those of the environment are. The codec encodes observations if they are
    /// not encoded, and calls them by this name in errors.
    fn push<'py>(
        &self,
        rows: &mut BatchedEvaluation,
        observation: &Bound<'py, PyAny>,
        mask: Option<&Bound<'py, PyAny>>,
        encoder: Option<(&Codec, String)>,
    ) -> PyResult<()> {
        let codec = self.codec.as_ref();
        let Some((encoder, name)) = encoder else {
            push_observation(&mut rows.observations, observation, self.space(), self.declares())?;
            return push_mask(&mut rows.masks, mask, self.actions(), codec);
        };
        let (encoded, within) = encoder.read(observation, &name)?;
        push_observation(&mut rows.observations, &encoded, self.space(), false)?;
        push_mask(&mut rows.masks, mask.or(within.as_ref()), self.actions(), codec)
    }

    /// Returns the codec where observations are not yet in the policy's form.
    fn encoder(&self) -> Option<&Codec> {
        self.codec.as_ref().filter(|codec| codec.encodes)
    }

    /// Returns the codec with the name of a single observation in errors.
    fn encoder_of_one(&self) -> Option<(&Codec, String)> {
        Some((self.encoder()?, "observation".into()))
    }

    /// Returns true if the environment says what arrays it observes.
    fn declares(&self) -> bool {
        self.policy.spaces.is_some()
    }

    /// Returns an action as the environment takes it.
    fn action<'py>(&self, py: Python<'py>, action: Action<'_>) -> PyResult<Bound<'py, PyAny>> {
        action_object(py, action, self.actions(), self.codec.as_ref())
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
        let Some(found) = shape_of(observations) else { return Ok(None) };
        let size = size(py, self.space())?;
        let fits = found.get(1..).is_some_and(|row| row == [size]) || {
            let shape = shape(py, self.space())?;
            found.get(1..).is_some_and(|row| row == shape)
        };
        // Masked entries are refused row by row.
        if !fits || is_masked(observations)? {
            return Ok(None);
        }
        let refuse_for = |expected: String| {
            refuse(py, "ObservationError", "observations", &expected, &kind(observations))
        };
        let refused = || refuse_for(format!("an array of numbers with rows of {size}"));
        let is_copied = plain_f32(observations).is_none();
        let count = found.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if is_copied && count.is_none_or(|count| count > MAX_COPIED) {
            return Err(refuse_for(format!("at most {MAX_COPIED} numbers at a time")));
        }
        let array = py
            .import("numpy")?
            .call_method1("ascontiguousarray", (observations, "float32"))
            .map_err(|_| refused())?
            .cast_into::<PyArrayDyn<f32>>()
            .map_err(|_| refused())?;
        readable(&array, "observations").map(Some)
    }
}

/// Returns the parameters of the distribution of each row of a batch, and the values.
fn parameters(
    evaluator: &dyn Evaluator,
    chunks: &[BatchedEvaluation],
) -> Result<(Vec<f32>, Vec<f32>)> {
    let evaluate = |chunk: &BatchedEvaluation| {
        let mut evaluation = Evaluation::default();
        evaluator.evaluate(&chunk.observations, &mut evaluation)?;
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
    evaluator: &dyn Evaluator,
    chunks: &mut [BatchedEvaluation],
    num_cores: Option<NumCores>,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let evaluate = |chunk: &mut BatchedEvaluation| chunk.evaluate_log_probs(evaluator);
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
