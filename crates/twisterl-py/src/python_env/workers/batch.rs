//! A batch of environments in worker processes.

use super::crew::Crew;
use super::message::{Region, Request};
use super::wire::Reader;
use crate::python_env::PythonEnvSpec;
use crate::python_env::batch::{action_name, seed_of, start_of};
use std::ops::Range;
use std::sync::Arc;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::env::{Start, Step};
use twisterl_core::rng::Rng;
use twisterl_core::space::{Action, Actions, Observations};
use twisterl_core::{Error, Result};

/// A batch that is divided into parts, each of which lies in one worker.
pub struct WorkersBatch {
    name: String,
    crew: Arc<Crew>,
    parts: Vec<Part>,
    mask_width: usize,
    /// The numbers of discrete and of continuous values of an action.
    widths: (usize, usize),
    /// True for each slot whose problem is solved.
    solved: Vec<bool>,
}

/// Consecutive slots of a batch in one worker. A worker observes a state as soon as an episode gets there, so that steps and
/// observations take one message; each such observation is used once.
#[derive(Clone)]
struct Part {
    worker: usize,
    /// The number of the worker's batch.
    batch: u32,
    /// The memory for its answers.
    region: Region,
    slots: Range<usize>,
    observations: Observations,
    masks: Vec<bool>,
    /// The row of each slot in `observations` and `masks`, `None` for those that were used or do not exist.
    rows: Vec<Option<usize>>,
}

impl Part {
    fn forget(&mut self) {
        self.observations.clear();
        self.masks.clear();
        self.rows.fill(None);
    }

    /// Takes observations of `slots`, counted within the part, from an answer.
    fn keep(&mut self, slots: impl Iterator<Item = usize>, from: &mut Reader<'_>) -> Result<()> {
        // Slots that begin again and again leave rows behind that nobody uses.
        if self.observations.len() > 4 * self.rows.len() {
            self.forget();
        }
        let first = self.observations.len();
        let count = from.observations(&mut self.observations)?;
        self.masks.extend(from.bools()?);
        for (i, slot) in slots.take(count).enumerate() {
            self.rows[slot] = Some(first + i);
        }
        Ok(())
    }
}

impl WorkersBatch {
    /// Returns a batch of `len` environments: divided over all workers, or in one of them if `is_copied`.
    pub(in crate::python_env) fn new(
        spec: &PythonEnvSpec,
        crew: &Arc<Crew>,
        len: usize,
        is_copied: bool,
    ) -> Self {
        let count = if is_copied { 1 } else { crew.len().min(len).max(1) };
        // Small batches take workers in turn.
        let first = crew.next_batch() as usize;
        let part = |i: usize| {
            let slots = i * len / count..(i + 1) * len / count;
            let (worker, batch) = ((first + i) % crew.len(), crew.next_batch());
            // Rewards, flags, lengths of rows, and either indices or values, with their mask.
            let length = slots.len() * (24 + 4 * spec.size + spec.action_space.mask_width());
            let region = crew.memory.take(length as u64 + 256);
            crew.tell(worker, &Request::Open(batch, slots.len(), region));
            let rows = vec![None; slots.len()];
            let (observations, masks) = (Observations::new(), Vec::new());
            Part { worker, batch, region, slots, observations, masks, rows }
        };
        let space = &spec.action_space;
        Self {
            name: spec.name.clone(),
            crew: Arc::clone(crew),
            parts: (0..count).map(part).collect(),
            mask_width: space.mask_width(),
            widths: (space.discrete_width(), space.continuous_width()),
            solved: vec![false; len],
        }
    }

    /// Returns the part of a slot, and the slot within it.
    fn place(&self, slot: usize) -> (usize, usize) {
        // Parts are in the order of their slots, and cover all.
        let part = self.parts.partition_point(|part| part.slots.end <= slot);
        (part, slot - self.parts[part].slots.start)
    }

    /// Returns the positions in `slots` of those of each part.
    fn divide(&self, slots: &[usize], wanted: impl Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
        let mut positions = vec![Vec::new(); self.parts.len()];
        for (position, &slot) in slots.iter().enumerate() {
            let (part, local) = self.place(slot);
            if wanted(part, local) {
                positions[part].push(position);
            }
        }
        positions
    }

