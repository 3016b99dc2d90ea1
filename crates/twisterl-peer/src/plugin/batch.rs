//! Batches of copies of an environment.

use crate::rl::env::Env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use twisterl_core::env::batch::VecEnv;
use twisterl_core::env::{Start, Step, key_of_words};
use twisterl_core::rng::Rng;
use twisterl_core::space::{Action, Actions, Observations};
use twisterl_core::{Error, Result};

/// The name in messages. The host puts the name in configs before it.
pub(super) const NAME: &str = "environment";

/// A batch of copies of an environment, each with randomness of its own.
#[derive(Clone)]
pub(super) struct CopiesBatch {
    prototype: Box<dyn Env>,
    envs: Vec<Box<dyn Env>>,
    /// The number of bits of an observation.
    size: usize,
    /// The number of actions.
    actions: usize,
    /// The number of the row in which each bit was last seen, `[size]`.
    seen: Vec<u64>,
    rows: u64,
}

impl CopiesBatch {
    /// Returns a batch of `len` copies of `prototype`, whose observations have `size` bits.
    pub(super) fn new(prototype: Box<dyn Env>, len: usize, size: usize) -> Self {
        let envs = vec![prototype.clone(); len];
        let actions = prototype.num_actions();
        Self { prototype, envs, size, actions, seen: vec![0; size], rows: 0 }
    }
}

/// Returns the error for an environment that breaks a rule of the trait.
fn broken(rule: &str, found: impl ToString) -> Error {
    Error::contract(NAME, rule, found)
}

impl CopiesBatch {
    /// Appends the observation of `slot` to `observations`.
    fn observe_one(&mut self, slot: usize, observations: &mut Observations) -> Result<()> {
        let ones = self.envs[slot].observe();
        self.rows += 1;
        for &one in &ones {
            match self.seen.get_mut(one) {
                Some(row) if *row != self.rows => *row = self.rows,
                _ => {
                    let rule = format!("observe() returns different indices below {}", self.size);
                    return Err(broken(&rule, format!("{ones:?}")));
                }
            }
        }
        observations.push_with(|row| row.ones(ones));
        Ok(())
    }

    /// Appends the mask of `slot` to `masks`: all true if the episode is over and nothing is allowed any more.
    fn mask_one(&self, slot: usize, masks: &mut Vec<bool>) -> Result<()> {
        let env = &self.envs[slot];
        let mask = env.masks();
        if mask.len() != self.actions {
            let rule = format!("masks() has {} entries", self.actions);
            return Err(broken(&rule, mask.len()));
        }
        if mask.contains(&true) {
            masks.extend(mask);
        } else if env.is_final() || env.success() {
            masks.extend(mask.iter().map(|_| true));
        } else {
            return Err(broken("masks() allows an action until the episode is over", "none"));
        }
        Ok(())
    }

    /// Begins an episode of `slot` at a state.
    fn set_state(&mut self, slot: usize, state: &[f64]) -> Result<()> {
        let whole = |(i, &number): (usize, &f64)| {
            let found = || format!("{number} at position {i}");
            let is_whole = number.fract() == 0.0 && number.abs() < i64::MAX as f64;
            if is_whole { Ok(number as i64) } else { Err(Error::state("whole numbers", found())) }
        };
        let numbers = state.iter().enumerate().map(whole).collect::<Result<Vec<i64>>>()?;
        // The trait has no way to refuse a state: environments index by its numbers.
        let env = &mut self.envs[slot];
        let set = catch_unwind(AssertUnwindSafe(|| {
            env.set_state(numbers);
            env.observe();
            env.masks();
        }));
        set.map_err(|panic| {
            self.envs[slot] = self.prototype.clone();
            let told = panic.downcast_ref::<String>().map(String::as_str);
            let told = told.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
            let found = format!("{} that set_state cannot take ({told})", count(state.len()));
            Error::state("a state of the environment", found)
        })
    }
}

