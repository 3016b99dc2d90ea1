//! An environment whose episodes all begin where another one is.

use crate::rl::env::Env;
use std::any::Any;

/// An environment that a reset, or a state without numbers, takes back to the point of the episode at which it was made, with
/// the budget that was left.
#[derive(Clone)]
pub struct Here {
    start: Box<dyn Env>,
    env: Box<dyn Env>,
}

impl Here {
    /// Returns an environment whose episodes begin where `env` is.
    pub fn new(env: Box<dyn Env>) -> Self {
        Self { start: env.clone(), env }
    }
}

impl Env for Here {
    fn as_any(&self) -> &dyn Any {
        self.env.as_any()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self.env.as_any_mut()
    }

    fn num_actions(&self) -> usize {
        self.env.num_actions()
    }

    fn obs_shape(&self) -> Vec<usize> {
        self.env.obs_shape()
    }

    fn get_difficulty(&self) -> usize {
        self.env.get_difficulty()
    }

    fn set_state(&mut self, state: Vec<i64>) {
        if state.is_empty() {
            self.reset();
        } else {
            self.env.set_state(state);
        }
    }

    fn reset(&mut self) {
        self.env = self.start.clone();
    }

    fn step(&mut self, action: usize) {
        self.env.step(action);
    }

    fn masks(&self) -> Vec<bool> {
        self.env.masks()
    }

    fn is_final(&self) -> bool {
        self.env.is_final()
    }

    fn success(&self) -> bool {
        self.env.success()
    }

    fn reward(&self) -> f32 {
        self.env.reward()
    }

    fn observe(&self) -> Vec<usize> {
        self.env.observe()
    }

    fn twists(&self) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        self.env.twists()
    }

    fn track_solution(&self) -> bool {
        self.env.track_solution()
    }

    fn solution(&self) -> Vec<usize> {
        self.env.solution()
    }
}
