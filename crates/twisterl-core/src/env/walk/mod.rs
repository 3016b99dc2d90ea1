//! Random walks away from solved states: unlimited supervision for environments whose actions can be undone.
//!
//! A walk starts at a solved state, and each state on it is labelled with the action that undoes the last one
//! (EfficientCube: Takano 2023, "Self-Supervision is All You Need for Solving Rubik's Cube"). A random walk is seldom
//! a shortest path, which makes the labels noisy; [shortening](crate::env::walk::shorten) the walks first reduces the noise.

pub mod shorten;

use crate::env::walk::shorten::{Shortener, StatePath};
use crate::env::{Environment, Step};
use crate::rng::Rng;
use crate::space::symmetry::{Canonical, Twist};
use crate::space::{Action, Observations};
use crate::{Error, Result};
use rand::RngExt;

/// Configuration of walks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WalkConfig<'a> {
    /// The number of actions of a walk before shortening.
    pub length: usize,
    /// The window of [`Shortener::shorten`], in actions; below 2, walks are not shortened.
    pub window: usize,
    /// Discount of rewards.
    pub gamma: f32,
    /// The twists under which observations are brought into canonical form, as
    /// [`Evaluator::twists`](crate::evaluator::Evaluator::twists).
    pub twists: &'a [Twist],
}

/// The states of walks with their labels, as a structure of arrays. Rows are states.
#[derive(Debug, Clone, Default)]
pub struct Walks {
    /// The observations.
    pub observations: Observations,
    /// The allowed actions, `[rows, actions]`.
    pub masks: Vec<bool>,
    /// The action that leads one step back to the solved state, `[rows]`.
    pub actions: Vec<u32>,
    /// The discounted return of the way back, `[rows]`.
    pub returns: Vec<f32>,
    /// The number of steps of the way back, `[rows]`.
    pub distances: Vec<u32>,
}

impl Walks {
    /// Drops all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.observations.clear();
        self.masks.clear();
        self.actions.clear();
        self.returns.clear();
        self.distances.clear();
    }
}

/// A maker of walks of any environment.
pub trait Walk: Send {
    /// Makes one walk and appends its states to `out`, from the nearest to the solved state to the farthest.
    ///
    /// # Errors
    /// If an episode of difficulty 0 does not begin solved, or the environment refuses one of its own states.
    fn walk(&mut self, config: &WalkConfig<'_>, rng: &mut Rng, out: &mut Walks) -> Result<()>;

    /// Shortens `actions`, which lead from `state` to a solved one, by [`Shortener::shorten`].
    ///
    /// # Errors
    /// If the environment refuses the state, or the actions do not solve it.
    fn shorten(&mut self, state: &[f64], actions: &mut Vec<u32>, window: usize) -> Result<()>;

    /// Appends the states of a solution, which leads from `state` to a solved one by `actions`, as those of the walk in the
    /// opposite direction.
    ///
    /// # Errors
    /// If the environment refuses the state, or the actions do not solve it.
    fn follow(
        &mut self,
        config: &WalkConfig<'_>,
        state: &[f64],
        actions: &[u32],
        out: &mut Walks,
    ) -> Result<()>;
}

/// Makes walks of an environment. Memory is reused from walk to walk.
#[derive(Debug, Clone)]
pub struct Walker<E> {
    prototype: E,
    inverses: Vec<u32>,
    path: StatePath<E>,
    shortener: Shortener<E>,
    mask: Vec<bool>,
    allowed: Vec<u32>,
    steps: Vec<Step>,
    state: Vec<f64>,
    canonical: Canonical,
}

/// Returns the action that undoes each action of `env`, `[actions]`.
///
/// # Errors
/// If the action space is not one discrete component, or the environment does not declare the inverse of each action.
pub fn inverses<E: Environment>(env: &E) -> Result<Vec<u32>> {
    let choices = env.action_space().single_discrete().unwrap_or(0);
    let inverses: Option<Vec<u32>> =
        (0..choices).map(|action| env.inverse(action).map(|a| a as u32)).collect();
    let fits = |inverses: &Vec<u32>| {
        (0..).zip(inverses).all(|(action, &back)| inverses.get(back as usize) == Some(&action))
    };
    inverses.filter(|i| !i.is_empty() && fits(i)).ok_or_else(|| {
        let found = format!("{}, which declares none", E::NAME);
        Error::config("env_cls", "an environment that declares the inverse of each action", found)
    })
}

impl<E: Environment> Walker<E> {
    /// Returns a maker of walks from the solved states of `prototype`.
    ///
    /// # Errors
    /// If [`inverses`] fails.
    pub fn new(prototype: &E) -> Result<Self> {
        let inverses = inverses(prototype)?;
        Ok(Self {
            prototype: prototype.clone(),
            path: StatePath::default(),
            shortener: Shortener::new(&inverses),
            mask: vec![true; inverses.len()],
            allowed: Vec::new(),
            steps: Vec::new(),
            state: Vec::new(),
            canonical: Canonical::default(),
            inverses,
        })
    }

