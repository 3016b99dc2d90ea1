//! Evaluations without JSON: numbers in, numbers out.

use super::Agent;
use twisterl_core::env::Start;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::evaluator::Evaluation;
use twisterl_core::evaluator::batched::BatchedEvaluation;
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::space::Observations;
use twisterl_core::{Error, Result};

/// Evaluates states and observations, one at a time, in memory that is reused. The results have the bits of the call
/// `evaluate`.
#[derive(Default)]
pub(crate) struct Numbers {
    playing: Option<(Box<dyn VecEnv>, BatchedEvaluation)>,
    mask: Vec<bool>,
    observations: Observations,
    evaluation: Evaluation,
    values: Vec<f32>,
}

/// The results of an evaluation.
#[derive(Debug, PartialEq)]
pub(crate) struct Outputs<'a> {
    /// The outputs of the policy.
    pub(crate) logits: &'a [f32],
    /// The value.
    pub(crate) value: f32,
    /// The choices that are allowed; none of an observation, of which nothing is known about them.
    pub(crate) mask: &'a [bool],
}

impl Numbers {
    /// Evaluates a state.
    ///
    /// # Errors
    /// If the bundle has no environment, or it refuses the state.
    pub(crate) fn state(&mut self, agent: &Agent, state: &[f64]) -> Result<Outputs<'_>> {
        let playing = match self.playing.take() {
            Some(playing) => playing,
            None => {
                let (spec, evaluator) = (agent.env()?, agent.evaluator());
                let env = spec.play_batch(1, evaluator.backtracking())?;
                (env, BatchedEvaluation::new(&spec.action_space()))
            }
        };
        let (env, evaluated) = self.playing.insert(playing);
        let mut rng = StreamKey::new(0, Purpose::Solve).stream();
        env.begin(0, Start::State { state, difficulty: None }, &mut rng)?;
        evaluated.observe(&mut **env, &[0])?;
        self.mask.clone_from(&evaluated.masks);
        evaluated.evaluate(agent.evaluator())?;
        let (logits, value) = (evaluated.parameters(), evaluated.value(0));
        Ok(Outputs { logits, value, mask: &self.mask })
    }

    /// Evaluates an observation, given by the number of each of its places: 0 or 1 for its bits, then its values.
    ///
    /// # Errors
    /// If there are more or fewer numbers than places, or one of a bit is neither 0 nor 1.
    pub(crate) fn observation(&mut self, agent: &Agent, numbers: &[f64]) -> Result<Outputs<'_>> {
        let space = &agent.header.network.observation;
        let size = space.size().unwrap_or(0);
        let split = space.bits().and_then(|bits| numbers.split_at_checked(bits));
        let Some((bits, values)) = split.filter(|_| numbers.len() == size) else {
            return Err(Error::observation(format!("{size} numbers"), numbers.len()));
        };
        if let Some(other) = bits.iter().find(|&&bit| bit != 0.0 && bit != 1.0) {
            return Err(Error::observation("0 or 1 for each bit", other));
        }
        self.values.clear();
        self.values.extend(values.iter().map(|&value| value as f32));
        self.observations.clear();
        self.observations.push_with(|row| {
            row.ones(bits.iter().enumerate().filter(|(_, bit)| **bit == 1.0).map(|(i, _)| i));
            row.values(&self.values);
        });
        self.observations.check(space)?;
        agent.evaluator().evaluate(&self.observations, &mut self.evaluation)?;
        let value = self.evaluation.values.first().copied().unwrap_or_default();
        Ok(Outputs { logits: &self.evaluation.actions, value, mask: &[] })
    }
}
