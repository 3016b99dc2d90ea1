//! A journey home by vehicle: each action is a choice and a number, and the best return is known.
//!
//! The traveller is at a `distance` from home, from -10 to 10. An action is one of three vehicles and the length of the
//! ride, from -10 to 10 as well. It costs a fare and a price for each unit travelled; rides stop at the limits:
//!
//! | vehicle | fare | price a unit | cheapest for |
//! |---|---|---|---|
//! | walk | 0.3 | 1 | rides below 1 |
//! | bike | 0.8 | 0.5 | rides of 1 to 4.25 |
//! | car | 2.5 | 0.1 | longer rides |
//!
//! Bike and car are each available with probability one half, for the whole journey, and masked otherwise: a masked vehicle
//! does not move, and costs its fare. The journey ends within 0.5 of home. The observation is mixed: a bit for each of bike
//! and car, and the distance divided by 10.
//!
//! A fare plus a price a unit is a concave function of the length that is at least 0 at 0, and so is the minimum of several.
//! Such functions are subadditive: two rides never cost less than one ride of the same total length. The best plan is
//! therefore one ride to 0.5 from home with the cheapest vehicle.

use super::time_limit::TimeLimit;
use crate::env::{Environment, Step, whole_numbers};
use crate::error::counts::counted;
use crate::rng::Rng;
use crate::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use crate::{Error, Result};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

/// The largest distance from home.
const FAR: f64 = 10.0;
/// The distance at which the journey ends.
const NEAR: f64 = 0.5;

struct Vehicle {
    name: &'static str,
    fare: f64,
    price: f64,
}

const VEHICLES: [Vehicle; 3] = [
    Vehicle { name: "walk", fare: 0.3, price: 1.0 },
    Vehicle { name: "bike", fare: 0.8, price: 0.5 },
    Vehicle { name: "car", fare: 2.5, price: 0.1 },
];

/// The parameters of [`Journey`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JourneyParams {
    /// Steps after which an episode is truncated, 1 to a million.
    pub max_episode_steps: usize,
}

impl Default for JourneyParams {
    fn default() -> Self {
        Self { max_episode_steps: 20 }
    }
}

/// A traveller on the way home.
#[derive(Debug, Clone)]
pub struct Journey {
    distance: f64,
    /// The vehicles that are available, in the order of [`VEHICLES`]; walking always is.
    available: [bool; 3],
    time: TimeLimit,
}

impl Journey {
    /// Returns the best possible return from the current state.
    pub fn optimum(&self) -> f64 {
        let length = self.distance.abs() - NEAR;
        if length <= 0.0 {
            return 0.0;
        }
        let costs = self.vehicles().map(|vehicle| vehicle.fare + vehicle.price * length);
        -costs.fold(f64::INFINITY, f64::min)
    }

    /// Returns the available vehicles.
    fn vehicles(&self) -> impl Iterator<Item = &'static Vehicle> {
        let vehicles = VEHICLES.iter().zip(self.available);
        vehicles.filter_map(|(vehicle, available)| available.then_some(vehicle))
    }
}

impl Environment for Journey {
    const NAME: &'static str = "Journey";

    type Params = JourneyParams;

    fn new(params: &Self::Params) -> Result<Self> {
        let time = TimeLimit::new("max_episode_steps", params.max_episode_steps)?;
        Ok(Self { distance: FAR, available: [true; 3], time })
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::Mixed { bits: vec![2], values: vec![1] }
    }

    fn action_space(&self) -> ActionSpace {
        let length = ActionSpace::continuous(&[(-FAR as f32, FAR as f32)]);
        ActionSpace::discrete(VEHICLES.len()).and(length)
    }

    /// Draws the distance uniformly from 0.5 to 10, on either side of home.
    fn reset(&mut self, rng: &mut Rng) {
        let distance = rng.random_range(NEAR..FAR);
        self.distance = if rng.random() { distance } else { -distance };
        self.available = [true, rng.random(), rng.random()];
        self.time.restart();
    }

    fn step(&mut self, action: Action<'_>) -> Step {
        let (index, length) = (action.index(), f64::from(action.value(0)).clamp(-FAR, FAR));
        let vehicle = &VEHICLES[index];
        let mut cost = vehicle.fare;
        if self.available[index] {
            let before = self.distance;
            self.distance = (before + length).clamp(-FAR, FAR);
            cost += vehicle.price * (self.distance - before).abs();
        }
        self.time.count(-cost as f32, self.solved())
    }

