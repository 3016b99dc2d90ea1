//! The classic control problems of Gymnasium, under its names and with its dynamics: from equal states, equal actions
//! give equal observations, rewards and ends, to the rounding of sines and cosines (`tests/test_control.py`).
//!
//! Dynamics are computed in f64 and shown in f32, as Gymnasium does; where it computes in f32, so is it here. A
//! time limit truncates, unless the same step terminates. Continuous actions beyond their bounds count as the bound.
//! The state of an environment is that of the dynamics: an episode that is begun at a state has the whole time limit.

mod acrobot;
mod cart_pole;
mod mountain_car;
mod mountain_car_continuous;
mod pendulum;
#[cfg(test)]
mod tests;

pub use acrobot::{Acrobot, AcrobotParams};
pub use cart_pole::{CartPole, CartPoleParams};
pub use mountain_car::{MountainCar, MountainCarParams};
pub use mountain_car_continuous::{MountainCarContinuous, MountainCarContinuousParams};
pub use pendulum::{Pendulum, PendulumParams};

use crate::env::Step;
use crate::{Error, Result};

/// The longest time limit, in steps.
const MAX_EPISODE_STEPS: usize = 1_000_000;

/// Counts the steps of an episode up to its limit.
#[derive(Debug, Clone)]
struct TimeLimit {
    made: usize,
    limit: usize,
}

impl TimeLimit {
    fn new(limit: usize) -> Result<Self> {
        if (1..=MAX_EPISODE_STEPS).contains(&limit) {
            return Ok(Self { made: 0, limit });
        }
        let expected = format!("1 to {MAX_EPISODE_STEPS} steps");
        Err(Error::config("max_episode_steps", expected, limit))
    }

    /// Begins an episode.
    fn restart(&mut self) {
        self.made = 0;
    }

    /// The outcome of a step that gave `reward` and `terminated` or not.
    fn count(&mut self, reward: f64, terminated: bool) -> Step {
        self.made = self.made.saturating_add(1);
        let truncated = !terminated && self.made >= self.limit;
        Step { reward: reward as f32, terminated, truncated }
    }
}

/// The state in `numbers`, each within its `(name, low, high)`.
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
