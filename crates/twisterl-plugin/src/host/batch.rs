//! Batches of environments of plugins: one call a batch.

use super::Function;
use super::layout::{Buffer, numbers};
use super::plugin::{Plugin, Read};
use super::session::Session;
use crate::abi::{NONE, flag, start};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use twisterl_core::env::batch::VecEnv;
use twisterl_core::env::{Start, Step, key_of_words};
use twisterl_core::rng::{Rng, next_key};
use twisterl_core::space::{Action, Actions, Observations};
use twisterl_core::{Error, Result};

/// The bound on the numbers of a reported solution, up to which they are exact.
const MOST_REPORTED: f64 = (1u64 << 53) as f64;

/// A batch of environments of a plugin. The instance is made when the first episode begins.
pub(super) struct PluginBatch {
    plugin: Arc<Plugin>,
    read: Read,
    session: Mutex<Option<Session>>,
    /// True for each slot whose state is solved.
    solved: Vec<bool>,
    /// The bound on the return of the rest of each episode, NaN for none.
    best: Vec<f32>,
    /// The number of the next key of a state that nobody can compare with others.
    fresh: AtomicU64,
}

impl PluginBatch {
    pub(super) fn new(plugin: &Arc<Plugin>, len: usize) -> Self {
        Self {
            plugin: Arc::clone(plugin),
            read: Read::default(),
            session: Mutex::new(None),
            solved: vec![false; len],
            best: vec![f32::NAN; len],
            fresh: AtomicU64::new(0),
        }
    }

    /// Works with the instance, which is made first if there is none.
    fn work<T>(&mut self, work: impl FnOnce(&mut Session, &Plugin) -> Result<T>) -> Result<T> {
        let session = self.session.get_mut().unwrap_or_else(PoisonError::into_inner);
        let session = match session {
            Some(session) => session,
            None => session.insert(self.plugin.session(self.solved.len())?),
        };
        work(session, &self.plugin)
    }

    /// Works with the instance of a batch that has begun.
    fn look<T>(&self, work: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let none = || self.plugin.broken("episodes begin before they are looked at", "none has");
        work(session.as_mut().ok_or_else(none)?)
    }
}

impl VecEnv for PluginBatch {
    fn name(&self) -> &str {
        &self.plugin.name
    }

    fn len(&self) -> usize {
        self.solved.len()
    }

    fn begin(&mut self, slot: usize, start: Start<'_>, rng: &mut Rng) -> Result<()> {
        let key = next_key(rng);
        let mut best = std::mem::take(&mut self.best);
        let begun = self.work(|session, plugin| {
            let of = |difficulty: usize| i32::try_from(difficulty).unwrap_or(i32::MAX);
            session.write(Buffer::Key, key.iter().map(|&byte| [byte]))?;
            let (kind, difficulty) = match start {
                Start::Scramble { difficulty } => (start::SCRAMBLE, of(difficulty)),
                Start::Uniform { difficulty } if plugin.description.uniform => {
                    (start::UNIFORM, of(difficulty))
                }
                Start::Uniform { difficulty } => (start::SCRAMBLE, of(difficulty)),
                Start::State { state, difficulty } => {
                    let most = plugin.description.state;
                    if most == 0 {
                        return Err(Error::state(
                            "an environment whose state can be set",
                            "another",
                        ));
                    }
                    if state.len() > most {
                        return Err(Error::state(format!("at most {most} numbers"), state.len()));
                    }
                    session.write_slots(std::iter::once(state.len()))?;
                    session
                        .write(Buffer::State, state.iter().map(|number| number.to_le_bytes()))?;
                    (start::STATE, difficulty.map_or(start::FULL_BUDGET, of))
                }
            };
            let flags = session.begin(slot as i32, kind, difficulty)?;
            let solved = flag::SOLVED as usize;
            if flags != 0 && flags != solved {
                let found = format!("result {flags}");
                return Err(plugin.broken("a start is solved or not", found));
            }
            session.read_best(1, &mut best, &[slot])?;
            Ok(flags == solved)
        });
        self.best = best;
        self.solved[slot] = begun?;
        Ok(())
    }

