//! The transitions of a rollout, and their advantages.

use crate::env::Step;
use crate::space::{ActionSpace, Actions, ObservationSpace, Observations};
use crate::{Error, Result};

/// A finished episode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Episode {
    /// The difficulty of the scramble that it began with, `None` for other starts.
    pub difficulty: Option<usize>,
    /// The number of steps.
    pub length: usize,
    /// Undiscounted sum of rewards.
    pub total: f32,
    /// True if its last state is solved.
    pub solved: bool,
}

/// The transitions of one group, as a structure of arrays. Rows are transitions in order of time. Memory is reused.
#[derive(Debug, Clone)]
pub struct Trajectory {
    /// The observations before each action, in the frame in which the policy sees them.
    pub observations: Observations,
    /// The allowed choices, `[rows, mask width]`.
    pub masks: Vec<bool>,
    /// The samples of the actions, in the frame of the observations.
    pub actions: Actions,
    /// The log-probabilities of the samples, `[rows]`.
    pub log_probs: Vec<f32>,
    /// The values of the observations, `[rows]`.
    pub values: Vec<f32>,
    /// The results of the actions, `[rows]`.
    pub steps: Vec<Step>,
    /// The slot of each row, `[rows]`.
    pub slots: Vec<u32>,
    /// The value of the state after a truncated row, 0 for other rows, `[rows]`.
    pub cut_values: Vec<f32>,
    /// The value of the last state of each slot, 0 if its episode is over, `[slots]`.
    pub last_values: Vec<f32>,
    /// The finished episodes, in order of time.
    pub episodes: Vec<Episode>,
}

impl Trajectory {
    /// Returns an empty trajectory for actions of `space`.
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

    /// Returns the number of transitions.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Returns true if there are no transitions.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Checks that all rows are there, and that they fit the spaces and the number of slots.
    ///
    /// # Errors
    /// Names what does not fit.
    pub fn check(
        &self,
        observation: &ObservationSpace,
        space: &ActionSpace,
        slots: usize,
    ) -> Result<()> {
        let rows = self.steps.len();
        for (name, found, expected) in [
            ("observations", self.observations.len(), rows),
            ("choices of masks", self.masks.len(), rows * space.mask_width()),
            ("discrete values", self.actions.discrete.len(), rows * space.discrete_width()),
            ("continuous values", self.actions.continuous.len(), rows * space.continuous_width()),
            ("log-probabilities", self.log_probs.len(), rows),
            ("values", self.values.len(), rows),
            ("slots", self.slots.len(), rows),
            ("values of cut episodes", self.cut_values.len(), rows),
            ("last values", self.last_values.len(), slots),
        ] {
            if found != expected {
                let expected = format!("{expected} {name} of {rows} transitions");
                return Err(Error::state(expected, found));
            }
        }
        if let Some(slot) = self.slots.iter().find(|&&slot| slot as usize >= slots) {
            return Err(Error::state(format!("slots below {slots}"), slot));
        }
        self.observations.check(observation)?;
        (0..rows).try_for_each(|row| space.check(self.actions.row(row)))
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

    /// Appends advantages and lambda-returns, `[rows]`, by generalised advantage estimation (Schulman et al. 2016, eq. 16):
    /// `delta_t = r_t + gamma V(s_t+1) - V(s_t)`, `A_t = delta_t + gamma lambda A_t+1`, return `A_t + V(s_t)`. The value after
    /// a terminated row is 0; truncated rows, and the last row of each slot, bootstrap from the value of the state reached.
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
        // Value and advantage of the next row of each slot.
        let mut next: Vec<(f32, f32)> = self.last_values.iter().map(|&v| (v, 0.0)).collect();
        let rows = self.steps.iter().zip(&self.slots).zip(&self.values).zip(&self.cut_values);
        for ((((step, &slot), &value), &cut), (advantage, ret)) in rows.zip(out).rev() {
            let next = &mut next[slot as usize];
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
