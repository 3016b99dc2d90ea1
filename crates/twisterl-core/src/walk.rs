//! Random walks away from solved states: endless free supervision for problems whose moves can be undone.
//!
//! A walk is played from a solved state, and each state on it is labelled with the action that undoes the last one
//! (EfficientCube: Takano 2023, "Self-Supervision is All You Need for Solving Rubik's Cube"). A random walk is seldom
//! a shortest path, which makes such labels noisy; so walks can be [shortened](crate::shorten) first.

use crate::env::{Environment, Step};
use crate::rng::Rng;
use crate::shorten::{Path, Shortener};
use crate::space::{Action, Observations};
use crate::symmetry::{Canonical, Twist};
use crate::{Error, Result};
use rand::RngExt;

/// How walks are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WalkConfig<'a> {
    /// Actions of a walk, before it is shortened.
    pub length: usize,
    /// No part of the path of this many actions or fewer stays longer than it must be; below 2: walks are left as they
    /// are.
    pub window: usize,
    /// Discount of rewards.
    pub gamma: f32,
    /// The twists under which observations are brought into canonical form, as
    /// [`Evaluator::twists`](crate::evaluator::Evaluator::twists).
    pub twists: &'a [Twist],
}

/// The states of walks with what leads back from them, structure of arrays.
#[derive(Debug, Clone, Default)]
pub struct Walks {
    /// What is seen.
    pub observations: Observations,
    /// What is allowed, rows x choices.
    pub masks: Vec<bool>,
    /// The action that leads one step back.
    pub actions: Vec<u32>,
    /// Discounted return of going all the way back.
    pub returns: Vec<f32>,
    /// Steps of the way back.
    pub distances: Vec<u32>,
}

impl Walks {
    /// Drops all states, keeps the memory.
    pub fn clear(&mut self) {
        self.observations.clear();
        self.masks.clear();
        self.actions.clear();
        self.returns.clear();
        self.distances.clear();
    }
}

/// Makes walks, whatever the environment.
pub trait Walk: Send {
    /// Makes one walk and appends its states to `out`, from the nearest to the farthest.
    ///
    /// # Errors
    /// If the environment does not begin solved at difficulty 0, or refuses a state of its own.
    fn walk(&mut self, config: &WalkConfig<'_>, rng: &mut Rng, out: &mut Walks) -> Result<()>;
}

/// Makes walks of an environment; its memory is reused from walk to walk.
#[derive(Debug, Clone)]
pub struct Walker<E> {
    prototype: E,
    inverses: Vec<u32>,
    path: Path<E>,
    shortener: Shortener<E>,
    mask: Vec<bool>,
    allowed: Vec<u32>,
    steps: Vec<Step>,
    state: Vec<f64>,
    canonical: Canonical,
}

/// The action that undoes each action of `env`.
///
/// # Errors
/// If the environment does not have one discrete action, or does not declare the inverse of each.
pub fn inverses<E: Environment>(env: &E) -> Result<Vec<u32>> {
    let choices = env.action_space().single_discrete().unwrap_or(0);
    let inverses: Option<Vec<u32>> =
        (0..choices).map(|action| env.inverse(action).map(|a| a as u32)).collect();
    let fits = |inverses: &Vec<u32>| inverses.iter().all(|&a| (a as usize) < choices);
    inverses.filter(|i| !i.is_empty() && fits(i)).ok_or_else(|| {
        let found = format!("{}, which declares none", E::NAME);
        Error::config("env_cls", "an environment that declares the inverse of each action", found)
    })
}

impl<E: Environment> Walker<E> {
    /// A walker from the solved states of `prototype`.
    ///
    /// # Errors
    /// As [`inverses`].
    pub fn new(prototype: &E) -> Result<Self> {
        let inverses = inverses(prototype)?;
        Ok(Self {
            prototype: prototype.clone(),
            path: Path::default(),
            shortener: Shortener::new(&inverses),
            mask: vec![true; inverses.len()],
            allowed: Vec::new(),
            steps: Vec::new(),
            state: Vec::new(),
            canonical: Canonical::default(),
            inverses,
        })
    }

    fn inverse(&self, action: u32) -> u32 {
        self.inverses.get(action as usize).copied().unwrap_or(0)
    }

    /// Fills the path: never back at once where there is another way.
    fn wander(&mut self, length: usize, rng: &mut Rng) -> Result<()> {
        let mut env = self.prototype.clone();
        env.set_difficulty(0);
        env.reset(rng);
        if !env.solved() {
            let rule = "an environment that declares inverses is solved at difficulty 0";
            let found = "a state that is not solved".to_owned();
            return Err(Error::Contract { name: E::NAME.into(), rule: rule.into(), found });
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
            let Some(&action) = self.allowed.get(rng.random_range(0..self.allowed.len().max(1)))
            else {
                break;
            };
            env.step(Action::Discrete(action as usize));
            back = Some(self.inverse(action));
            self.path.states.push(env.clone());
            self.path.actions.push(action);
        }
        Ok(())
    }

    /// Plays the way back from the far end, for the rewards that it gives.
    fn go_back(&mut self, first: usize, out: &Walks) -> Result<()> {
        self.steps.clear();
        let Some(far) = self.path.states.last() else { return Ok(()) };
        self.state.clear();
        far.state(&mut self.state);
        let mut env = self.prototype.clone();
        env.set_state(&self.state)?;
        for &action in out.actions.iter().skip(first).rev() {
            self.steps.push(env.step(Action::Discrete(action as usize)));
        }
        Ok(())
    }

    /// Returns from the nearest state to the farthest.
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
        let rows = if twists.is_empty() { 0..0 } else { first..out.actions.len() };
        for row in rows {
            let mask = out.masks.get_mut(row * width..(row + 1) * width).unwrap_or(&mut []);
            let ones = out.observations.ones_mut(row);
            if let Some(action) = out.actions.get_mut(row) {
                self.canonical.apply_row(twists, ones, mask, action);
            }
        }
    }
}

impl<E: Environment> Walk for Walker<E> {
    fn walk(&mut self, config: &WalkConfig<'_>, rng: &mut Rng, out: &mut Walks) -> Result<()> {
        self.wander(config.length, rng)?;
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
        self.go_back(first, out)?;
        self.returns(config.gamma, out);
        self.canonical(config.twists, first, out);
        Ok(())
    }
}
