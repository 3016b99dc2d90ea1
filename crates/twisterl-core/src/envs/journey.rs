//! A journey of a given distance, by vehicles of one's choice: each action is a choice and a number, and the best return
//! is known.
//!
//! The traveller is `distance` away from home, from -10 to 10. An action is one of three vehicles, and how far it goes,
//! from -10 to 10 as well; it costs a fare and so much for each unit of the way (which ends at the limits):
//!
//! | | fare | a unit | best for |
//! |---|---|---|---|
//! | walk | 0.3 | 1 | ways below 1 |
//! | bike | 0.8 | 0.5 | ways of 1 to 4.25 |
//! | car | 2.5 | 0.1 | longer ways |
//!
//! Bike and car are there one time in two, for the whole journey, and masked otherwise: a masked vehicle does not move, and
//! costs its fare. It ends within 0.5 of home. Shown are a bit for each of the two, and the distance.
//!
//! A fare and a price a unit are a concave function of the way that is at least 0 at 0, and so is the least of several. Such
//! functions are subadditive: two legs never cost less than one of their sum. The best is therefore the cheapest vehicle
//! all the way to 0.5 from home.

use crate::env::{Environment, Step, whole_numbers};
use crate::rng::Rng;
use crate::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use crate::{Error, Result};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

/// The farthest from home.
const FAR: f64 = 10.0;
/// How near to home is home.
const NEAR: f64 = 0.5;
/// The longest time limit, in steps.
const MAX_STEPS: usize = 1_000_000;

/// What one takes.
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

/// The traveller.
#[derive(Debug, Clone)]
pub struct Journey {
    distance: f64,
    /// Whether bike and car are there.
    there: [bool; 2],
    steps: usize,
    max_steps: usize,
}

impl Journey {
    /// The best return that there is from here.
    pub fn optimum(&self) -> f64 {
        let way = self.distance.abs() - NEAR;
        if way <= 0.0 {
            return 0.0;
        }
        let costs = VEHICLES.iter().enumerate().filter(|&(index, _)| self.has(index));
        let costs = costs.map(|(_, vehicle)| vehicle.fare + vehicle.price * way);
        -costs.fold(f64::INFINITY, f64::min)
    }

    /// Whether vehicle `index` is there.
    fn has(&self, index: usize) -> bool {
        index.checked_sub(1).is_none_or(|index| self.there.get(index) == Some(&true))
    }
}

impl Environment for Journey {
    const NAME: &'static str = "Journey";

    type Params = JourneyParams;

    fn new(params: &Self::Params) -> Result<Self> {
        let max_steps = params.max_episode_steps;
        if !(1..=MAX_STEPS).contains(&max_steps) {
            let expected = format!("1 to {MAX_STEPS} steps");
            return Err(Error::config("max_episode_steps", expected, max_steps));
        }
        Ok(Self { distance: FAR, there: [true; 2], steps: 0, max_steps })
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::Mixed { bits: vec![2], values: vec![1] }
    }

    fn action_space(&self) -> ActionSpace {
        let way = ActionSpace::continuous(&[(-FAR as f32, FAR as f32)]);
        ActionSpace::discrete(VEHICLES.len()).and(way)
    }

    /// Distances beyond 0.5 are equally likely, to both sides.
    fn reset(&mut self, rng: &mut Rng) {
        let distance = rng.random_range(NEAR..FAR);
        self.distance = if rng.random() { distance } else { -distance };
        self.there = [rng.random(), rng.random()];
        self.steps = 0;
    }

    fn step(&mut self, action: Action<'_>) -> Step {
        let (index, way) = (action.index(), f64::from(action.value(0)).clamp(-FAR, FAR));
        let mut cost = 0.0;
        if let Some(vehicle) = VEHICLES.get(index) {
            cost = vehicle.fare;
            if self.has(index) {
                let before = self.distance;
                self.distance = (before + way).clamp(-FAR, FAR);
                cost += vehicle.price * (self.distance - before).abs();
            }
        }
        self.steps = self.steps.saturating_add(1);
        let terminated = self.solved();
        let truncated = !terminated && self.steps >= self.max_steps;
        Step { reward: -cost as f32, terminated, truncated }
    }

    fn observe(&self, row: &mut ObservationRow<'_>) {
        row.ones((0..2).filter(|&index| self.there.get(index) == Some(&true)));
        row.values(&[(self.distance / FAR) as f32]);
    }