    /// Sends a request to each part that has positions, and lets `read` read the answers in the order of the parts.
    ///
    /// # Errors
    /// That of the first part that fails, after all have answered.
    fn exchange(
        &mut self,
        positions: &[Vec<usize>],
        request: impl Fn(&Part, &[usize]) -> Request,
        mut read: impl FnMut(&mut Part, &[usize], &mut Reader<'_>) -> Result<()>,
    ) -> Result<()> {
        let crew = Arc::clone(&self.crew);
        let parts = self.parts.iter_mut().zip(positions).filter(|(_, of)| !of.is_empty());
        let asked: Vec<_> = parts
            .map(|(part, of)| {
                let answer = crew.ask(part.worker, &request(part, of));
                (part, of, answer)
            })
            .collect();
        let mut result = Ok(());
        for (part, of, answer) in asked {
            let received = crew.receive(part.worker, &answer, |from| read(part, of, from));
            if matches!(received, Err(Error::Interrupted)) {
                return received;
            }
            result = result.and(received);
        }
        result
    }

    /// Sends a request of one part, and reads its answer.
    fn ask<T>(
        &self,
        part: usize,
        request: &Request,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T>,
    ) -> Result<T> {
        let worker = self.parts[part].worker;
        self.crew.receive(worker, &self.crew.ask(worker, request), read)
    }
}

impl Drop for WorkersBatch {
    /// Gives the environments back, for the next batches.
    fn drop(&mut self) {
        for part in &self.parts {
            self.crew.tell(part.worker, &Request::Release(part.batch));
            self.crew.memory.give_back(part.region);
        }
    }
}

impl VecEnv for WorkersBatch {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.solved.len()
    }

    fn begin(&mut self, slot: usize, start: Start<'_>, rng: &mut Rng) -> Result<()> {
        let seed = seed_of(rng);
        let (difficulty, state) = start_of(start);
        let (part, local) = self.place(slot);
        let request = Request::Begin(self.parts[part].batch, local, difficulty, seed, state);
        let worker = self.parts[part].worker;
        let answer = self.crew.ask(worker, &request);
        let crew = Arc::clone(&self.crew);
        let kept = &mut self.parts[part];
        kept.rows[local] = None;
        self.solved[slot] = crew.receive(worker, &answer, |from| {
            let solved = from.byte()? != 0;
            kept.keep(std::iter::once(local), from)?;
            Ok(solved)
        })?;
        Ok(())
    }

    fn observe(
        &mut self,
        slots: &[usize],
        observations: &mut Observations,
        masks: &mut Vec<bool>,
    ) -> Result<()> {
        let missing = self.divide(slots, |part, local| self.parts[part].rows[local].is_none());
        let local = |part: &Part, position: usize| slots[position] - part.slots.start;
        self.exchange(
            &missing,
            |part, of| Request::Observe(part.batch, of.iter().map(|&i| local(part, i)).collect()),
            |part, of, from| {
                let first = part.slots.start;
                part.keep(of.iter().map(|&i| slots[i] - first), from)
            },
        )?;
        let width = self.mask_width;
        for &slot in slots {
            let (part, local) = self.place(slot);
            let part = &mut self.parts[part];
            let row = part.rows[local].take().ok_or_else(|| {
                Error::internal(format!("a worker of {} did not observe slot {slot}", self.name))
            })?;
            observations.push_row(&part.observations, row);
            let mask = part.masks.get(row * width..(row + 1) * width);
            masks.extend(mask.ok_or_else(|| Error::internal("masks of a worker are missing"))?);
        }
        Ok(())
    }

    fn step(&mut self, slots: &[usize], actions: &Actions, steps: &mut Vec<Step>) -> Result<()> {
        let positions = self.divide(slots, |_, _| true);
        let first = steps.len();
        steps
            .resize(first + slots.len(), Step { reward: 0.0, terminated: false, truncated: false });
        let (discrete, continuous) = self.widths;
        let mut solved = std::mem::take(&mut self.solved);
        let result = self.exchange(
            &positions,
            |part, of| {
                let of_rows =
                    |width: usize| of.iter().flat_map(move |&i| i * width..(i + 1) * width);
                Request::Step(
                    part.batch,
                    of.iter().map(|&i| slots[i] - part.slots.start).collect(),
                    of_rows(discrete).map(|i| actions.discrete[i]).collect(),
                    of_rows(continuous).map(|i| actions.continuous[i]).collect(),
                )
            },
            |part, of, from| {
                let (rewards, flags) = (from.f32s()?, from.u32s()?);
                if (rewards.len(), flags.len()) != (of.len(), of.len()) {
                    return Err(Error::internal("a worker stepped other slots"));
                }
                for (i, &position) in of.iter().enumerate() {
                    let (terminated, truncated) = (flags[i] & 1 != 0, flags[i] & 2 != 0);
                    steps[first + position] = Step { reward: rewards[i], terminated, truncated };
                    solved[slots[position]] = flags[i] & 4 != 0;
                }
                part.forget();
                let goes_on = |(i, _): &(usize, &usize)| flags[*i] & 3 == 0;
                let base = part.slots.start;
                let on = of.iter().enumerate().filter(goes_on).map(|(_, &i)| slots[i] - base);
                part.keep(on, from)
            },
        );
        self.solved = solved;
        result
    }

