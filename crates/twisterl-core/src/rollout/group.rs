//! A group of slots that step together.

use super::start::OwnedStart;
use super::trajectory::{Episode, Trajectory};
use super::{Collection, Horizon};
use crate::Result;
use crate::env::batch::VecEnv;
use crate::envs::registry::EnvSpec;
use crate::evaluator::batched::BatchedEvaluation;
use crate::evaluator::decision::Decision;
use crate::evaluator::distribution::Choice;
use crate::rng::{Purpose, Rng};
use crate::space::Action;
use serde::{Deserialize, Serialize};

/// An unfinished episode: its start and its actions, from which it can be played again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveEpisode {
    /// The start.
    pub start: OwnedStart,
    /// Iteration and index of the stream of the start.
    pub stream: (u64, u64),
    /// Discrete values of the actions so far, `[length, discrete values]`.
    pub discrete: Vec<u32>,
    /// Continuous values of the actions so far, `[length, continuous values]`.
    pub continuous: Vec<f32>,
    /// The number of steps so far.
    pub length: usize,
    /// Sum of rewards so far.
    pub total: f32,
    /// A key of the observation and the mask of the current state, by which a replay is recognised; `None` in checkpoints
    /// of older versions.
    #[serde(default)]
    pub observed: Option<u64>,
}

impl Default for LiveEpisode {
    fn default() -> Self {
        Self {
            start: OwnedStart::Scramble { difficulty: 0 },
            stream: (0, 0),
            discrete: Vec::new(),
            continuous: Vec::new(),
            length: 0,
            total: 0.0,
            observed: None,
        }
    }
}

/// A group of slots with its working memory.
pub(super) struct SlotGroup {
    index: usize,
    pub(super) env: Box<dyn VecEnv>,
    pub(super) live: Vec<LiveEpisode>,
    /// Slots without an episode under way: the next collection begins one.
    pub(super) anew: Vec<usize>,
    active: Vec<usize>,
    decision: Decision,
    /// States in which episodes were truncated, and the rows of the trajectory that led there.
    cut: BatchedEvaluation,
    cut_rows: Vec<usize>,
    /// The number of starts drawn in this collection.
    begun: u64,
    pub(super) trajectory: Trajectory,
}

impl SlotGroup {
    pub(super) fn new(spec: &dyn EnvSpec, index: usize, len: usize) -> Self {
        let space = spec.action_space();
        Self {
            index,
            env: spec.batch(len),
            live: Vec::new(),
            anew: Vec::new(),
            active: Vec::new(),
            decision: Decision::new(&space),
            cut: BatchedEvaluation::new(&space),
            cut_rows: Vec::new(),
            begun: 0,
            trajectory: Trajectory::new(&space),
        }
    }

    /// Begins the next episode of `slot`. If all starts drawn are solved, the episode is solved in 0 steps, and the slot
    /// rests until the next collection.
    fn begin(&mut self, slot: usize, collection: &Collection<'_>) -> Result<()> {
        let Self { env, begun, .. } = self;
        let first = (self.index as u64) << 40;
        let key = |_| {
            let key = collection.key.at(first | *begun);
            *begun += 1;
            key
        };
        let (start, key) = collection.starts.begin_unsolved(key, |start, rng| {
            env.begin(slot, start, rng)?;
            Ok(env.solved(slot))
        })?;
        let live = &mut self.live[slot];
        live.start = start;
        live.stream = (key.iteration, key.index);
        live.discrete.clear();
        live.continuous.clear();
        live.length = 0;
        live.total = 0.0;
        live.observed = None;
        if self.env.solved(slot) {
            let difficulty = live.start.scramble_difficulty();
            let solved = Episode { difficulty, length: 0, total: 0.0, solved: true };
            self.trajectory.episodes.push(solved);
            self.anew.push(slot);
        }
        Ok(())
    }