/// Returns a number of numbers.
fn count(numbers: usize) -> String {
    if numbers == 1 { "1 number".into() } else { format!("{numbers} numbers") }
}

impl VecEnv for CopiesBatch {
    fn name(&self) -> &str {
        NAME
    }

    fn len(&self) -> usize {
        self.envs.len()
    }

    /// Begins an episode. The environment draws its randomness itself, and has no budget for a difficulty but its own.
    fn begin(&mut self, slot: usize, start: Start<'_>, _: &mut Rng) -> Result<()> {
        match start {
            Start::Scramble { difficulty } | Start::Uniform { difficulty } => {
                self.envs[slot].set_difficulty(difficulty);
                self.envs[slot].reset();
                Ok(())
            }
            Start::State { state, .. } => self.set_state(slot, state),
        }
    }

    fn observe(
        &mut self,
        slots: &[usize],
        observations: &mut Observations,
        masks: &mut Vec<bool>,
    ) -> Result<()> {
        for &slot in slots {
            self.observe_one(slot, observations)?;
            self.mask_one(slot, masks)?;
        }
        Ok(())
    }

    fn masks(&mut self, slots: &[usize], masks: &mut Vec<bool>) -> Result<()> {
        slots.iter().try_for_each(|&slot| self.mask_one(slot, masks))
    }

    /// Takes actions. The trait does not tell a final state from an exhausted budget: both end the episode for good.
    fn step(&mut self, slots: &[usize], actions: &Actions, steps: &mut Vec<Step>) -> Result<()> {
        for (row, &slot) in slots.iter().enumerate() {
            let action = actions.row(row).index();
            if action >= self.actions {
                return Err(Error::action(format!("a choice below {}", self.actions), action));
            }
            let env = &mut self.envs[slot];
            env.step(action);
            steps.push(Step { reward: env.reward(), terminated: env.is_final(), truncated: false });
        }
        Ok(())
    }

    fn solved(&self, slot: usize) -> bool {
        self.envs[slot].success()
    }

    /// Returns an error: the trait sets states, but does not tell them.
    fn state(&self, _: usize, _: &mut Vec<f64>) -> Result<()> {
        let expected = "an environment that tells its states";
        Err(Error::config("env_cls", expected, "one that only sets them"))
    }

    fn copy(&mut self, pairs: &[(usize, usize)]) -> Result<()> {
        for &(from, to) in pairs {
            if from != to {
                self.envs[to] = self.envs[from].clone();
            }
        }
        Ok(())
    }

    fn duplicate(&self) -> Result<Box<dyn VecEnv>> {
        Ok(Box::new(self.clone()))
    }

    /// Appends keys of observations, by which policies tell states apart.
    fn keys(&self, slots: &[usize], out: &mut Vec<u64>) -> Result<()> {
        for &slot in slots {
            let mut ones = self.envs[slot].observe();
            ones.sort_unstable();
            out.push(key_of_words(ones.iter().map(|&one| one as u64)));
        }
        Ok(())
    }

    fn reported_solution(&self, slot: usize) -> Result<Option<Vec<u64>>> {
        let env = &self.envs[slot];
        let solution = || env.solution().into_iter().map(|number| number as u64).collect();
        Ok(env.track_solution().then(solution))
    }

    fn render(&self, slot: usize) -> Result<String> {
        let ones = self.envs[slot].observe();
        let shape = self.prototype.obs_shape();
        let [height, width @ 1..=MAX_WIDTH] = *shape.as_slice() else {
            return Ok(format!("{ones:?}"));
        };
        let row = |y: usize| -> String {
            (0..width).map(|x| if ones.contains(&(y * width + x)) { '1' } else { '.' }).collect()
        };
        Ok((0..height).map(row).collect::<Vec<_>>().join("\n"))
    }

    fn action_name(&self, action: Action<'_>) -> String {
        action.index().to_string()
    }
}

/// The most bits in a row of a rendered state.
const MAX_WIDTH: usize = 100;
