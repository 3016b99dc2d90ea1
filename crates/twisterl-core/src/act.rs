//! One decision for many environments: observe, evaluate, choose. Shared by rollouts and solving.

use crate::batch::VecEnv;
use crate::evaluator::{Evaluation, Evaluator};
use crate::policy::distribution::{argmax, masked_softmax, sample};
use crate::rng::Draws;
use crate::space::{ActionComponent, ActionSpace, Actions, Observations};
use crate::symmetry::Canonical;
use crate::{Error, Result};

/// How an action is taken from its distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The most probable one, the first among equals.
    Greedy,
    /// One drawn from the distribution.
    Sample,
}

/// The memory of a decision, reused from step to step. Row `i` is the `i`-th of the slots decided for.
#[derive(Debug, Clone)]
pub struct Decision {
    /// What was seen.
    pub observations: Observations,
    /// What was allowed, rows x mask width.
    pub masks: Vec<bool>,
    /// Action distribution (masked probabilities) and values.
    pub evaluation: Evaluation,
    /// What was chosen, in the frame of the observations that the evaluator saw.
    pub actions: Actions,
    /// What was chosen, as the environment takes it.
    pub moves: Actions,
    /// Log-probability of each choice.
    pub log_probs: Vec<f32>,
    choices: Vec<usize>,
    canonical: Canonical,
}

impl Decision {
    /// Memory for decisions in `space`.
    ///
    /// # Errors
    /// If the space has continuous components, which no distribution here covers yet.
    pub fn new(space: &ActionSpace) -> Result<Self> {
        let choices = space
            .components()
            .iter()
            .map(|c| match c {
                ActionComponent::Discrete { n } => Ok(*n),
                ActionComponent::Continuous { .. } => Err(Error::config(
                    "action_space",
                    "discrete components (continuous actions cannot be trained or played yet)",
                    "a continuous one",
                )),
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            observations: Observations::new(),
            masks: Vec::new(),
            evaluation: Evaluation::default(),
            actions: Actions::new(space),
            moves: Actions::new(space),
            log_probs: Vec::new(),
            choices,
            canonical: Canonical::default(),
        })
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
        self.actions.clear();
        self.log_probs.clear();
        let width = evaluator.action_width().max(1);
        let rows = self.evaluation.actions.chunks_exact_mut(width).zip(self.masks.chunks(width));
        for (row, (mut logits, mut mask)) in rows.enumerate() {
            let mut log_prob = 0.0;
            for &n in &self.choices {
                let (component, rest) = logits.split_at_mut(n);
                let (allowed, rest_mask) = mask.split_at(n);
                masked_softmax(component, allowed);
                let action = match choice {
                    Choice::Greedy => argmax(component),
                    Choice::Sample => sample(component, draws.row(row)),
                };
                log_prob += component[action].max(f32::MIN_POSITIVE).ln();
                self.actions.discrete.push(action as u32);
                (logits, mask) = (rest, rest_mask);
            }
            self.log_probs.push(log_prob);
        }
        self.moves.clear();
        let twists = evaluator.twists();
        let moves = self.actions.discrete.iter().enumerate();
        self.moves.discrete.extend(moves.map(|(row, &a)| self.canonical.original(twists, row, a)));
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
        let width: usize = self.choices.iter().sum();
        if evaluator.action_width() != width || self.masks.len() != width * slots.len() {
            return Err(Error::config(
                "policy",
                format!("{width} action outputs"),
                evaluator.action_width(),
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
