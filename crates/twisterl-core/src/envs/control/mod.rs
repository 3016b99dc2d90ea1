//! The classic control problems of Gymnasium, under its names and with its dynamics: from equal states, equal actions
//! give equal observations, rewards and ends, up to the rounding of sines and cosines (`tests/test_control.py`).
//!
//! Dynamics are computed in f64 and observed in f32, as in Gymnasium; where Gymnasium computes in f32, so does this module.
//! A time limit truncates, unless the same step terminates. Continuous actions beyond their bounds count as the bound.
//! The state of an environment is the state of its dynamics: an episode that begins at a state has the whole time limit.

mod acrobot;
mod cart_pole;
mod mountain_car;
mod mountain_car_continuous;
mod pendulum;

pub use acrobot::{Acrobot, AcrobotParams};
pub use cart_pole::{CartPole, CartPoleParams};
pub use mountain_car::{MountainCar, MountainCarParams};
pub use mountain_car_continuous::{MountainCarContinuous, MountainCarContinuousParams};
pub use pendulum::{Pendulum, PendulumParams};

use super::time_limit::TimeLimit;
use crate::{Error, Result};

/// Returns the time limit that configs give as `max_episode_steps`.
fn time_limit(max_episode_steps: usize) -> Result<TimeLimit> {
    TimeLimit::new("max_episode_steps", max_episode_steps)
}

/// Reads a state, each number within its `(name, low, high)`.
fn read_state<const N: usize>(numbers: &[f64], bounds: &[(&str, f64, f64); N]) -> Result<[f64; N]> {
    let Ok(state) = <[f64; N]>::try_from(numbers) else {
        let names = bounds.map(|(name, ..)| name).join(", ");
        return Err(Error::state(format!("{N} numbers: {names}"), numbers.len()));
    };
    for (value, (name, low, high)) in state.iter().zip(bounds) {
        if !(low..=high).contains(&value) {
            return Err(Error::state(format!("{name} from {low} to {high}"), value));
        }
    }
    Ok(state)
}
