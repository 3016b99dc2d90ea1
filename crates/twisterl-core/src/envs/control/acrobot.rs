//! Acrobot-v1: swing the tip of a double pendulum up, with a motor in the joint between its links.
//!
//! Sutton, "Generalization in reinforcement learning: successful examples using sparse coarse coding" (1996), with the
//! equations of Sutton and Barto's book and one step of the classical Runge-Kutta method of order 4, as in Gymnasium.
//!
//! The state is the angle of the first link from hanging, the angle of the second link from the first (rad, within ±pi),
//! and their speeds (rad/s). The observation, `[6]`, is the cosine and the sine of each angle, and the speeds. Actions 0, 1
//! and 2 are torques of -1, 0 and 1. Each step costs 1, except the one that brings the tip a link's length above the fixed
//! end and terminates the episode.

use super::{TimeLimit, read_state, time_limit};
use crate::Result;
use crate::env::{Environment, Step};
use crate::math::{cos, sin};
use crate::rng::Rng;
use crate::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Seconds a step.
const DT: f64 = 0.2;
/// Mass, length, distance of the centre of mass and moment of inertia of each link.
const MASS: f64 = 1.0;
const LENGTH: f64 = 1.0;
const CENTRE: f64 = 0.5;
const INERTIA: f64 = 1.0;
const GRAVITY: f64 = 9.8;
const MAX_SPEED_1: f64 = 4.0 * PI;
const MAX_SPEED_2: f64 = 9.0 * PI;
/// Each number of the state begins within this distance of 0.
const START: f64 = 0.1;

const BOUNDS: [(&str, f64, f64); 4] = [
    ("first angle", -PI, PI),
    ("second angle", -PI, PI),
    ("first speed", -MAX_SPEED_1, MAX_SPEED_1),
    ("second speed", -MAX_SPEED_2, MAX_SPEED_2),
];

/// The parameters of [`Acrobot`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AcrobotParams {
    /// Steps after which an episode is truncated, 1 to a million.
    pub max_episode_steps: usize,
}

impl Default for AcrobotParams {
    fn default() -> Self {
        Self { max_episode_steps: 500 }
    }
}

/// A double pendulum.
#[derive(Debug, Clone)]
pub struct Acrobot {
    state: [f64; 4],
    time: TimeLimit,
}

impl Environment for Acrobot {
    const NAME: &'static str = "Acrobot-v1";

    type Params = AcrobotParams;

    fn new(params: &Self::Params) -> Result<Self> {
        Ok(Self { state: [0.0; 4], time: time_limit(params.max_episode_steps)? })
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::Dense { shape: vec![6] }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::discrete(3)
    }

    fn reset(&mut self, rng: &mut Rng) {
        // Gymnasium rounds the first state to f32.
        self.state = std::array::from_fn(|_| f64::from(rng.random_range(-START..START) as f32));
        self.time.restart();
    }

    fn step(&mut self, action: Action<'_>) -> Step {
        let torque = [-1.0, 0.0, 1.0][action.index()];
        let [a, b, u, v] = runge_kutta(self.state, |state| derivative(state, torque));
        self.state = [
            wrap(a),
            wrap(b),
            u.clamp(-MAX_SPEED_1, MAX_SPEED_1),
            v.clamp(-MAX_SPEED_2, MAX_SPEED_2),
        ];
        let solved = self.solved();
        self.time.count(if solved { 0.0 } else { -1.0 }, solved)
    }

    fn observe(&self, row: &mut ObservationRow<'_>) {
        let [a, b, u, v] = self.state;
        row.values(&[cos(a), sin(a), cos(b), sin(b), u, v].map(|x| x as f32));
    }

    fn solved(&self) -> bool {
        let [a, b, ..] = self.state;
        -cos(a) - cos(b + a) > 1.0
    }

    fn measures_success(&self) -> bool {
        true
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
        ["-1", "0", "+1"][action.index()].into()
    }
}

/// Returns the derivative of the state with respect to time.
fn derivative([theta1, theta2, dtheta1, dtheta2]: [f64; 4], torque: f64) -> [f64; 4] {
    let (m, l, lc, i, g) = (MASS, LENGTH, CENTRE, INERTIA, GRAVITY);
    let (sin2, cos2) = (sin(theta2), cos(theta2));
    let d1 = m * (lc * lc) + m * (l * l + lc * lc + 2.0 * l * lc * cos2) + i + i;
    let d2 = m * (lc * lc + l * lc * cos2) + i;
    let phi2 = m * lc * g * cos(theta1 + theta2 - PI / 2.0);
    let phi1 = -m * l * lc * (dtheta2 * dtheta2) * sin2
        - 2.0 * m * l * lc * dtheta2 * dtheta1 * sin2
        + (m * lc + m * l) * g * cos(theta1 - PI / 2.0)
        + phi2;
    let turning = torque + d2 / d1 * phi1 - m * l * lc * (dtheta1 * dtheta1) * sin2 - phi2;
    let ddtheta2 = turning / (m * (lc * lc) + i - d2 * d2 / d1);
    let ddtheta1 = -(d2 * ddtheta2 + phi1) / d1;
    [dtheta1, dtheta2, ddtheta1, ddtheta2]
}

/// Returns the state one step of [`DT`] after `y`, by the classical Runge-Kutta method of order 4.
fn runge_kutta(y: [f64; 4], f: impl Fn([f64; 4]) -> [f64; 4]) -> [f64; 4] {
    let ahead = |step: f64, slope: [f64; 4]| std::array::from_fn(|i| y[i] + step * slope[i]);
    let k1 = f(y);
    let k2 = f(ahead(DT / 2.0, k1));
    let k3 = f(ahead(DT / 2.0, k2));
    let k4 = f(ahead(DT, k3));
    std::array::from_fn(|i| y[i] + DT / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]))
}

/// Returns an angle within ±pi. At the greatest speed a step turns by less than two circles.
fn wrap(mut angle: f64) -> f64 {
    while angle > PI {
        angle -= 2.0 * PI;
    }
    while angle < -PI {
        angle += 2.0 * PI;
    }
    angle
}
