//! Pendulum-v1: swing a pendulum up and keep it there, with a torque from -2 to 2.
//!
//! The state is the angle from upright (rad) and its speed (rad/s, within ±8). The observation, `[3]`, is the angle's cosine
//! and sine, and the speed. A step costs `angle^2 + 0.1 speed^2 + 0.001 torque^2` of the state that it leaves, with the
//! angle taken from -pi to pi. Episodes never terminate.

use super::{TimeLimit, read_state, time_limit};
use crate::Result;
use crate::env::{Environment, Step};
use crate::error::in_range;
use crate::math::{cos, sin};
use crate::rng::Rng;
use crate::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

const MAX_SPEED: f64 = 8.0;
const MAX_TORQUE: f32 = 2.0;
/// Seconds a step.
const DT: f64 = 0.05;
const MAX_GRAVITY: f64 = 1000.0;

/// Bounds of states. The angle is not wrapped: an episode of the longest time limit turns it by 400,000.
const BOUNDS: [(&str, f64, f64); 2] = [("angle", -1e6, 1e6), ("speed", -MAX_SPEED, MAX_SPEED)];

/// The parameters of [`Pendulum`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PendulumParams {
    /// Steps after which an episode is truncated, 1 to a million.
    pub max_episode_steps: usize,
    /// Acceleration of gravity (m/s^2), -1000 to 1000.
    pub g: f64,
}

impl Default for PendulumParams {
    fn default() -> Self {
        Self { max_episode_steps: 200, g: 10.0 }
    }
}

/// A pendulum of mass and length 1.
#[derive(Debug, Clone)]
pub struct Pendulum {
    angle: f64,
    speed: f64,
    time: TimeLimit,
    g: f64,
}

impl Environment for Pendulum {
    const NAME: &'static str = "Pendulum-v1";

    type Params = PendulumParams;

    fn new(params: &Self::Params) -> Result<Self> {
        let g = in_range("g", params.g, -MAX_GRAVITY..=MAX_GRAVITY)?;
        let time = time_limit(params.max_episode_steps)?;
        Ok(Self { angle: PI, speed: 0.0, time, g })
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::Dense { shape: vec![3] }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::continuous(&[(-MAX_TORQUE, MAX_TORQUE)])
    }

    fn reset(&mut self, rng: &mut Rng) {
        (self.angle, self.speed) = (rng.random_range(-PI..PI), rng.random_range(-1.0..1.0));
        self.time.restart();
    }

    fn step(&mut self, action: Action<'_>) -> Step {
        let torque = action.value(0).clamp(-MAX_TORQUE, MAX_TORQUE);
        let off = (self.angle + PI).rem_euclid(2.0 * PI) - PI;
        let effort = 0.001 * (torque * torque);
        let cost = off * off + 0.1 * (self.speed * self.speed) + f64::from(effort);
        let turning = 3.0 * self.g / 2.0 * sin(self.angle) + f64::from(3.0 * torque);
        self.speed = (self.speed + turning * DT).clamp(-MAX_SPEED, MAX_SPEED);
        self.angle += self.speed * DT;
        self.time.count(-cost as f32, false)
    }

    fn observe(&self, row: &mut ObservationRow<'_>) {
        row.values(&[cos(self.angle), sin(self.angle), self.speed].map(|x| x as f32));
    }

    fn state(&self, out: &mut Vec<f64>) {
        out.extend([self.angle, self.speed]);
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        [self.angle, self.speed] = read_state(state, &BOUNDS)?;
        self.time.restart();
        Ok(())
    }
}