    fn action_mask(&self, mask: &mut [bool]) {
        mask.iter_mut().enumerate().for_each(|(index, allowed)| *allowed = self.has(index));
    }

    fn solved(&self) -> bool {
        self.distance.abs() <= NEAR
    }

    /// Distance; whether bike and car are there.
    fn state(&self, out: &mut Vec<f64>) {
        out.push(self.distance);
        out.extend(self.there.map(|there| f64::from(u8::from(there))));
    }

    /// See [`Journey::optimum`]; nearer to 0 by more than the rounding of rewards.
    fn best_return(&self) -> Option<f32> {
        Some((self.optimum() * (1.0 - 1e-5)) as f32)
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        let [distance, there @ ..] = state else {
            return Err(Error::state("distance, bike, car", "nothing"));
        };
        if !(-FAR..=FAR).contains(distance) {
            return Err(Error::state(format!("a distance from -{FAR} to {FAR}"), distance));
        }
        let there = whole_numbers(there, 2).collect::<Result<Vec<_>>>()?;
        let [bike, car] = there[..] else {
            return Err(Error::state("distance, bike, car", format!("{} numbers", state.len())));
        };
        (self.distance, self.there, self.steps) = (*distance, [bike == 1, car == 1], 0);
        Ok(())
    }

    fn render(&self) -> String {
        let names = VEHICLES.iter().enumerate().filter(|&(index, _)| self.has(index));
        let names: Vec<_> = names.map(|(_, vehicle)| vehicle.name).collect();
        format!("{:+.3} from home; {}", self.distance, names.join(", "))
    }

    fn action_name(&self, action: Action<'_>) -> String {
        let index = action.index();
        let name = VEHICLES.get(index).map_or("nothing", |vehicle| vehicle.name);
        format!("{name} {:+.3}", action.value(0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::env::check::check_env;

    fn journey() -> Journey {
        Journey::new(&JourneyParams::default()).unwrap()
    }

    fn step(env: &mut Journey, vehicle: u32, way: f32) -> Step {
        env.step(Action::Parts { discrete: &[vehicle], continuous: &[way] })
    }

    #[test]
    fn it_keeps_the_contract() {
        check_env(&journey(), 1).unwrap();
        check_env(&Journey::new(&JourneyParams { max_episode_steps: 1 }).unwrap(), 1).unwrap();
    }

    #[test]
    fn vehicles_that_are_there_move_and_cost() {
        let mut env = journey();
        env.set_state(&[-6.0, 0.0, 1.0]).unwrap();
        let mut mask = [true; 3];
        env.action_mask(&mut mask);
        assert_eq!(mask, [true, false, true]);
        assert_eq!(env.render(), "-6.000 from home; walk, car");
        assert_eq!(step(&mut env, 1, 6.0).reward, -0.8);
        assert_eq!(step(&mut env, 2, 5.0).reward, -3.0);
        // The way ends at the limit.
        assert_eq!(step(&mut env, 0, -9.5).reward, -9.3);
        let home = step(&mut env, 2, 9.9);
        assert!(home.terminated && !home.truncated && (home.reward + 3.49).abs() < 1e-6);
    }

    /// The best over all plans of whole steps of 0.1, by value iteration, is the closed form.
    #[test]
    fn no_plan_is_better_than_the_optimum() {
        const CELLS: usize = 201;
        let distance = |cell: usize| cell as f64 / 10.0 - FAR;
        let mut env = journey();
        for there in [[false, false], [true, false], [false, true], [true, true]] {
            env.there = there;
            let mut best = [f64::NEG_INFINITY; CELLS];
            loop {
                let before = best;
                for (from, best) in best.iter_mut().enumerate() {
                    if distance(from).abs() < NEAR + 1e-9 {
                        *best = 0.0;
                        continue;
                    }
                    for (to, before) in before.iter().enumerate() {
                        let way = (distance(to) - distance(from)).abs();
                        let vehicles = VEHICLES.iter().enumerate().filter(|&(i, _)| env.has(i));
                        for (_, vehicle) in vehicles {
                            *best = best.max(before - vehicle.fare - vehicle.price * way);
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

    #[test]
    fn impossible_states_are_refused() {
        let mut env = journey();
        for state in [&[][..], &[1.0], &[11.0, 0.0, 0.0], &[f64::NAN, 0.0, 0.0], &[1.0, 2.0, 0.0]] {
            assert!(env.set_state(state).is_err(), "{state:?}");
        }
    }
}