    fn observe(
        &mut self,
        slots: &[usize],
        observations: &mut Observations,
        masks: &mut Vec<bool>,
    ) -> Result<()> {
        if slots.is_empty() {
            return Ok(());
        }
        let mut read = std::mem::take(&mut self.read);
        let observed = self.work(|session, plugin| {
            session.write_slots(slots.iter().copied())?;
            session.done(Function::Observe, &[slots.len() as i32], slots.len())?;
            plugin.read_observations(session, slots.len(), &mut read, observations)?;
            plugin.read_masks(session, slots.len(), masks)
        });
        self.read = read;
        observed
    }

    fn step(&mut self, slots: &[usize], actions: &Actions, steps: &mut Vec<Step>) -> Result<()> {
        if slots.is_empty() {
            return Ok(());
        }
        self.plugin.check_choices(actions)?;
        let (mut solved, mut best) =
            (std::mem::take(&mut self.solved), std::mem::take(&mut self.best));
        let stepped = self.work(|session, plugin| {
            let rows = slots.len();
            session.write_slots(slots.iter().copied())?;
            session.write(Buffer::Discrete, actions.discrete.iter().map(|n| n.to_le_bytes()))?;
            session
                .write(Buffer::Continuous, actions.continuous.iter().map(|x| x.to_le_bytes()))?;
            session.done(Function::Step, &[rows as i32], rows)?;
            let instance = &*session.instance;
            let rewards =
                numbers(instance, session.buffer(Buffer::Rewards)?, rows, f32::from_le_bytes)?;
            let flags =
                numbers(instance, session.buffer(Buffer::Flags)?, rows, i32::from_le_bytes)?;
            for ((reward, flags), &slot) in rewards.zip(flags).zip(slots) {
                steps.push(plugin.step(reward, flags)?);
                solved[slot] = flags & flag::SOLVED != 0;
            }
            session.read_best(rows, &mut best, slots)
        });
        (self.solved, self.best) = (solved, best);
        stepped
    }

    fn solved(&self, slot: usize) -> bool {
        self.solved[slot]
    }

    fn state(&self, slot: usize, out: &mut Vec<f64>) -> Result<()> {
        if !self.plugin.tells_states() {
            let expected = "an environment that tells its states";
            let sets = self.plugin.description.state > 0;
            let which = if sets { "which only sets them" } else { "which has none" };
            let found = format!("{}, {which}", self.plugin.name);
            return Err(Error::config("env_cls", expected, found));
        }
        self.look(|session| {
            let count = session.count(Function::State, &[slot as i32], 1)?;
            self.plugin.check_state(count)?;
            session.read_state(count, out)
        })
    }

    fn copy(&mut self, pairs: &[(usize, usize)]) -> Result<()> {
        // The buffer has room for as many pairs as there are slots.
        for pairs in pairs.chunks(self.solved.len().max(1)) {
            self.work(|session, _| {
                session.write_slots(pairs.iter().flat_map(|&(from, to)| [from, to]))?;
                session.done(Function::Copy, &[pairs.len() as i32], pairs.len())
            })?;
        }
        for &(from, to) in pairs {
            self.solved[to] = self.solved[from];
            self.best[to] = self.best[from];
        }
        Ok(())
    }

    fn duplicate(&self) -> Result<Box<dyn VecEnv>> {
        let session = self.look(|session| {
            let copy = session.instance.duplicate()?.ok_or_else(|| {
                let found = format!("one that cannot, {}", self.plugin.name);
                Error::config("env_cls", "an environment that can be copied", found)
            })?;
            session.copied(copy)
        })?;
        Ok(Box::new(Self {
            plugin: Arc::clone(&self.plugin),
            read: Read::default(),
            session: Mutex::new(Some(session)),
            solved: self.solved.clone(),
            best: self.best.clone(),
            fresh: AtomicU64::new(self.fresh.load(Ordering::Relaxed)),
        }))
    }

    fn keys(&self, slots: &[usize], out: &mut Vec<u64>) -> Result<()> {
        if !self.plugin.module.has(Function::Keys) && !self.plugin.tells_states() {
            // Nobody can tell which states are equal: each counts as another.
            let number = || self.fresh.fetch_add(1, Ordering::Relaxed);
            out.extend(slots.iter().map(|_| key_of_words(std::iter::once(number()))));
            return Ok(());
        }
        if !self.plugin.module.has(Function::Keys) {
            let mut state = Vec::new();
            for &slot in slots {
                state.clear();
                self.state(slot, &mut state)?;
                out.push(key_of_words(state.iter().map(|number| number.to_bits())));
            }
            return Ok(());
        }
        if slots.is_empty() {
            return Ok(());
        }
        self.look(|session| {
            session.write_slots(slots.iter().copied())?;
            session.done(Function::Keys, &[slots.len() as i32], slots.len())?;
            let address = session.buffer(Buffer::Keys)?;
            out.extend(numbers(&*session.instance, address, slots.len(), u64::from_le_bytes)?);
            Ok(())
        })
    }

