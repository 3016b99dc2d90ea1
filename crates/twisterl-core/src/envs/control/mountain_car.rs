//! MountainCar-v0: rock a car that is too weak out of a valley.
//!
//! Moore, "Efficient memory-based learning for robot control" (1990), with Gymnasium's numbers. The state, which is also
//! the observation `[2]`, is position and speed. Actions 0, 1 and 2 push left, not at all, and right. Each step costs 1. The
//! episode terminates when the car reaches the position 0.5 at `goal_velocity` or faster.

use super::{TimeLimit, read_state, time_limit};
use crate::Result;
use crate::env::{Environment, Step};
use crate::error::in_range;
use crate::math::cos;
use crate::rng::Rng;
use crate::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

const MIN_POSITION: f64 = -1.2;
const MAX_POSITION: f64 = 0.6;
const MAX_SPEED: f64 = 0.07;
const GOAL: f64 = 0.5;
const FORCE: f64 = 0.001;
const GRAVITY: f64 = 0.0025;

const BOUNDS: [(&str, f64, f64); 2] =
    [("position", MIN_POSITION, MAX_POSITION), ("speed", -MAX_SPEED, MAX_SPEED)];

/// The parameters of [`MountainCar`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MountainCarParams {
    /// Steps after which an episode is truncated, 1 to a million.
    pub max_episode_steps: usize,
    /// The lowest speed at which the goal counts, -0.07 to 0.07.
    pub goal_velocity: f64,
}

impl Default for MountainCarParams {
    fn default() -> Self {
        Self { max_episode_steps: 200, goal_velocity: 0.0 }
    }
}

/// A car in a valley.
#[derive(Debug, Clone)]
pub struct MountainCar {
    position: f64,
    speed: f64,
    time: TimeLimit,
    goal_velocity: f64,
}

/// Returns `speed` if it is a possible speed at the goal.
pub(super) fn check_goal_velocity(speed: f64) -> Result<f64> {
    in_range("goal_velocity", speed, -MAX_SPEED..=MAX_SPEED)
}

impl Environment for MountainCar {
    const NAME: &'static str = "MountainCar-v0";

    type Params = MountainCarParams;

    fn new(params: &Self::Params) -> Result<Self> {
        Ok(Self {
            position: -0.5,
            speed: 0.0,
            time: time_limit(params.max_episode_steps)?,
            goal_velocity: check_goal_velocity(params.goal_velocity)?,
        })
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::Dense { shape: vec![2] }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::discrete(3)
    }

    fn reset(&mut self, rng: &mut Rng) {
        (self.position, self.speed) = (rng.random_range(-0.6..-0.4), 0.0);
        self.time.restart();
    }

    fn step(&mut self, action: Action<'_>) -> Step {
        let push = [-1.0, 0.0, 1.0][action.index()] * FORCE;
        let speed = self.speed + (push + cos(3.0 * self.position) * -GRAVITY);
        self.speed = speed.clamp(-MAX_SPEED, MAX_SPEED);
        self.position = (self.position + self.speed).clamp(MIN_POSITION, MAX_POSITION);
        if self.position <= MIN_POSITION && self.speed < 0.0 {
            self.speed = 0.0;
        }
        self.time.count(-1.0, self.solved())
    }

    fn observe(&self, row: &mut ObservationRow<'_>) {
        row.values(&[self.position as f32, self.speed as f32]);
    }

    fn solved(&self) -> bool {
        self.position >= GOAL && self.speed >= self.goal_velocity
    }

    fn measures_success(&self) -> bool {
        true
    }

    fn state(&self, out: &mut Vec<f64>) {
        out.extend([self.position, self.speed]);
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        [self.position, self.speed] = read_state(state, &BOUNDS)?;
        self.time.restart();
        Ok(())
    }

    fn action_name(&self, action: Action<'_>) -> String {
        ["left", "none", "right"][action.index()].into()
    }
}
