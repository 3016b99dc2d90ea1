//! Collecting transitions: many episodes in lock step, in fixed groups that threads share out.

use crate::act::{Choice, Decision};
use crate::batch::VecEnv;
use crate::env::{Start, Step};
use crate::evaluator::Evaluator;
use crate::registry::EnvSpec;
use crate::rng::{Purpose, Rng, stream};
use crate::space::{Action, ActionSpace, Actions, Observations};
use crate::{Error, Result};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

/// Slots that step together. Fixed, so that results do not depend on the number of threads.
pub const GROUP: usize = 64;
/// How often a start that is already solved is drawn again.
const REDRAWS: u64 = 64;

/// How much one collection gathers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Horizon {
    /// One whole episode in each slot.
    Episodes,
    /// This many steps in each slot; episodes go on from one collection to the next.
    Steps(usize),
}

/// Where training episodes start: shares of each kind, the rest being scrambles of `difficulty`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Starts<'a> {
    /// The current difficulty.
    pub difficulty: usize,
    /// Share of states drawn uniformly.
    pub uniform: f64,
    /// Share of scrambles of a difficulty drawn uniformly from 1 to the current one.
    pub mixed: f64,
    /// Share of `memory`, while there is any.
    pub remembered: f64,
    /// States to start from.
    pub memory: &'a [Vec<f64>],
}

impl Starts<'_> {
    fn draw(&self, rng: &mut Rng) -> OwnedStart {
        let mut dice = rng.random::<f64>();
        if dice < self.remembered && !self.memory.is_empty() {
            let state = self.memory.get(rng.random_range(0..self.memory.len()));
            return OwnedStart::State { state: state.cloned().unwrap_or_default() };
        }
        dice -= self.remembered;
        if (0.0..self.uniform).contains(&dice) {
            return OwnedStart::Uniform { difficulty: self.difficulty };
        }
        dice -= self.uniform;
        let difficulty = if (0.0..self.mixed).contains(&dice) {
            rng.random_range(1..=self.difficulty.max(1))
        } else {
            self.difficulty
        };
        OwnedStart::Scramble { difficulty }
    }
}

/// What all groups of one collection share.
#[derive(Clone, Copy)]
pub struct Collection<'a> {
    /// The acting policy.
    pub evaluator: &'a dyn Evaluator,
    /// Seed of the run.
    pub seed: u64,
    /// Number of the collection within the run.
    pub iteration: u64,
    /// Where episodes start.
    pub starts: Starts<'a>,
    /// How much to gather.
    pub horizon: Horizon,
}

/// [`Start`] with its own state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OwnedStart {
    /// See [`Start::Scramble`].
    Scramble {
        /// The difficulty.
        difficulty: usize,
    },
    /// See [`Start::Uniform`].
    Uniform {
        /// The difficulty whose budget holds.
        difficulty: usize,
    },
    /// See [`Start::State`].
    State {
        /// The state.
        state: Vec<f64>,
    },
}

impl OwnedStart {
    fn borrow(&self) -> Start<'_> {
        match self {
            Self::Scramble { difficulty } => Start::Scramble { difficulty: *difficulty },
            Self::Uniform { difficulty } => Start::Uniform { difficulty: *difficulty },
            Self::State { state } => Start::State(state),
        }
    }
}

/// An episode under way, as far as it takes to play it again: environments are deterministic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveEpisode {
    /// How it began.
    pub start: OwnedStart,
    /// The collection in which it began, and the index of its stream there.
    pub stream: (u64, u64),
    /// Discrete choices so far, step after step.
    pub discrete: Vec<u32>,
    /// Continuous values so far.
    pub continuous: Vec<f32>,
    /// Steps so far.
    pub length: usize,
    /// Sum of rewards so far.
    pub total: f32,
}

/// A finished episode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Episode {
    /// The difficulty, if it began with a scramble.
    pub difficulty: Option<usize>,
    /// Steps.
    pub length: usize,
    /// Undiscounted sum of rewards.
    pub total: f32,
    /// Whether it ended solved.
    pub solved: bool,
}

