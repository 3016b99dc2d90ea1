//! CartPole-v1: keep a pole upright on a cart that is pushed left (0) or right (1).
//!
//! Barto, Sutton and Anderson, "Neuronlike adaptive elements that can solve difficult learning control problems"
//! (1983), with Gymnasium's numbers and its explicit Euler steps. The state, which is also the observation `[4]`, is the
//! cart's position (m) and speed (m/s), the pole's angle from upright (rad) and its speed (rad/s). Each step is worth 1.
//! The episode terminates when the pole leans by more than 12 degrees or the cart leaves the track of ±2.4 m.

use super::{TimeLimit, read_state, time_limit};
use crate::Result;
use crate::env::{Environment, Step};
use crate::math::{cos, sin};
use crate::rng::Rng;
use crate::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

const GRAVITY: f64 = 9.8;
const CART_MASS: f64 = 1.0;
const POLE_MASS: f64 = 0.1;
const TOTAL_MASS: f64 = POLE_MASS + CART_MASS;
/// Half the length of the pole.
const LENGTH: f64 = 0.5;
const POLE_MASS_LENGTH: f64 = POLE_MASS * LENGTH;
const FORCE: f64 = 10.0;
/// Seconds a step.
const TAU: f64 = 0.02;
const MAX_ANGLE: f64 = 12.0 * 2.0 * std::f64::consts::PI / 360.0;
const MAX_POSITION: f64 = 2.4;
/// Each number of the state begins within this distance of 0.
const START: f64 = 0.05;

/// Bounds of states, wider than any episode reaches.
const BOUNDS: [(&str, f64, f64); 4] = [
    ("position", -10.0, 10.0),
    ("speed", -100.0, 100.0),
    ("angle", -7.0, 7.0),
    ("angular speed", -100.0, 100.0),
];

/// The parameters of [`CartPole`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CartPoleParams {
    /// Steps after which an episode is truncated, 1 to a million.
    pub max_episode_steps: usize,
    /// Rewards of 0 a step and -1 for the step that fails, instead of 1 a step.
    pub sutton_barto_reward: bool,
}

impl Default for CartPoleParams {
    fn default() -> Self {
        Self { max_episode_steps: 500, sutton_barto_reward: false }
    }
}

/// A cart with a pole.
#[derive(Debug, Clone)]
pub struct CartPole {
    state: [f64; 4],
    time: TimeLimit,
    sutton_barto_reward: bool,
}

impl CartPole {
    fn failed(&self) -> bool {
        let [x, _, angle, _] = self.state;
        x.abs() > MAX_POSITION || angle.abs() > MAX_ANGLE
    }
}

impl Environment for CartPole {
    const NAME: &'static str = "CartPole-v1";

    type Params = CartPoleParams;

    fn new(params: &Self::Params) -> Result<Self> {
        Ok(Self {
            state: [0.0; 4],
            time: time_limit(params.max_episode_steps)?,
            sutton_barto_reward: params.sutton_barto_reward,
        })
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::Dense { shape: vec![4] }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::discrete(2)
    }

    fn reset(&mut self, rng: &mut Rng) {
        self.state = std::array::from_fn(|_| rng.random_range(-START..START));
        self.time.restart();
    }

    fn step(&mut self, action: Action<'_>) -> Step {
        let [x, speed, angle, spin] = self.state;
        let force = [-FORCE, FORCE][action.index()];
        let (sin, cos) = (sin(angle), cos(angle));
        let push = (force + POLE_MASS_LENGTH * (spin * spin) * sin) / TOTAL_MASS;
        let turning = (GRAVITY * sin - cos * push)
            / (LENGTH * (4.0 / 3.0 - POLE_MASS * (cos * cos) / TOTAL_MASS));
        let pushing = push - POLE_MASS_LENGTH * turning * cos / TOTAL_MASS;
        self.state =
            [x + TAU * speed, speed + TAU * pushing, angle + TAU * spin, spin + TAU * turning];
        let failed = self.failed();
        let reward = match (self.sutton_barto_reward, failed) {
            (false, _) => 1.0,
            (true, false) => 0.0,
            (true, true) => -1.0,
        };
        self.time.count(reward, failed)
    }

    fn observe(&self, row: &mut ObservationRow<'_>) {
        row.values(&self.state.map(|x| x as f32));
    }

    fn state(&self, out: &mut Vec<f64>) {
        out.extend(self.state);
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        self.state = read_state(state, &BOUNDS)?;
        self.time.restart();
        Ok(())
    }

    fn action_name(&self, action: Action<'_>) -> String {
        ["left", "right"][action.index()].into()
    }
}