    /// Fills the states of the path with those that `actions` lead to from `state`.
    fn play(&mut self, state: &[f64], actions: &[u32]) -> Result<()> {
        let mut env = self.prototype.clone();
        env.set_state(state)?;
        self.path.states.clear();
        self.path.states.push(env.clone());
        for &action in actions {
            if action as usize >= self.inverses.len() {
                return Err(Error::action(format!("0 to {}", self.inverses.len() - 1), action));
            }
            env.step(Action::Discrete(action as usize));
            self.path.states.push(env.clone());
        }
        if !env.solved() {
            return Err(Error::state(
                "actions that solve it",
                format!("{} that do not", actions.len()),
            ));
        }
        Ok(())
    }

    /// Shortens the path, and appends its states with their labels.
    fn label(&mut self, config: &WalkConfig<'_>, out: &mut Walks) -> Result<()> {
        self.shortener.shorten(&mut self.path, config.window);
        let first = out.actions.len();
        for (env, &action) in self.path.states.iter().skip(1).zip(&self.path.actions) {
            out.observations.push_with(|row| env.observe(row));
            self.mask.fill(true);
            env.action_mask(&mut self.mask);
            out.masks.extend_from_slice(&self.mask);
            out.actions.push(self.inverse(action));
            out.distances.push((out.actions.len() - first) as u32);
        }
        self.walk_back(first, out)?;
        self.returns(config.gamma, out);
        self.canonical(config.twists, first, out);
        Ok(())
    }

    fn inverse(&self, action: u32) -> u32 {
        self.inverses[action as usize]
    }

    /// Fills the path with a random walk, which undoes its last action only where no other action is allowed.
    fn wander(&mut self, length: usize, rng: &mut Rng) -> Result<()> {
        let mut env = self.prototype.clone();
        env.set_difficulty(0);
        env.reset(rng);
        if !env.solved() {
            let rule = "an environment that declares inverses is solved at difficulty 0";
            return Err(Error::contract(E::NAME, rule, "a state that is not solved"));
        }
        self.path.states.clear();
        self.path.actions.clear();
        self.path.states.push(env.clone());
        let mut back = None;
        for _ in 0..length {
            self.mask.fill(true);
            env.action_mask(&mut self.mask);
            let choices = (0u32..).zip(&self.mask).filter(|&(_, &allowed)| allowed);
            self.allowed.clear();
            self.allowed.extend(choices.map(|(action, _)| action));
            if self.allowed.len() > 1 {
                self.allowed.retain(|&action| Some(action) != back);
            }
            if self.allowed.is_empty() {
                break; // a dead end
            }
            let action = self.allowed[rng.random_range(0..self.allowed.len())];
            env.step(Action::Discrete(action as usize));
            back = Some(self.inverse(action));
            self.path.states.push(env.clone());
            self.path.actions.push(action);
        }
        Ok(())
    }

    /// Plays the way back from the far end, and collects its rewards.
    fn walk_back(&mut self, first: usize, out: &Walks) -> Result<()> {
        self.steps.clear();
        let far = &self.path.states[self.path.states.len() - 1]; // the start at least
        self.state.clear();
        far.state(&mut self.state);
        let mut env = self.prototype.clone();
        env.set_state(&self.state)?;
        for &action in out.actions[first..].iter().rev() {
            self.steps.push(env.step(Action::Discrete(action as usize)));
        }
        Ok(())
    }

    /// Appends the discounted returns, from the nearest state to the farthest.
    fn returns(&mut self, gamma: f32, out: &mut Walks) {
        let mut value = 0.0;
        for step in self.steps.iter().rev() {
            value = step.reward + gamma * value;
            out.returns.push(value);
        }
    }

    /// Brings the rows from `first` on into canonical form.
    fn canonical(&mut self, twists: &[Twist], first: usize, out: &mut Walks) {
        let width = self.mask.len();
        for row in first..out.actions.len() {
            let mask = &mut out.masks[row * width..(row + 1) * width];
            let twist = self.canonical.apply_row(twists, &mut out.observations, row, mask);
            if let Some(twist) = twist {
                out.actions[row] = twist.action[out.actions[row] as usize];
            }
        }
    }
}

impl<E: Environment> Walk for Walker<E> {
    fn walk(&mut self, config: &WalkConfig<'_>, rng: &mut Rng, out: &mut Walks) -> Result<()> {
        self.wander(config.length, rng)?;
        self.label(config, out)
    }

    fn shorten(&mut self, state: &[f64], actions: &mut Vec<u32>, window: usize) -> Result<()> {
        self.play(state, actions)?;
        self.path.actions.clone_from(actions);
        self.shortener.shorten(&mut self.path, window);
        actions.clone_from(&self.path.actions);
        Ok(())
    }

