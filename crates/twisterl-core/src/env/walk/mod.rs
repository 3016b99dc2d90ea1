//! Random walks away from solved states: unlimited supervision for environments whose actions can be undone.
//!
//! A walk starts at a solved state, and each state on it is labelled with the action that undoes the last one
//! (EfficientCube: Takano 2023, "Self-Supervision is All You Need for Solving Rubik's Cube"). A random walk is seldom
//! a shortest path, which makes the labels noisy; [shortening](Walk::shorten) the walks first reduces the noise.

mod branches;
mod equally_short;
mod shorten;
mod slots;
#[cfg(test)]
mod test_paths;
#[cfg(test)]
mod tests;
mod wander;

use crate::env::batch::VecEnv;
use crate::env::walk::equally_short::EquallyShort;
use crate::env::walk::shorten::{Shortener, StatePath};
use crate::env::walk::slots::{GIVEN, Slots};
use crate::env::{Start, Step};
use crate::rng::{Purpose, Rng, stream};
use crate::space::symmetry::{Canonical, Twist};
use crate::space::{ActionSpace, Observations};
use crate::{Error, Result};
use std::collections::HashSet;

/// Configuration of walks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WalkConfig<'a> {
    /// The number of actions of a walk before shortening.
    pub length: usize,
    /// The window of [`Walk::shorten`], in actions; below 2, walks are not shortened.
    pub window: usize,
    /// The window of the [labels](Walks::labels), in actions; below 2, each state has one.
    pub label_window: usize,
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
    /// The actions to learn, `[rows, actions]`: that of `actions`; or, with a window, all that begin a shortest path to the state
    /// of the walk that is so many steps nearer to the solved state, or to the solved state itself.
    pub labels: Vec<bool>,
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
        self.labels.clear();
        self.returns.clear();
        self.distances.clear();
    }
}

/// A maker of walks of any environment.
pub trait Walk: Send {
    /// Makes one walk and appends its states to `out`, from the nearest to the solved state to the farthest.
    ///
    /// # Errors
    /// If an episode of difficulty 0 does not begin solved, or the environment refuses one of its own states, cannot be
    /// copied or fails.
    fn walk(&mut self, config: &WalkConfig<'_>, rng: &mut Rng, out: &mut Walks) -> Result<()>;

    /// Shortens `actions`, which lead from `state` to a solved one: parts of `window` actions are replaced by shortest paths
    /// between their ends, until no window at a multiple of half its length can be shortened.
    ///
    /// # Errors
    /// If the environment refuses the state or cannot be copied, or the actions do not solve it.
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

/// The steps away from solved states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepBack {
    /// Actions, which are undone by others.
    Actions,
    /// Those of [`Environment::step_back`](crate::env::Environment::step_back). Each action of a path is the one that leads
    /// back, as if actions undid themselves.
    Drawn,
}

/// Makes walks of an environment. Memory is reused from walk to walk.
struct Walker<V> {
    slots: Slots<V>,
    back: StepBack,
    inverses: Vec<u32>,
    path: StatePath,
    shortener: Shortener,
    equally_short: EquallyShort,
    mask: Vec<bool>,
    allowed: Vec<u32>,
    steps: Vec<Step>,
    state: Vec<f64>,
    /// The keys of the states of a walk of drawn steps.
    seen: HashSet<u64>,
    canonical: Canonical,
    /// The labels of a state before it is brought into canonical form, `[actions]`.
    plain: Vec<bool>,
}

/// Returns a maker of walks over the batches that `make` makes, of environments with these actions. `inverses`, `[actions]`,
/// holds the action that undoes each action; without them, walks consist of the steps back of the environment.
///
/// # Errors
/// That of `inverses`, if the environment has no steps back either.
pub fn over<V: VecEnv + 'static>(
    actions: &ActionSpace,
    inverses: Result<Vec<u32>>,
    make: impl Fn(usize) -> V + Send + 'static,
) -> Result<Box<dyn Walk>> {
    let (back, inverses) = match (inverses, actions.single_discrete()) {
        (Err(_), Some(choices)) if has_steps_back(&mut make(1))? => {
            (StepBack::Drawn, (0..choices as u32).collect())
        }
        (inverses, _) => (StepBack::Actions, inverses?),
    };
    Ok(Box::new(Walker {
        slots: Slots::new(inverses.len(), Box::new(make)),
        back,
        path: StatePath::default(),
        shortener: Shortener::new(&inverses),
        equally_short: EquallyShort::new(&inverses),
        seen: HashSet::new(),
        mask: Vec::new(),
        allowed: Vec::new(),
        steps: Vec::new(),
        state: Vec::new(),
        canonical: Canonical::default(),
        plain: Vec::new(),
        inverses,
    }))
}

/// Returns true if an environment steps back from an episode of difficulty 0. One that has no such episodes does not.
fn has_steps_back(batch: &mut impl VecEnv) -> Result<bool> {
    let mut rng = stream(0, Purpose::Walk, 0, 0);
    match batch.begin(0, Start::Scramble { difficulty: 0 }, &mut rng) {
        Ok(()) => Ok(batch.step_back(0, &mut rng)?.is_some()),
        Err(Error::Interrupted) => Err(Error::Interrupted),
        Err(_) => Ok(false),
    }
}