    pub(super) fn collect(&mut self, collection: &Collection<'_>) -> Result<()> {
        let mut rng = collection.key.purpose(Purpose::Act).at(self.index as u64).stream();
        self.trajectory.clear();
        self.cut.clear();
        self.cut_rows.clear();
        self.begun = 0;
        let len = self.env.len();
        if self.live.len() != len || collection.horizon == Horizon::Episodes {
            self.live.resize_with(len, LiveEpisode::default);
            self.anew.clear();
            self.anew.extend(0..len);
        }
        for slot in std::mem::take(&mut self.anew) {
            self.begin(slot, collection)?;
        }
        self.active.clear();
        self.active.extend((0..len).filter(|slot| !self.anew.contains(slot)));
        let mut step = 0;
        while !self.active.is_empty() && collection.horizon != Horizon::Steps(step) {
            self.step(collection, &mut rng)?;
            step += 1;
        }
        self.bootstrap(collection)
    }

    fn step(&mut self, collection: &Collection<'_>, rng: &mut Rng) -> Result<()> {
        let Self { env, active, decision, trajectory, .. } = self;
        decision.decide(&mut **env, active, collection.evaluator, Choice::Sample, rng)?;
        let first = trajectory.len();
        env.step(active, &decision.actions, &mut trajectory.steps)?;
        trajectory.observations.extend(&decision.evaluated.observations);
        trajectory.masks.extend_from_slice(&decision.evaluated.masks);
        trajectory.actions.extend(&decision.samples);
        trajectory.log_probs.extend_from_slice(&decision.log_probs);
        trajectory.values.extend_from_slice(decision.evaluated.values());
        trajectory.slots.extend(active.iter().map(|&s| s as u32));
        trajectory.cut_values.resize(trajectory.steps.len(), 0.0);
        for i in 0..self.active.len() {
            self.account(i, first + i, collection)?;
        }
        if collection.horizon == Horizon::Episodes {
            let mut steps = self.trajectory.steps[first..].iter();
            self.active.retain(|_| steps.next().is_some_and(|step| !step.done()));
        } else if !self.anew.is_empty() {
            self.active.retain(|slot| !self.anew.contains(slot));
        }
        Ok(())
    }

    /// Updates the episode of the `i`-th active slot by transition `row`, which it truncates if the episode is too long.
    fn account(&mut self, i: usize, row: usize, collection: &Collection<'_>) -> Result<()> {
        let (slot, step) = (self.active[i], &mut self.trajectory.steps[row]);
        let live = &mut self.live[slot];
        live.length += 1;
        step.truncated |= live.length >= collection.max_steps && !step.terminated;
        let step = *step;
        live.total += step.reward;
        if !step.done() {
            if let Horizon::Steps(_) = collection.horizon {
                match self.decision.actions.row(i) {
                    Action::Discrete(a) => live.discrete.push(a as u32),
                    Action::Parts { discrete, continuous } => {
                        live.discrete.extend_from_slice(discrete);
                        live.continuous.extend_from_slice(continuous);
                    }
                }
            }
            return Ok(());
        }
        self.trajectory.episodes.push(Episode {
            difficulty: live.start.scramble_difficulty(),
            length: live.length,
            total: live.total,
            solved: self.env.solved(slot),
        });
        if step.truncated && !step.terminated {
            let cut = &mut self.cut;
            self.env.observe(&[slot], &mut cut.observations, &mut cut.masks)?;
            self.cut_rows.push(row);
        }
        if let Horizon::Steps(_) = collection.horizon {
            self.begin(slot, collection)?;
        }
        Ok(())
    }

    /// Evaluates the states of truncated episodes and the last states of the slots, in one batch each.
    fn bootstrap(&mut self, collection: &Collection<'_>) -> Result<()> {
        self.cut.evaluate(collection.evaluator)?;
        for (&row, &value) in self.cut_rows.iter().zip(self.cut.values()) {
            self.trajectory.cut_values[row] = value;
        }
        let last = &mut self.decision.evaluated;
        last.observe(&mut *self.env, &self.active)?;
        if let Horizon::Steps(_) = collection.horizon {
            for (row, &slot) in self.active.iter().enumerate() {
                self.live[slot].observed = Some(last.key(row));
            }
        }
        last.evaluate(collection.evaluator)?;
        self.trajectory.last_values.resize(self.env.len(), 0.0);
        for (&slot, &value) in self.active.iter().zip(last.values()) {
            self.trajectory.last_values[slot] = value;
        }
        Ok(())
    }
}
