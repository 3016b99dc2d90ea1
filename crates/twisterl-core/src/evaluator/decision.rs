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
    /// If the environment fails or allows no action, or its observations do not fit the evaluator.
    pub fn decide(
        &mut self,
        env: &mut dyn VecEnv,
        slots: &[usize],
        evaluator: &dyn Evaluator,
        choice: Choice,
        draws: &mut dyn Draws,
    ) -> Result<()> {
        self.evaluated.observe(env, slots)?;
        self.evaluated.check_choices(env, slots, |_| true)?;
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
                return Err(Error::non_finite(
                    "log-probability of an action of the policy",
                    log_prob,
                ));
            }
            self.log_probs.push(log_prob);
        }
        self.actions.clear();
        distribution.act(&self.samples, &mut self.actions);
        self.evaluated.to_environment(evaluator, &mut self.actions);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::env::Start;
    use crate::envs::registry::Registry;
    use crate::evaluator::distribution::ActionDistribution;
    use crate::evaluator::{Evaluation, Mock};
    use crate::rng::{Purpose, stream};
    use crate::space::Observations;
    use serde_json::json;

    /// Decides for one puzzle.
    fn decide(evaluator: &dyn Evaluator, choice: Choice) -> Result<()> {
        let spec = Registry::default().make("Puzzle", &json!({})).unwrap();
        let (mut env, mut rng) = (spec.batch(1), stream(0, Purpose::Act, 0, 0));
        env.begin(0, Start::Scramble { difficulty: 3 }, &mut rng).unwrap();
        Decision::new(&spec.action_space()).decide(&mut *env, &[0], evaluator, choice, &mut rng)
    }

    #[test]
    fn logits_that_are_not_finite_are_an_error() {
        for bad in [f32::NAN, f32::INFINITY] {
            for action in 0..4 {
                let mock = Mock::new(4, move |_: &[u32], _: &[f32], logits: &mut [f32]| {
                    (logits[action], logits[3 - action]) = (bad, bad);
                    0.0
                });
                for choice in [Choice::Greedy, Choice::Sample] {
                    let error = decide(&mock, choice).unwrap_err();
                    assert!(matches!(error, Error::NonFinite { .. }), "{bad} {error}");
                }
            }
        }
    }

    #[test]
    fn policies_that_do_not_fit_the_environment_are_refused() {
        let error = decide(&Mock::uniform(5), Choice::Greedy).unwrap_err().to_string();
        let expected = "policy: expected actions of 1 discrete (4 choices)";
        assert!(error.starts_with(expected), "{error}");
    }

    /// An evaluator that forgets its rows.
    struct Forgetful(ActionDistribution);

    impl Evaluator for Forgetful {
        fn distribution(&self) -> &ActionDistribution {
            &self.0
        }

        fn evaluate(&self, _: &Observations, out: &mut Evaluation) -> Result<()> {
            out.actions.clear();
            out.values.clear();
            Ok(())
        }
    }

    #[test]
    fn evaluators_that_return_too_few_rows_are_an_internal_error() {
        let forgetful = Forgetful(ActionDistribution::categorical(4));
        let error = decide(&forgetful, Choice::Greedy).unwrap_err();
        assert!(matches!(error, Error::Internal { .. }), "{error}");
    }
}
