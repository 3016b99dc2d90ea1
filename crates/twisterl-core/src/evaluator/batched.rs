//! What a policy says of a batch of states, in the states' own frame.

use crate::env::batch::VecEnv;
use crate::evaluator::distribution::masked_log_softmax;
use crate::evaluator::{Evaluation, Evaluator};
use crate::space::symmetry::Canonical;
use crate::space::{ActionSpace, Observations};
use crate::{Error, Result};

/// The number of actions of a space that can be searched.
///
/// # Errors
/// If it is not a single discrete component.
pub fn action_count(space: &ActionSpace) -> Result<usize> {
    space.single_discrete().ok_or_else(|| {
        Error::config(
            "action_space",
            "one discrete component, which mcts, gumbel and beam search need",
            format!("{:?}", space.components()),
        )
    })
}

/// The memory of one batch of evaluations, reused from call to call.
#[derive(Debug, Clone)]
pub struct BatchedEvaluation {
    width: usize,
    /// What was seen.
    pub observations: Observations,
    /// What was allowed, rows x actions.
    pub masks: Vec<bool>,
    turned_masks: Vec<bool>,
    turned: Vec<f32>,
    evaluation: Evaluation,
    canonical: Canonical,
}

impl BatchedEvaluation {
    /// Memory for states with `width` actions.
    pub fn new(width: usize) -> Self {
        Self {
            width,
            observations: Observations::new(),
            masks: Vec::new(),
            turned_masks: Vec::new(),
            turned: Vec::new(),
            evaluation: Evaluation::default(),
            canonical: Canonical::default(),
        }
    }

    /// Looks at `slots` of `env`; row `i` is slot `i` of these.
    ///
    /// # Errors
    /// If the environment fails.
    pub fn observe(&mut self, env: &mut dyn VecEnv, slots: &[usize]) -> Result<()> {
        self.observations.clear();
        self.masks.clear();
        env.observe(slots, &mut self.observations, &mut self.masks)
    }

    /// Evaluates what was observed last; canonical policies turn the observations.
    ///
    /// # Errors
    /// If the rows do not fit the evaluator.
    pub fn evaluate(&mut self, evaluator: &dyn Evaluator) -> Result<()> {
        let width = self.width;
        let rows = self.observations.len();
        if evaluator.action_width() != width || self.masks.len() != rows * width {
            let found = evaluator.action_width();
            return Err(Error::config("policy", format!("{width} action outputs"), found));
        }
        let twists = evaluator.twists();
        if !twists.is_empty() {
            self.turned_masks.clone_from(&self.masks);
            self.canonical.apply(twists, &mut self.observations, &mut self.turned_masks);
        }
        evaluator.evaluate(&self.observations, &mut self.evaluation)?;
        let logits = self.evaluation.actions.chunks_exact_mut(width);
        for (row, (logits, mask)) in logits.zip(self.masks.chunks_exact(width)).enumerate() {
            if let Some(twist) = self.canonical.frame(twists, row) {
                self.turned.clear();
                self.turned.extend_from_slice(logits);
                for (logit, &image) in logits.iter_mut().zip(&twist.action) {
                    *logit = self.turned.get(image as usize).copied().unwrap_or(*logit);
                }
            }
            masked_log_softmax(logits, mask);
        }
        Ok(())
    }

    /// The log-probabilities of the actions in row `row`, negative infinity where they are masked.
    pub fn log_probs(&self, row: usize) -> &[f32] {
        self.evaluation.actions.get(row * self.width..(row + 1) * self.width).unwrap_or(&[])
    }

    /// The value of row `row`.
    pub fn value(&self, row: usize) -> f32 {
        self.evaluation.values.get(row).copied().unwrap_or(0.0)
    }
}