/// Returns the action that undoes each action of environment `name`, `[actions]`; `inverse` is as
/// [`Environment::inverse`](crate::env::Environment::inverse).
///
/// # Errors
/// If the action space is not one discrete component, or the environment does not declare the inverse of each action.
pub fn inverses(
    name: &str,
    actions: &ActionSpace,
    inverse: impl Fn(usize) -> Option<usize>,
) -> Result<Vec<u32>> {
    let choices = actions.single_discrete().unwrap_or(0);
    let inverses: Option<Vec<u32>> =
        (0..choices).map(|action| inverse(action).map(|a| a as u32)).collect();
    let fits = |inverses: &Vec<u32>| {
        (0..).zip(inverses).all(|(action, &back)| inverses.get(back as usize) == Some(&action))
    };
    inverses.filter(|i| !i.is_empty() && fits(i)).ok_or_else(|| {
        let found = format!("{name}, which declares none");
        Error::config("env_cls", "an environment that declares the inverse of each action", found)
    })
}

impl<V: VecEnv> Walker<V> {
    /// Begins a path at a new slot.
    fn begin(&mut self) {
        self.slots.give_back(self.path.states.drain(..).rev());
        self.path.actions.clear();
    }

    /// Fills the states of the path with those that `actions` lead to from `state`.
    fn play(&mut self, state: &[f64], actions: &[u32]) -> Result<()> {
        self.begin();
        self.slots.begin_at(state)?;
        let mut at = self.slots.copy_of(GIVEN)?;
        self.path.states.push(at);
        for &action in actions {
            if action as usize >= self.inverses.len() {
                return Err(Error::action(format!("0 to {}", self.inverses.len() - 1), action));
            }
            at = self.advance(at, action)?;
        }
        if !self.slots.batch.solved(at) {
            return Err(Error::state(
                "actions that solve it",
                format!("{} that do not", actions.len()),
            ));
        }
        Ok(())
    }

    /// Appends to the path the state that `action` leads to from slot `at`, and returns its slot.
    #[inline]
    fn advance(&mut self, at: usize, action: u32) -> Result<usize> {
        let next = self.slots.copy_of(at)?;
        self.path.states.push(next);
        self.slots.step(next, action)?;
        Ok(next)
    }

    /// # Errors
    /// If no action undoes another one, which a search within a window of field `field` needs.
    fn check_window(&self, field: &str, window: usize) -> Result<()> {
        if self.back == StepBack::Drawn && window > 1 {
            let expected = format!("0 or 1 for {}, without inverses", self.slots.batch.name());
            let field = format!("algorithm.collecting.{field}");
            return Err(Error::config(field, expected, window));
        }
        Ok(())
    }

    /// Shortens the path.
    fn shorten_path(&mut self, window: usize) -> Result<()> {
        self.check_window("walk_window", window)?;
        self.shortener.shorten(&mut self.slots, &mut self.path, window)
    }

    /// Shortens the path, and appends its states with their labels.
    fn label(&mut self, config: &WalkConfig<'_>, out: &mut Walks) -> Result<()> {
        self.shorten_path(config.window)?;
        self.check_window("label_window", config.label_window)?;
        self.equally_short.look(&mut self.slots, &self.path, config.label_window)?;
        let first = out.actions.len();
        let states = self.path.states.get(1..).unwrap_or_default();
        self.slots.batch.observe(states, &mut out.observations, &mut out.masks)?;
        for (place, &action) in (1..).zip(&self.path.actions) {
            let back = self.inverses[action as usize];
            out.actions.push(back);
            self.equally_short.append(place, back, &mut out.labels);
            out.distances.push(place as u32);
        }
        self.walk_back(first, out)?;
        self.returns(config.gamma, out);
        self.canonical(config.twists, first, out);
        Ok(())
    }

    /// Plays the way back from the far end, and collects its rewards.
    fn walk_back(&mut self, first: usize, out: &Walks) -> Result<()> {
        self.steps.clear();
        let far = self.path.states[self.path.states.len() - 1]; // the start at least
        self.state.clear();
        self.slots.batch.state(far, &mut self.state)?;
        self.slots.begin_at(&self.state)?;
        for &action in out.actions[first..].iter().rev() {
            self.steps.push(self.slots.step(GIVEN, action)?);
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
        let width = self.inverses.len();
        for row in first..out.actions.len() {
            let columns = row * width..(row + 1) * width;
            let mask = &mut out.masks[columns.clone()];
            let twist = self.canonical.apply_row(twists, &mut out.observations, row, mask);
            if let Some(twist) = twist {
                out.actions[row] = twist.action[out.actions[row] as usize];
                let labels = &mut out.labels[columns];
                self.plain.clear();
                self.plain.extend_from_slice(labels);
                for (&label, &image) in self.plain.iter().zip(&twist.action) {
                    labels[image as usize] = label;
                }
            }
        }
    }
}

impl<V: VecEnv> Walk for Walker<V> {
    fn walk(&mut self, config: &WalkConfig<'_>, rng: &mut Rng, out: &mut Walks) -> Result<()> {
        match self.back {
            StepBack::Actions => self.wander(config.length, rng)?,
            StepBack::Drawn => self.step_back(config.length, rng)?,
        }
        self.label(config, out)
    }

    fn shorten(&mut self, state: &[f64], actions: &mut Vec<u32>, window: usize) -> Result<()> {
        self.play(state, actions)?;
        self.path.actions.clone_from(actions);
        self.shorten_path(window)?;
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
        self.path.actions.extend(actions.iter().rev().map(|&a| self.inverses[a as usize]));
        self.label(config, out)
    }
}
