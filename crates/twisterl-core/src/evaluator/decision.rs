//! One decision for many environments: evaluate, then choose.

use crate::env::batch::VecEnv;
use crate::evaluator::Evaluator;
use crate::evaluator::batched::BatchedEvaluation;
use crate::evaluator::distribution::Choice;
use crate::rng::Draws;
use crate::space::{ActionSpace, Actions};
use crate::{Error, Result};

/// The actions chosen for one batch of states, whose memory is reused from step to step. Row `i` is the `i`-th of the
/// slots decided for.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The evaluation that the choice is based on. Choosing may overwrite its action parameters.
    pub evaluated: BatchedEvaluation,
    /// The chosen samples, in the frame of the evaluation.
    pub samples: Actions,
    /// The chosen actions, in the frame of the environment.
    pub actions: Actions,
    /// Log-probability, or log-density, of each sample, `[batch]`.
    pub log_probs: Vec<f32>,
}

impl Decision {
    /// Returns an empty decision for environments with actions of `space`.
    pub fn new(space: &ActionSpace) -> Self {
        Self {
            evaluated: BatchedEvaluation::new(space),
            samples: Actions::new(space),
            actions: Actions::new(space),
            log_probs: Vec::new(),
        }
    }

    /// Observes `slots` of `env`, evaluates them in one batch, and chooses an action for each.
    ///
    /// # Errors
    /// If the environment fails or its observations do not fit the evaluator.
    pub fn decide(
        &mut self,
        env: &mut dyn VecEnv,
        slots: &[usize],
        evaluator: &dyn Evaluator,
        choice: Choice,
        draws: &mut dyn Draws,
    ) -> Result<()> {
        self.evaluated.observe(env, slots)?;
        self.evaluated.evaluate(evaluator)?;
        self.choose(evaluator, choice, draws)
    }

    /// Chooses an action for each row that was evaluated last.
    ///
    /// # Errors
    /// If the action parameters are not finite.
    pub fn choose(
        &mut self,
        evaluator: &dyn Evaluator,
        choice: Choice,
        draws: &mut dyn Draws,
    ) -> Result<()> {
        self.samples.clear();
        self.log_probs.clear();
        let distribution = evaluator.distribution();
        let width = distribution.width();
        for row in 0..self.evaluated.observations.len() {
            let (parameters, mask) = self.evaluated.row_mut(row, width);
            let rng = draws.row(row);
            let log_prob = distribution.choose(parameters, mask, choice, rng, &mut self.samples);
            if !log_prob.is_finite() {
                return Err(Error::config("policy", "finite action parameters", log_prob));
            }
            self.log_probs.push(log_prob);
        }
        self.actions.clear();
        distribution.act(&self.samples, &mut self.actions);
        self.evaluated.to_environment(evaluator, &mut self.actions);
        Ok(())
    }
}