    fn best_return(&self, slot: usize) -> Option<f32> {
        self.best.get(slot).copied().filter(|best| !best.is_nan())
    }

    fn twisted_state(&self, slot: usize, index: usize) -> Result<Option<Vec<f64>>> {
        if !self.plugin.module.has(Function::TwistedState) {
            let expected = "an environment that tells the images of its states under twists";
            return Err(Error::config("env_cls", expected, &self.plugin.name));
        }
        self.look(|session| {
            let count = session.count(Function::TwistedState, &[slot as i32, index as i32], 1)?;
            self.plugin.check_state(count)?;
            let mut state = Vec::new();
            session.read_state(count, &mut state)?;
            Ok(Some(state))
        })
    }

    fn inverse_state(&self, slot: usize) -> Result<Option<Vec<f64>>> {
        if !self.plugin.module.has(Function::InverseState) {
            return Ok(None);
        }
        self.look(|session| {
            let count = session.count_or(Function::InverseState, &[slot as i32], NONE)?;
            let Some(count) = count else { return Ok(None) };
            self.plugin.check_state(count)?;
            let mut state = Vec::new();
            session.read_state(count, &mut state)?;
            Ok(Some(state))
        })
    }

    fn invert_solution(&self, slot: usize, actions: &[u32]) -> Result<Option<Vec<u32>>> {
        if !self.plugin.module.has(Function::InvertSolution) {
            let inverses = &self.plugin.description.inverses;
            let inverse = |&action: &u32| inverses.get(action as usize).copied().flatten();
            return Ok(actions.iter().rev().map(inverse).collect());
        }
        let inverted = self.look(|session| session.invert_solution(slot as i32, actions))?;
        let choices = self.plugin.actions.single_discrete().unwrap_or(0);
        match inverted.iter().flatten().find(|&&action| action as usize >= choices) {
            Some(other) => {
                let rule = "an inverted solution consists of actions";
                Err(self.plugin.broken(rule, other))
            }
            None => Ok(inverted),
        }
    }

    fn reported_solution(&self, slot: usize) -> Result<Option<Vec<u64>>> {
        if !self.plugin.module.has(Function::Solution) {
            return Ok(None);
        }
        self.look(|session| {
            let Some(count) = session.count_or(Function::Solution, &[slot as i32], NONE)? else {
                return Ok(None);
            };
            self.plugin.check_state(count)?;
            let mut numbers = Vec::new();
            session.read_state(count, &mut numbers)?;
            let whole =
                |number: &f64| number.fract() == 0.0 && (0.0..MOST_REPORTED).contains(number);
            if let Some(other) = numbers.iter().find(|number| !whole(number)) {
                let rule = "a solution consists of whole numbers below 2^53";
                return Err(self.plugin.broken(rule, other));
            }
            Ok(Some(numbers.iter().map(|&number| number as u64).collect()))
        })
    }

    fn render(&self, slot: usize) -> Result<String> {
        self.look(|session| session.text(Function::Render, &[slot as i32]))
    }

    fn action_name(&self, action: Action<'_>) -> String {
        let named = self.look(|session| {
            let (discrete, continuous): (Vec<u32>, &[f32]) = match action {
                Action::Discrete(index) => (vec![index as u32], &[]),
                Action::Parts { discrete, continuous } => (discrete.to_vec(), continuous),
            };
            let first = discrete.first().map_or(0, |&choice| choice as i32);
            session.write(Buffer::Discrete, discrete.iter().map(|n| n.to_le_bytes()))?;
            session.write(Buffer::Continuous, continuous.iter().map(|x| x.to_le_bytes()))?;
            session.text(Function::ActionName, &[first])
        });
        // The name is for people; an environment that gives none is played all the same.
        named.unwrap_or_else(|_| match action {
            Action::Discrete(index) => index.to_string(),
            Action::Parts { discrete, continuous } => format!("{discrete:?} {continuous:?}"),
        })
    }
}
