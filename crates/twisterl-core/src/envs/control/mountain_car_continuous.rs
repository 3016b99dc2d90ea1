//! MountainCarContinuous-v0: the car in the valley with a continuous force, from -1 to 1.
//!
//! Reaching the position 0.45 at `goal_velocity` or faster is worth 100 and terminates; each step costs a tenth of
//! the square of its action. Gymnasium keeps and computes this state in f32, and so does this module.

use super::mountain_car::check_goal_velocity;
use super::{TimeLimit, read_state, time_limit};
use crate::Result;
use crate::env::{Environment, Step};
use crate::math::cos;
use crate::rng::Rng;
use crate::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

const MIN_POSITION: f32 = -1.2;
const MAX_POSITION: f32 = 0.6;
const MAX_SPEED: f32 = 0.07;
const GOAL: f32 = 0.45;
const POWER: f32 = 0.0015;
const GRAVITY: f64 = 0.0025;

const BOUNDS: [(&str, f64, f64); 2] = [
    ("position", MIN_POSITION as f64, MAX_POSITION as f64),
    ("speed", -MAX_SPEED as f64, MAX_SPEED as f64),
];

/// The parameters of [`MountainCarContinuous`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MountainCarContinuousParams {
    /// Steps after which an episode is truncated, 1 to a million.
    pub max_episode_steps: usize,
    /// The lowest speed at which the goal counts, -0.07 to 0.07.
    pub goal_velocity: f64,
}

impl Default for MountainCarContinuousParams {
    fn default() -> Self {
        Self { max_episode_steps: 999, goal_velocity: 0.0 }
    }
}

/// A car in a valley.
#[derive(Debug, Clone)]
pub struct MountainCarContinuous {
    position: f32,
    speed: f32,
    time: TimeLimit,
    goal_velocity: f32,
}

impl Environment for MountainCarContinuous {
    const NAME: &'static str = "MountainCarContinuous-v0";

    type Params = MountainCarContinuousParams;

    fn new(params: &Self::Params) -> Result<Self> {
        Ok(Self {
            position: -0.5,
            speed: 0.0,
            time: time_limit(params.max_episode_steps)?,
            goal_velocity: check_goal_velocity(params.goal_velocity)? as f32,
        })
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::Dense { shape: vec![2] }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::continuous(&[(-1.0, 1.0)])
    }

    fn reset(&mut self, rng: &mut Rng) {
        (self.position, self.speed) = (rng.random_range(-0.6f64..-0.4) as f32, 0.0);
        self.time.restart();
    }

    fn step(&mut self, action: Action<'_>) -> Step {
        let asked = action.value(0);
        let slope = GRAVITY * cos(f64::from(3.0 * self.position));
        let speed = self.speed + (asked.clamp(-1.0, 1.0) * POWER - slope as f32);
        self.speed = speed.clamp(-MAX_SPEED, MAX_SPEED);
        self.position = (self.position + self.speed).clamp(MIN_POSITION, MAX_POSITION);
        if self.position <= MIN_POSITION && self.speed < 0.0 {
            self.speed = 0.0;
        }
        let solved = self.solved();
        let effort = f64::from(asked) * f64::from(asked);
        let reward = if solved { 100.0 } else { 0.0 } - effort * 0.1;
        self.time.count(reward as f32, solved)
    }

    fn observe(&self, row: &mut ObservationRow<'_>) {
        row.values(&[self.position, self.speed]);
    }

    fn solved(&self) -> bool {
        self.position >= GOAL && self.speed >= self.goal_velocity
    }

    fn measures_success(&self) -> bool {
        true
    }

    fn state(&self, out: &mut Vec<f64>) {
        out.extend([self.position, self.speed].map(f64::from));
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        [self.position, self.speed] = read_state(state, &BOUNDS)?.map(|x| x as f32);
        self.time.restart();
        Ok(())
    }
}
