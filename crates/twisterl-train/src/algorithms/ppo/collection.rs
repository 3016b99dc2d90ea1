//! The collection of PPO: its rules, and its parts as workers answer them, one group of environments each.

use crate::Result;
use crate::algorithms::Iteration;
use crate::algorithms::failure_memory;
use crate::algorithms::spread::{Answer, Answers, Asked, EpisodeRow, episode_rows, episodes_of};
use crate::config::limits::MAX_STEPS;
use crate::config::{PpoConfig, PpoStarts};
use crate::data::observation_arrays;
use crate::record::snapshot::{ArrayData, Snapshot};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use twisterl_core::env::Step;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::rollout::{
    Collection, Collector, Fragment, Horizon, LiveEpisode, Starts, Trajectory,
};
use twisterl_core::space::{ActionSpace, ObservationSpace};

/// Flags of a step in an answer.
const TERMINATED: u32 = 1;
const TRUNCATED: u32 = 2;

/// The rules of all collections of a run.
pub(super) struct Rules {
    /// The number of environments.
    pub(super) slots: usize,
    pub(super) horizon: Horizon,
    max_steps: usize,
    starts: PpoStarts,
}

impl Rules {
    pub(super) fn new(config: &PpoConfig, spec: &dyn EnvSpec) -> Self {
        let collecting = &config.collecting;
        let (slots, horizon) = match collecting.num_envs {
            Some(envs) => (envs, Horizon::Steps(collecting.rollout_length)),
            None => (collecting.num_episodes, Horizon::Episodes),
        };
        Self {
            slots,
            horizon,
            max_steps: collecting.max_steps.unwrap_or(limit(config, spec)),
            starts: collecting.starts.clone(),
        }
    }

    /// Returns the collection with a key. The shares of starts depend on the share of random states that are solved, and on
    /// the states remembered.
    pub(super) fn collection<'a>(
        &self,
        evaluator: &'a dyn Evaluator,
        key: StreamKey,
        difficulty: usize,
        (success, memory): (f64, &'a [Vec<f64>]),
    ) -> Collection<'a> {
        let starts = Starts {
            difficulty,
            uniform: self.starts.uniform * success,
            mixed: self.starts.mixed,
            remembered: self.starts.failures * success,
            memory,
        };
        let Self { horizon, max_steps, .. } = *self;
        Collection { evaluator, key, starts, horizon, max_steps }
    }
}

/// Returns the default limit on the length of episodes. Whole episodes of an environment that may never end one must fit in
/// memory, too.
pub(super) fn limit(config: &PpoConfig, spec: &dyn EnvSpec) -> usize {
    let limit = spec.episode_limits().rollout;
    let collecting = &config.collecting;
    if collecting.num_envs.is_none() && spec.foreign_spec().is_some() {
        return limit.min(MAX_STEPS / collecting.num_episodes.max(1)).max(1);
    }
    limit
}

/// The state that collections continue, as questions of PPO carry it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Continued {
    /// The share of random states that were solved.
    pub(super) success: f64,
    /// The states remembered.
    pub(super) memory: Vec<Vec<f64>>,
    /// The unfinished episodes of each group, `[groups][slots]`.
    pub(super) live: Vec<Vec<LiveEpisode>>,
}

/// The worker's side of PPO.
pub struct PpoAnswers {
    rules: Rules,
    seed: u64,
    spec: Arc<dyn EnvSpec>,
    continued: Continued,
}

impl PpoAnswers {
    /// Answers questions about a run with this config and seed.
    pub fn new(config: &PpoConfig, seed: u64, spec: Arc<dyn EnvSpec>) -> Self {
        let (rules, continued) = (Rules::new(config, &*spec), Continued::default());
        Self { rules, seed, spec, continued }
    }
}

impl Answers for PpoAnswers {
    fn begin(&mut self, asked: &Asked) -> Result<()> {
        self.continued = asked.state()?;
        Ok(())
    }

