//! The transitions that a rollout gathers, and what they are worth.

use crate::env::Step;
use crate::space::{ActionSpace, Actions, Observations};

/// A finished episode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Episode {
    /// The difficulty, if it began with a scramble.
    pub difficulty: Option<usize>,
    /// Steps.
    pub length: usize,
    /// Undiscounted sum of rewards.
    pub total: f32,
    /// Whether it ended solved.
    pub solved: bool,
}

/// The transitions of one group, structure of arrays, rows in order of time. Memory is reused.
#[derive(Debug, Clone)]
pub struct Trajectory {
    /// What was seen before each action.
    pub observations: Observations,
    /// What was allowed, rows x mask width.
    pub masks: Vec<bool>,
    /// What was done.
    pub actions: Actions,
    /// Its log-probability.
    pub log_probs: Vec<f32>,
    /// The value seen before it.
    pub values: Vec<f32>,
    /// What it gave.
    pub steps: Vec<Step>,
    /// The slot of each row.
    pub slots: Vec<u32>,
    /// Value of the state that a truncated row led to; 0 for all other rows.
    pub cut_values: Vec<f32>,
    /// Value of the state in which each slot stands at the end; 0 where its episode is over.
    pub last_values: Vec<f32>,
    /// The episodes that ended, in order of time.
    pub episodes: Vec<Episode>,
}

impl Trajectory {
    /// An empty one, for actions of `space`.
    pub fn new(space: &ActionSpace) -> Self {
        Self {
            observations: Observations::new(),
            masks: Vec::new(),
            actions: Actions::new(space),
            log_probs: Vec::new(),
            values: Vec::new(),
            steps: Vec::new(),
            slots: Vec::new(),
            cut_values: Vec::new(),
            last_values: Vec::new(),
            episodes: Vec::new(),
        }
    }

    /// The number of transitions.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.observations.clear();
        self.masks.clear();
        self.actions.clear();
        self.log_probs.clear();
        self.values.clear();
        self.steps.clear();
        self.slots.clear();
        self.cut_values.clear();
        self.last_values.clear();
        self.episodes.clear();
    }

    /// Lambda-returns and advantages by generalised advantage estimation (Schulman et al. 2016, eq. 16), appended
    /// row by row: `delta_t = r_t + gamma V(s_t+1) - V(s_t)`, `A_t = delta_t + gamma lambda A_t+1`, return `A_t + V(s_t)`.
    /// A terminated row has no successor; a truncated one, and the last of a slot, bootstrap from the value reached.
    pub fn advantages(
        &self,
        gamma: f32,
        lambda: f32,
        advantages: &mut Vec<f32>,
        returns: &mut Vec<f32>,
    ) {
        let first = advantages.len();
        advantages.resize(first + self.len(), 0.0);
        returns.resize(first + self.len(), 0.0);
        let out = advantages[first..].iter_mut().zip(&mut returns[first..]);
        // What follows in each slot: (value, advantage) of its next row.
        let mut next: Vec<(f32, f32)> = self.last_values.iter().map(|&v| (v, 0.0)).collect();
        let rows = self.steps.iter().zip(&self.slots).zip(&self.values).zip(&self.cut_values);
        for ((((step, &slot), &value), &cut), (advantage, ret)) in rows.zip(out).rev() {
            let Some(next) = next.get_mut(slot as usize) else { continue };
            let (next_value, next_advantage) = match step {
                Step { terminated: true, .. } => (0.0, 0.0),
                Step { truncated: true, .. } => (cut, 0.0),
                _ => *next,
            };
            *advantage = step.reward + gamma * (next_value + lambda * next_advantage) - value;
            *ret = *advantage + value;
            *next = (value, *advantage);
        }
    }
}
