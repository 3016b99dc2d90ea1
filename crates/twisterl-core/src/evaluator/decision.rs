//! One decision for many environments: observe, evaluate, choose. Shared by rollouts and solving.

use crate::env::batch::VecEnv;
use crate::evaluator::distribution::Choice;
use crate::evaluator::{Evaluation, Evaluator};
use crate::rng::Draws;
use crate::space::symmetry::Canonical;
use crate::space::{ActionSpace, Actions, Observations};
use crate::{Error, Result};

/// The memory of a decision, reused from step to step. Row `i` is the `i`-th of the slots decided for.
#[derive(Debug, Clone)]
pub struct Decision {
    /// What was seen.
    pub observations: Observations,
    /// What was allowed, rows x mask width.
    pub masks: Vec<bool>,
    /// Action parameters, which choosing may overwrite, and values.
    pub evaluation: Evaluation,
    /// What was chosen, as the distribution samples it, in the frame of the observations that the evaluator saw.
    pub actions: Actions,
    /// What was chosen, as the environment takes it.
    pub moves: Actions,
    /// Log-probability, or log-density, of each.
    pub log_probs: Vec<f32>,
    mask_width: usize,
    canonical: Canonical,
}

impl Decision {
    /// Memory for decisions in `space`.
    pub fn new(space: &ActionSpace) -> Self {
        Self {
            observations: Observations::new(),
            masks: Vec::new(),
            evaluation: Evaluation::default(),
            actions: Actions::new(space),
            moves: Actions::new(space),
            log_probs: Vec::new(),
            mask_width: space.mask_width(),
            canonical: Canonical::default(),
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
        self.look(env, slots, evaluator)?;
        self.choose(evaluator, choice, draws)
    }

    /// Chooses an action for each row that was evaluated last.
    ///
    /// # Errors
    /// If what the evaluator said is not finite.
    pub fn choose(
        &mut self,
        evaluator: &dyn Evaluator,
        choice: Choice,
        draws: &mut dyn Draws,
    ) -> Result<()> {
        self.actions.clear();
        self.log_probs.clear();
        let distribution = evaluator.distribution();
        let (width, mask_width) = (distribution.width().max(1), self.mask_width);
        for (i, row) in self.evaluation.actions.chunks_exact_mut(width).enumerate() {
            let mask = self.masks.get(i * mask_width..(i + 1) * mask_width).unwrap_or(&[]);
            let log_prob = distribution.choose(row, mask, choice, draws.row(i), &mut self.actions);
            if !log_prob.is_finite() {
                return Err(Error::config("policy", "finite action parameters", log_prob));
            }
            self.log_probs.push(log_prob);
        }
        self.moves.clear();
        distribution.act(&self.actions, &mut self.moves);
        let twists = evaluator.twists();
        if !twists.is_empty() {
            for (row, choice) in self.moves.discrete.iter_mut().enumerate() {
                *choice = self.canonical.original(twists, row, *choice);
            }
        }
        Ok(())
    }

    /// Observes and evaluates `slots` without choosing.
    ///
    /// # Errors
    /// If the environment fails or its observations do not fit the evaluator.
    pub fn look(
        &mut self,
        env: &mut dyn VecEnv,
        slots: &[usize],
        evaluator: &dyn Evaluator,
    ) -> Result<()> {
        self.observations.clear();
        self.masks.clear();
        env.observe(slots, &mut self.observations, &mut self.masks)?;
        self.evaluate(evaluator)
    }

    /// Evaluates the rows in `observations` and `masks`.
    ///
    /// # Errors
    /// If they do not fit the evaluator.
    pub fn evaluate(&mut self, evaluator: &dyn Evaluator) -> Result<()> {
        let (distribution, moves) = (evaluator.distribution(), &self.moves);
        let found = (distribution.mask_width(), distribution.sample_widths());
        let wanted = (self.mask_width, moves.widths());
        if found != wanted || self.masks.len() != self.mask_width * self.observations.len() {
            let text = |(choices, (discrete, continuous))| {
                format!(
                    "{discrete} discrete ({choices} choices) and {continuous} continuous values"
                )
            };
            return Err(Error::config(
                "policy",
                format!("actions of {}", text(wanted)),
                text(found),
            ));
        }
        self.canonical.apply(evaluator.twists(), &mut self.observations, &mut self.masks);
        evaluator.evaluate(&self.observations, &mut self.evaluation)
    }

    /// Values of states seen before; `masks` as [`VecEnv::observe`] gave them.
    ///
    /// # Errors
    /// If an observation does not fit the evaluator.
    pub fn values(
        &mut self,
        observations: &mut Observations,
        masks: &mut [bool],
        evaluator: &dyn Evaluator,
    ) -> Result<&[f32]> {
        self.canonical.apply(evaluator.twists(), observations, masks);
        evaluator.evaluate(observations, &mut self.evaluation)?;
        Ok(&self.evaluation.values)
    }
}