    fn collect(&mut self, asked: &Asked, part: usize) -> Result<Snapshot> {
        let Continued { success, memory, live } = &self.continued;
        let Iteration { difficulty, .. } = asked.iteration;
        let key = asked.iteration.key(self.seed, Purpose::Act);
        let collection =
            self.rules.collection(&asked.executor, key, difficulty, (*success, memory));
        let live = live.get(part).cloned().unwrap_or_default();
        let slots = (self.rules.slots, part);
        Ok(write(Collector::collect_part(&*self.spec, slots, live, &collection)?))
    }

    fn search(&mut self, asked: &Asked, part: usize) -> Result<Snapshot> {
        failure_memory::answer(&self.rules.starts, self.seed, &*self.spec, asked, part)
    }
}

/// The small values of an answer.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Small {
    live: Vec<LiveEpisode>,
    episodes: Vec<EpisodeRow>,
}

/// Returns a fragment as an answer.
pub(super) fn write(fragment: Fragment) -> Snapshot {
    let Fragment { trajectory, live } = fragment;
    let flag = |set: bool, flag: u32| if set { flag } else { 0 };
    let ends = |step: &Step| flag(step.terminated, TERMINATED) | flag(step.truncated, TRUNCATED);
    let rewards = trajectory.steps.iter().map(|step| step.reward).collect();
    let ends = trajectory.steps.iter().map(ends).collect();
    let masks = trajectory.masks.iter().map(|&mask| mask.into()).collect();
    let mut arrays = Vec::new();
    observation_arrays::save(&trajectory.observations, "observations", &mut arrays);
    let named = |(name, array): (&str, ArrayData)| (name.to_owned(), array);
    arrays.extend(
        [
            ("masks", ArrayData::U32(masks)),
            ("actions.discrete", ArrayData::U32(trajectory.actions.discrete)),
            ("actions.continuous", ArrayData::F32(trajectory.actions.continuous)),
            ("log_probs", ArrayData::F32(trajectory.log_probs)),
            ("values", ArrayData::F32(trajectory.values)),
            ("rewards", ArrayData::F32(rewards)),
            ("ends", ArrayData::U32(ends)),
            ("slots", ArrayData::U32(trajectory.slots)),
            ("cut_values", ArrayData::F32(trajectory.cut_values)),
            ("last_values", ArrayData::F32(trajectory.last_values)),
        ]
        .map(named),
    );
    let episodes = episode_rows(&trajectory.episodes);
    Snapshot { state: json!(Small { live, episodes }), arrays }
}

/// Reads an answer of [`write`] about `slots` environments with these spaces.
///
/// # Errors
/// If a part is missing or does not fit.
pub(super) fn read(
    answer: &Answer,
    (observation, actions): (&ObservationSpace, &ActionSpace),
    slots: usize,
) -> Result<Fragment> {
    let Small { live, episodes } = answer.state()?;
    let arrays = answer.arrays();
    let (rewards, ends) = (arrays.floats("rewards")?, arrays.whole("ends")?);
    if rewards.len() != ends.len() {
        return Err(arrays.wrong("ends", &format!("those of {} steps", rewards.len())));
    }
    let step = |(&reward, &ends): (&f32, &u32)| Step {
        reward,
        terminated: ends & TERMINATED != 0,
        truncated: ends & TRUNCATED != 0,
    };
    let mut trajectory = Trajectory::new(actions);
    trajectory.observations = observation_arrays::load("observations", arrays)?;
    trajectory.masks = arrays.whole("masks")?.iter().map(|&mask| mask != 0).collect();
    trajectory.actions.discrete = arrays.whole("actions.discrete")?.to_vec();
    trajectory.actions.continuous = arrays.floats("actions.continuous")?.to_vec();
    trajectory.log_probs = arrays.floats("log_probs")?.to_vec();
    trajectory.values = arrays.floats("values")?.to_vec();
    trajectory.steps = rewards.iter().zip(ends).map(step).collect();
    trajectory.slots = arrays.whole("slots")?.to_vec();
    trajectory.cut_values = arrays.floats("cut_values")?.to_vec();
    trajectory.last_values = arrays.floats("last_values")?.to_vec();
    trajectory.episodes = episodes_of(&episodes);
    trajectory.check(observation, actions, slots).map_err(|error| answer.wrong(&error))?;
    Ok(Fragment { trajectory, live })
}