    fn follow(
        &mut self,
        config: &WalkConfig<'_>,
        state: &[f64],
        actions: &[u32],
        out: &mut Walks,
    ) -> Result<()> {
        self.play(state, actions)?;
        self.path.states.reverse();
        self.path.actions.clear();
        for &action in actions.iter().rev() {
            let back = self.inverse(action);
            self.path.actions.push(back);
        }
        self.label(config, out)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::env::Start;
    use crate::envs::registry::{EnvSpec, Registry};
    use crate::rng::{Purpose, stream};
    use serde_json::json;
    use std::sync::Arc;

    fn puzzle(width: usize, height: usize) -> Arc<dyn EnvSpec> {
        let params = json!({
            "width": width, "height": height, "difficulty": 5, "max_depth": 500,
            "move_reward": -0.25, "solved_reward": 2.0
        });
        Registry::default().make("Puzzle", &params).unwrap()
    }

    fn config(twists: &[Twist]) -> WalkConfig<'_> {
        WalkConfig { length: 30, window: 0, gamma: 0.5, twists }
    }

    #[test]
    fn labels_lead_back_to_the_goal_and_returns_are_those_of_the_way_back() {
        let spec = puzzle(3, 2);
        let mut walker = spec.walker().unwrap();
        for index in 0..50 {
            let mut walks = Walks::default();
            let mut rng = stream(0, Purpose::Walk, 0, index);
            walker.walk(&config(&[]), &mut rng, &mut walks).unwrap();
            let rows = walks.actions.len();
            assert_eq!(walks.distances, (1..=rows as u32).collect::<Vec<_>>());
            assert_eq!(walks.masks.len(), 4 * rows);
            // From the state of each row, its label and those of the rows before it lead to the goal.
            for row in [0, rows / 2, rows - 1] {
                let mut state = vec![0.0; 6];
                for &one in walks.observations.ones(row) {
                    state[one as usize / 6] = f64::from(one % 6);
                }
                let mut env = spec.batch(1);
                let start = Start::State { state: &state, difficulty: None };
                env.begin(0, start, &mut rng).unwrap();
                let (mut back, mut steps) = (0.0, Vec::new());
                for &action in walks.actions[..=row].iter().rev() {
                    let mut one = crate::space::Actions::new(&spec.action_space());
                    one.push((action as usize).into());
                    env.step(&[0], &one, &mut steps).unwrap();
                }
                assert!(env.solved(0), "walk {index}, row {row}");
                for step in steps.iter().rev() {
                    back = step.reward + 0.5 * back;
                }
                assert_eq!(walks.returns[row], back);
            }
        }
    }

    #[test]
    fn canonical_walks_are_images_of_plain_walks() {
        let spec = puzzle(3, 3);
        let (mut walker, twists) = (spec.walker().unwrap(), spec.twists());
        let mut walk = |twists: &[Twist]| {
            let mut walks = Walks::default();
            let mut rng = stream(3, Purpose::Walk, 0, 0);
            walker.walk(&config(twists), &mut rng, &mut walks).unwrap();
            walks
        };
        let (plain, canonical) = (walk(&[]), walk(&twists));
        let mut turned = 0;
        for row in 0..plain.actions.len() {
            let ones = |walks: &Walks| {
                let mut ones = walks.observations.ones(row).to_vec();
                ones.sort_unstable();
                ones
            };
            let image = |one: &u32| twists[0].observation[*one as usize];
            let mut images: Vec<u32> = ones(&plain).iter().map(image).collect();
            images.sort_unstable();
            let (action, image) =
                (plain.actions[row], twists[0].action[plain.actions[row] as usize]);
            if images < ones(&plain) {
                assert_eq!((ones(&canonical), canonical.actions[row]), (images, image));
                turned += 1;
            } else {
                assert_eq!((ones(&canonical), canonical.actions[row]), (ones(&plain), action));
            }
        }
        assert!(turned > 5);
    }

    #[test]
    fn solutions_are_followed_backwards_and_shortened() {
        let spec = puzzle(3, 2);
        let mut walker = spec.walker().unwrap();
        // The blank is at 1, and left solves the board. Right and back first is a detour.
        let (state, mut detour) = ([1.0, 0.0, 2.0, 3.0, 4.0, 5.0], vec![2, 0, 0]);
        let mut walks = Walks::default();
        walker.follow(&config(&[]), &state, &detour, &mut walks).unwrap();
        assert_eq!((&walks.actions[..], &walks.distances[..]), (&[0, 0, 2][..], &[1, 2, 3][..]));
        walker.shorten(&state, &mut detour, 3).unwrap();
        assert_eq!(detour, [0]);
        let error = walker.follow(&config(&[]), &state, &[2], &mut walks).unwrap_err();
        assert!(error.to_string().contains("actions that solve it"), "{error}");
        let error = walker.follow(&config(&[]), &state, &[4], &mut walks).unwrap_err();
        assert_eq!(error, Error::action("0 to 3", 4));
    }
}