    fn solved(&self, slot: usize) -> bool {
        self.solved[slot]
    }

    fn state(&self, slot: usize, out: &mut Vec<f64>) -> Result<()> {
        let (part, local) = self.place(slot);
        let request = Request::State(self.parts[part].batch, local);
        self.ask(part, &request, |from| {
            out.extend(from.f64s()?);
            Ok(())
        })
    }

    fn copy(&mut self, pairs: &[(usize, usize)]) -> Result<()> {
        let [part] = &mut self.parts[..] else {
            let expected = "copies within one worker, as batches for search make them";
            return Err(Error::config("algorithm.collecting.workers", expected, self.crew.len()));
        };
        let slots = pairs.iter().flat_map(|&(from, to)| [from, to]).collect();
        let (worker, request) = (part.worker, Request::Copy(part.batch, slots));
        self.crew.receive(worker, &self.crew.ask(worker, &request), |_| Ok(()))?;
        for &(from, to) in pairs {
            self.solved[to] = self.solved[from];
            part.rows[to] = None;
        }
        Ok(())
    }

    fn duplicate(&self) -> Result<Box<dyn VecEnv>> {
        let mut parts = self.parts.clone();
        for (at, part) in parts.iter_mut().enumerate() {
            part.batch = self.crew.next_batch();
            part.region = self.crew.memory.take(part.region.length);
            let request = Request::Duplicate(self.parts[at].batch, part.batch, part.region);
            self.ask(at, &request, |_| Ok(()))?;
        }
        let (name, solved) = (self.name.clone(), self.solved.clone());
        Ok(Box::new(Self { name, crew: Arc::clone(&self.crew), parts, solved, ..*self }))
    }

    fn keys(&self, slots: &[usize], out: &mut Vec<u64>) -> Result<()> {
        let first = out.len();
        out.resize(first + slots.len(), 0);
        for (part, of) in self.divide(slots, |_, _| true).into_iter().enumerate() {
            if of.is_empty() {
                continue;
            }
            let local = of.iter().map(|&i| slots[i] - self.parts[part].slots.start).collect();
            let request = Request::Keys(self.parts[part].batch, local);
            let keys = self.ask(part, &request, |from| from.u64s())?;
            for (&position, key) in of.iter().zip(keys) {
                out[first + position] = key;
            }
        }
        Ok(())
    }

    fn inverse_state(&self, slot: usize) -> Result<Option<Vec<f64>>> {
        let (part, local) = self.place(slot);
        let request = Request::InverseState(self.parts[part].batch, local);
        self.ask(part, &request, |from| {
            let is_there = from.byte()? != 0;
            Ok(Some(from.f64s()?).filter(|_| is_there))
        })
    }

    fn invert_solution(&self, slot: usize, actions: &[u32]) -> Result<Option<Vec<u32>>> {
        let (part, local) = self.place(slot);
        let request = Request::InvertSolution(self.parts[part].batch, local, actions.to_vec());
        self.ask(part, &request, |from| {
            let is_there = from.byte()? != 0;
            Ok(Some(from.u32s()?).filter(|_| is_there))
        })
    }

    fn render(&self, slot: usize) -> Result<String> {
        let (part, local) = self.place(slot);
        let request = Request::Render(self.parts[part].batch, local);
        self.ask(part, &request, |from| from.text())
    }

    fn close(&mut self) -> Result<()> {
        (0..self.parts.len()).try_for_each(|part| {
            self.ask(part, &Request::Close(self.parts[part].batch), |_| Ok(()))
        })
    }

    fn action_name(&self, action: Action<'_>) -> String {
        action_name(action)
    }
}