/// The transitions of one group, structure of arrays, rows in order of time. Memory is reused.
#[derive(Debug, Clone)]
pub struct Trajectory {
    /// What was seen before each action.
    pub observations: Observations,
    /// What was allowed, rows x mask width.
    pub masks: Vec<bool>,
    /// What was done.
    pub actions: Actions,
    /// Its log-probability.
    pub log_probs: Vec<f32>,
    /// The value seen before it.
    pub values: Vec<f32>,
    /// What it gave.
    pub steps: Vec<Step>,
    /// The slot of each row.
    pub slots: Vec<u32>,
    /// Value of the state that a truncated row led to; 0 for all other rows.
    pub cut_values: Vec<f32>,
    /// Value of the state in which each slot stands at the end; 0 where its episode is over.
    pub last_values: Vec<f32>,
    /// The episodes that ended, in order of time.
    pub episodes: Vec<Episode>,
}

impl Trajectory {
    fn new(space: &ActionSpace) -> Self {
        Self {
            observations: Observations::new(),
            masks: Vec::new(),
            actions: Actions::new(space),
            log_probs: Vec::new(),
            values: Vec::new(),
            steps: Vec::new(),
            slots: Vec::new(),
            cut_values: Vec::new(),
            last_values: Vec::new(),
            episodes: Vec::new(),
        }
    }

    /// The number of transitions.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    fn clear(&mut self) {
        self.observations.clear();
        self.masks.clear();
        self.actions.clear();
        self.log_probs.clear();
        self.values.clear();
        self.steps.clear();
        self.slots.clear();
        self.cut_values.clear();
        self.last_values.clear();
        self.episodes.clear();
    }

    /// Lambda-returns and advantages by generalised advantage estimation (Schulman et al. 2016, eq. 16), appended
    /// row by row: `delta_t = r_t + gamma V(s_t+1) - V(s_t)`, `A_t = delta_t + gamma lambda A_t+1`, return `A_t + V(s_t)`.
    /// A terminated row has no successor; a truncated one, and the last of a slot, bootstrap from the value reached.
    pub fn advantages(
        &self,
        gamma: f32,
        lambda: f32,
        advantages: &mut Vec<f32>,
        returns: &mut Vec<f32>,
    ) {
        let first = advantages.len();
        advantages.resize(first + self.len(), 0.0);
        returns.resize(first + self.len(), 0.0);
        let out = advantages[first..].iter_mut().zip(&mut returns[first..]);
        // What follows in each slot: (value, advantage) of its next row.
        let mut next: Vec<(f32, f32)> = self.last_values.iter().map(|&v| (v, 0.0)).collect();
        let rows = self.steps.iter().zip(&self.slots).zip(&self.values).zip(&self.cut_values);
        for ((((step, &slot), &value), &cut), (advantage, ret)) in rows.zip(out).rev() {
            let Some(next) = next.get_mut(slot as usize) else { continue };
            let (next_value, next_advantage) = match step {
                Step { terminated: true, .. } => (0.0, 0.0),
                Step { truncated: true, .. } => (cut, 0.0),
                _ => *next,
            };
            *advantage = step.reward + gamma * (next_value + lambda * next_advantage) - value;
            *ret = *advantage + value;
            *next = (value, *advantage);
        }
    }
}

/// One group of slots with all its memory.
struct Group {
    index: usize,
    env: Box<dyn VecEnv>,
    live: Vec<LiveEpisode>,
    active: Vec<usize>,
    decision: Decision,
    cut: Observations,
    cut_rows: Vec<usize>,
    cut_masks: Vec<bool>,
    begun: u64,
    trajectory: Trajectory,
}

impl Group {
    fn new(spec: &dyn EnvSpec, index: usize, len: usize) -> Result<Self> {
        let space = spec.action_space();
        Ok(Self {
            index,
            env: spec.batch(len),
            live: Vec::new(),
            active: Vec::new(),
            decision: Decision::new(&space)?,
            cut: Observations::new(),
            cut_rows: Vec::new(),
            cut_masks: Vec::new(),
            begun: 0,
            trajectory: Trajectory::new(&space),
        })
    }