    fn observe(&self, row: &mut ObservationRow<'_>) {
        row.ones((0..2).filter(|bit| self.available[bit + 1]));
        row.values(&[(self.distance / FAR) as f32]);
    }

    fn action_mask(&self, mask: &mut [bool]) {
        mask.copy_from_slice(&self.available);
    }

    fn solved(&self) -> bool {
        self.distance.abs() <= NEAR
    }

    fn measures_success(&self) -> bool {
        true
    }

    /// Distance, and for each of bike and car 1 if it is available and 0 otherwise.
    fn state(&self, out: &mut Vec<f64>) {
        let [_, bike, car] = self.available;
        out.push(self.distance);
        out.extend([bike, car].map(|available| f64::from(u8::from(available))));
    }

    /// [`Journey::optimum`], nearer to 0 by more than the rounding of rewards.
    fn best_return(&self) -> Option<f32> {
        Some((self.optimum() * (1.0 - 1e-5)) as f32)
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        let [distance, available @ ..] = state else {
            return Err(Error::state("distance, bike, car", "nothing"));
        };
        if !(-FAR..=FAR).contains(distance) {
            return Err(Error::state(format!("a distance from -{FAR} to {FAR}"), distance));
        }
        let available = whole_numbers(available, 2).collect::<Result<Vec<_>>>()?;
        let [bike, car] = available[..] else {
            return Err(Error::state("distance, bike, car", counted(state.len(), "number")));
        };
        (self.distance, self.available) = (*distance, [true, bike == 1, car == 1]);
        self.time.restart();
        Ok(())
    }

    fn render(&self) -> String {
        let names: Vec<_> = self.vehicles().map(|vehicle| vehicle.name).collect();
        format!("{:+.3} from home; {}", self.distance, names.join(", "))
    }

    fn action_name(&self, action: Action<'_>) -> String {
        format!("{} {:+.3}", VEHICLES[action.index()].name, action.value(0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn journey() -> Journey {
        Journey::new(&JourneyParams::default()).unwrap()
    }

    fn step(env: &mut Journey, vehicle: u32, length: f32) -> Step {
        env.step(Action::Parts { discrete: &[vehicle], continuous: &[length] })
    }

    #[test]
    fn available_vehicles_move_and_all_cost() {
        let mut env = journey();
        env.set_state(&[-6.0, 0.0, 1.0]).unwrap();
        let mut mask = [true; 3];
        env.action_mask(&mut mask);
        assert_eq!(mask, [true, false, true]);
        assert_eq!(env.render(), "-6.000 from home; walk, car");
        assert_eq!(step(&mut env, 1, 6.0).reward, -0.8);
        assert_eq!(step(&mut env, 2, 5.0).reward, -3.0);
        // The ride stops at the limit.
        assert_eq!(step(&mut env, 0, -9.5).reward, -9.3);
        let home = step(&mut env, 2, 9.9);
        assert!(home.terminated && !home.truncated && (home.reward + 3.49).abs() < 1e-6);
    }

    /// Value iteration over all plans on a grid of 0.1 gives the closed form.
    #[test]
    fn no_plan_is_better_than_the_optimum() {
        const CELLS: usize = 201;
        let distance = |cell: usize| cell as f64 / 10.0 - FAR;
        let mut env = journey();
        for (bike, car) in [(false, false), (true, false), (false, true), (true, true)] {
            env.available = [true, bike, car];
            let mut best = [f64::NEG_INFINITY; CELLS];
            loop {
                let before = best;
                for (from, best) in best.iter_mut().enumerate() {
                    if distance(from).abs() < NEAR + 1e-9 {
                        *best = 0.0;
                        continue;
                    }
                    for (to, before) in before.iter().enumerate() {
                        let length = (distance(to) - distance(from)).abs();
                        for vehicle in env.vehicles() {
                            *best = best.max(before - vehicle.fare - vehicle.price * length);
                        }
                    }
                }
                if best == before {
                    break;
                }
            }
            for (cell, best) in best.into_iter().enumerate() {
                env.distance = distance(cell);
                let optimum = if env.distance.abs() < NEAR + 1e-9 { 0.0 } else { env.optimum() };
                assert!((best - optimum).abs() < 1e-9, "{cell} {best} {optimum}");
            }
        }
    }
}