    /// Begins the next episode of `slot`; a start that is solved already is drawn again.
    fn begin(&mut self, slot: usize, collection: &Collection<'_>) -> Result<()> {
        let Collection { seed, iteration, starts, .. } = collection;
        for _ in 0..REDRAWS {
            let index = ((self.index as u64) << 40) | self.begun;
            self.begun += 1;
            let start = starts.draw(&mut stream(*seed, Purpose::Choice, *iteration, index));
            let mut rng = stream(*seed, Purpose::Start, *iteration, index);
            self.env.begin(slot, start.borrow(), &mut rng)?;
            if let Some(live) = self.live.get_mut(slot) {
                live.start = start;
                live.stream = (*iteration, index);
                live.discrete.clear();
                live.continuous.clear();
                live.length = 0;
                live.total = 0.0;
            }
            if !self.env.solved(slot) {
                break;
            }
        }
        Ok(())
    }

    fn collect(&mut self, collection: &Collection<'_>) -> Result<()> {
        let mut rng =
            stream(collection.seed, Purpose::Act, collection.iteration, self.index as u64);
        self.trajectory.clear();
        self.cut.clear();
        self.cut_rows.clear();
        self.begun = 0;
        let len = self.env.len();
        if self.live.len() != len || collection.horizon == Horizon::Episodes {
            self.live.resize_with(len, || LiveEpisode {
                start: OwnedStart::Scramble { difficulty: 0 },
                stream: (0, 0),
                discrete: Vec::new(),
                continuous: Vec::new(),
                length: 0,
                total: 0.0,
            });
            for slot in 0..len {
                self.begin(slot, collection)?;
            }
        }
        self.active.clear();
        self.active.extend(0..len);
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
        trajectory.observations.extend(&decision.observations);
        trajectory.masks.extend_from_slice(&decision.masks);
        trajectory.actions.extend(&decision.actions);
        trajectory.log_probs.extend_from_slice(&decision.log_probs);
        trajectory.values.extend_from_slice(&decision.evaluation.values);
        trajectory.slots.extend(active.iter().map(|&s| s as u32));
        trajectory.cut_values.resize(trajectory.steps.len(), 0.0);
        for i in 0..self.active.len() {
            self.account(i, first + i, collection)?;
        }
        if collection.horizon == Horizon::Episodes {
            let steps = &self.trajectory.steps[first..];
            let mut done = steps.iter().map(Step::done);
            self.active.retain(|_| !done.next().unwrap_or(true));
        }
        Ok(())
    }

    /// Books transition `row`, made in the `i`-th active slot.
    fn account(&mut self, i: usize, row: usize, collection: &Collection<'_>) -> Result<()> {
        let (Some(&slot), Some(&step)) = (self.active.get(i), self.trajectory.steps.get(row))
        else {
            return Ok(());
        };
        let Some(live) = self.live.get_mut(slot) else { return Ok(()) };
        live.length += 1;
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
            difficulty: match live.start {
                OwnedStart::Scramble { difficulty } => Some(difficulty),
                _ => None,
            },
            length: live.length,
            total: live.total,
            solved: self.env.solved(slot),
        });
        if step.truncated && !step.terminated {
            self.cut_masks.clear();
            self.env.observe(&[slot], &mut self.cut, &mut self.cut_masks)?;
            self.cut_rows.push(row);
        }
        if let Horizon::Steps(_) = collection.horizon {
            self.begin(slot, collection)?;
        }
        Ok(())
    }

    /// Evaluates, in one batch each, where truncated episodes and the slots at the end have come to.
    fn bootstrap(&mut self, collection: &Collection<'_>) -> Result<()> {
        collection.evaluator.evaluate(&self.cut, &mut self.decision.evaluation)?;
        for (&row, &value) in self.cut_rows.iter().zip(&self.decision.evaluation.values) {
            if let Some(cut) = self.trajectory.cut_values.get_mut(row) {
                *cut = value;
            }
        }
        self.decision.look(&mut *self.env, &self.active, collection.evaluator)?;
        self.trajectory.last_values.resize(self.env.len(), 0.0);
        for (&slot, &value) in self.active.iter().zip(&self.decision.evaluation.values) {
            if let Some(last) = self.trajectory.last_values.get_mut(slot) {
                *last = value;
            }
        }
        Ok(())
    }

    /// Plays a recorded episode again, up to where it stood.
    fn replay(
        &mut self,
        slot: usize,
        live: LiveEpisode,
        space: &ActionSpace,
        seed: u64,
    ) -> Result<()> {
        let mut rng = stream(seed, Purpose::Start, live.stream.0, live.stream.1);
        self.env.begin(slot, live.start.borrow(), &mut rng)?;
        let mut actions = Actions::new(space);
        let mut steps = Vec::new();
        for t in 0..live.length {
            let part = |width: usize| t * width..(t + 1) * width;
            actions.clear();
            let discrete = live.discrete.get(part(space.discrete_width()));
            let continuous = live.continuous.get(part(space.continuous_width()));
            actions.discrete.extend_from_slice(discrete.unwrap_or(&[]));
            actions.continuous.extend_from_slice(continuous.unwrap_or(&[]));
            space.check(actions.row(0))?;
            steps.clear();
            self.env.step(&[slot], &actions, &mut steps)?;
            if steps.iter().any(Step::done) {
                return Err(Error::state(
                    "an episode under way",
                    format!("one that ends at step {t}"),
                ));
            }
        }
        self.live.push(live);
        Ok(())
    }
}

/// Collects transitions from a fixed number of slots.
pub struct Collector {
    groups: Vec<Group>,
    space: ActionSpace,
    slots: usize,
}

impl Collector {
    /// `slots` environments of `spec`.
    ///
    /// # Errors
    /// If the action space has parts that cannot be played.
    pub fn new(spec: &dyn EnvSpec, slots: usize) -> Result<Self> {
        let groups = (0..slots.div_ceil(GROUP))
            .map(|i| Group::new(spec, i, GROUP.min(slots - i * GROUP)))
            .collect::<Result<_>>()?;
        Ok(Self { groups, space: spec.action_space(), slots })
    }

    /// Gathers as `collection` says, on the threads of the current rayon pool. The result does not depend on
    /// their number.
    ///
    /// # Errors
    /// The first error of the first group that failed.
    pub fn collect(&mut self, collection: &Collection<'_>) -> Result<()> {
        #[cfg(feature = "parallel")]
        {
            use rayon::prelude::*;
            self.groups.par_iter_mut().map(|g| g.collect(collection)).reduce(|| Ok(()), Result::and)
        }
        #[cfg(not(feature = "parallel"))]
        self.groups.iter_mut().try_for_each(|g| g.collect(collection))
    }

    /// What the last collection gathered, group by group.
    pub fn trajectories(&self) -> impl Iterator<Item = &Trajectory> {
        self.groups.iter().map(|g| &g.trajectory)
    }

    /// The episodes under way, slot by slot; none where the next collection begins anew.
    pub fn live(&self) -> Vec<LiveEpisode> {
        self.groups.iter().flat_map(|g| g.live.iter().cloned()).collect()
    }

    /// Brings the slots back to where [`live`](Self::live) found them, by playing those episodes again.
    ///
    /// # Errors
    /// If the episodes do not fit the environment or the number of slots.
    pub fn restore(&mut self, live: Vec<LiveEpisode>, seed: u64) -> Result<()> {
        if live.is_empty() {
            return Ok(());
        }
        if live.len() != self.slots {
            return Err(Error::state(format!("{} episodes under way", self.slots), live.len()));
        }
        let mut live = live.into_iter();
        for group in &mut self.groups {
            group.live.clear();
            for (slot, episode) in live.by_ref().take(group.env.len()).enumerate() {
                group.replay(slot, episode, &self.space, seed)?;
            }
        }
        Ok(())
    }
}
