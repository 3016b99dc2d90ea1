//! Proximal policy optimization (Schulman et al. 2017), from top to bottom in the order in which it runs: collect with
//! the current policy, estimate advantages, then several epochs of clipped updates on minibatches.

use crate::Result;
use crate::algorithms::failure_memory::{FailureMemory, FailureMemoryState};
use crate::algorithms::phase_timer::PhaseTimer;
use crate::algorithms::policy_in_training::PolicyInTraining;
use crate::algorithms::policy_optimizer::{PolicyOptimizer, Shuffle, UpdatePlan, Updated};
use crate::algorithms::{Algorithm, Iteration, IterationOutput, MAX_STEPS_FIELD, by_returns};
use crate::config::limits::MAX_STEPS;
use crate::config::{PpoConfig, PpoTraining, Schedule};
use crate::data::batch::Batch;
use crate::data::reward_scaling::RewardScaler;
use crate::data::targets;
use crate::gradient::loss::ppo as loss;
use crate::gradient::schedule;
use crate::record::metrics::names;
use crate::record::snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::rng::Purpose;
use twisterl_core::rollout::{Collection, Collector, Horizon, LiveEpisode, Starts, Trajectory};

/// The transitions of one iteration as PPO learns from them, in the order of the environments' groups.
#[derive(Debug, Clone)]
pub struct Transitions {
    /// Observations as the environment shows them, samples, returns and advantages. The update scales the observations
    /// and normalizes the advantages.
    pub batch: Batch,
    /// The policy's value of each state, `[transition]`.
    pub values: Vec<f32>,
    /// The rewards as they are learned from: scaled and, with `normalize_rewards`, normalized, `[transition]`.
    pub rewards: Vec<f32>,
}

/// PPO with its state between iterations.
pub struct Ppo {
    config: PpoConfig,
    seed: u64,
    spec: Arc<dyn EnvSpec>,
    collector: Collector,
    horizon: Horizon,
    optimizer: PolicyOptimizer,
    rewards: RewardScaler,
    failures: FailureMemory,
    batch: Batch,
}

/// The state of PPO in a checkpoint, without the statistics of rewards, which are arrays.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PpoState {
    failures: FailureMemoryState,
    /// The episodes that continue in the next iteration, if the horizon is a number of steps.
    live: Vec<LiveEpisode>,
}

impl Ppo {
    /// Builds PPO for `policy`.
    ///
    /// # Errors
    /// If the environment has parts that cannot be trained, or the policy does not fit it.
    pub fn new(
        config: &PpoConfig,
        seed: u64,
        spec: Arc<dyn EnvSpec>,
        policy: &PolicyInTraining,
    ) -> Result<Self> {
        let collecting = &config.collecting;
        let (slots, horizon) = match collecting.num_envs {
            Some(envs) => (envs, Horizon::Steps(collecting.rollout_length)),
            None => (collecting.num_episodes, Horizon::Episodes),
        };
        Ok(Self {
            seed,
            collector: Collector::new(&*spec, slots),
            horizon,
            optimizer: PolicyOptimizer::new(policy.network(), seed)?,
            rewards: RewardScaler::new(collecting, slots),
            failures: FailureMemory::new(&collecting.starts, seed),
            batch: Batch::new(&spec.action_space()),
            config: config.clone(),
            spec,
        })
    }

    /// Plays with the acting policy and fills the trajectories.
    ///
    /// # Errors
    /// If the environment fails.
    fn collect(&mut self, policy: &PolicyInTraining, iteration: &Iteration) -> Result<()> {
        let starts = &self.config.collecting.starts;
        let probing = starts.failures > 0.0 || starts.uniform > 0.0;
        if probing && iteration.number.is_multiple_of(starts.probe_every) {
            self.failures.update(&*self.spec, policy.acting(), iteration)?;
        }
        self.collector.collect(&Collection {
            evaluator: policy.acting(),
            key: iteration.key(self.seed, Purpose::Act),
            starts: Starts {
                difficulty: iteration.difficulty,
                uniform: starts.uniform * self.failures.success(),
                mixed: starts.mixed,
                remembered: starts.failures * self.failures.success(),
                memory: self.failures.states(),
            },
            horizon: self.horizon,
            max_steps: self.config.collecting.max_steps.unwrap_or(self.limit()),
        })?;
        Ok(())
    }

    /// Returns the default limit on the length of episodes. Whole episodes of an environment that may never end one must
    /// fit in memory, too.
    fn limit(&self) -> usize {
        let limit = self.spec.episode_limits().rollout;
        match self.horizon {
            Horizon::Episodes if self.spec.foreign_spec().is_some() => {
                limit.min(MAX_STEPS / self.config.collecting.num_episodes.max(1)).max(1)
            }
            _ => limit,
        }
    }

    /// Fills the batch with all transitions: scales rewards, then estimates lambda-returns and advantages.
    fn estimate(&mut self) {
        let collecting = &self.config.collecting;
        self.batch.clear();
        self.rewards.scale(self.collector.trajectories_mut());
        for trajectory in self.collector.trajectories() {
            self.batch.extend(trajectory, collecting.gamma as f32, collecting.gae_lambda as f32);
        }
    }

    /// Collects the transitions of `iteration` and learns nothing from them. Iteration 0 after [`new`](Self::new) gives
    /// what the first iteration of a run learns from. In the iterations after it, episodes, reward normalization and
    /// remembered failures continue.
    ///
    /// # Errors
    /// If the environment fails.
    pub fn transitions(
        &mut self,
        policy: &PolicyInTraining,
        iteration: &Iteration,
    ) -> Result<Transitions> {
        self.collect(policy, iteration)?;
        self.estimate();
        Ok(Transitions {
            batch: self.batch.clone(),
            values: self.trajectories().flat_map(|t| t.values.iter().copied()).collect(),
            rewards: self.trajectories().flat_map(|t| t.steps.iter().map(|s| s.reward)).collect(),
        })
    }

    /// Scales observations and normalizes advantages for the update. Returns the explained variance.
    fn prepare(&mut self, policy: &mut PolicyInTraining) -> f64 {
        policy.observe(&self.batch.observations);
        policy.scale(&mut self.batch.observations);
        let explained = targets::explained_variance(&self.batch);
        if self.config.training.normalize_advantage {
            targets::normalize(&mut self.batch.advantages);
        }
        explained
    }

    /// The trajectories of the last collection.
    fn trajectories(&self) -> impl Iterator<Item = &Trajectory> {
        self.collector.trajectories()
    }

    /// Makes the epochs of clipped updates.
    fn update(
        &mut self,
        policy: &mut PolicyInTraining,
        iteration: &Iteration,
    ) -> Result<Map<String, Value>> {
        let training = &self.config.training;
        let ent_coef = schedule::value(
            Schedule::Linear,
            training.ent_coef,
            training.ent_coef_final.unwrap_or(training.ent_coef),
            iteration.progress,
        );
        let config = loss::PpoLossConfig {
            clip_ratio: training.clip_ratio as f32,
            vf_coef: training.vf_coef as f32,
            ent_coef: ent_coef as f32,
        };
        let objective = loss::Ppo { batch: &self.batch, config };
        let Updated { mut metrics, epochs } =
            self.optimizer.update(policy, &objective, &plan(training), iteration)?;
        policy.rescale()?;
        metrics.insert(names::ENT_COEF.into(), json!(ent_coef));
        metrics.insert(names::EPOCHS.into(), json!(epochs));
        Ok(metrics)
    }
}

fn plan(training: &PpoTraining) -> UpdatePlan {
    UpdatePlan {
        epochs: training.num_epochs,
        minibatch_size: training.minibatch_size,
        shuffle: Shuffle::Minibatches,
        max_grad_norm: training.max_grad_norm,
        target_kl: training.target_kl,
    }
}

impl Algorithm for Ppo {
    fn iterate(
        &mut self,
        policy: &mut PolicyInTraining,
        iteration: &Iteration,
    ) -> Result<IterationOutput> {
        let mut timer = PhaseTimer::start();
        self.collect(policy, iteration)?;
        timer.end(names::COLLECT);
        self.estimate();
        let explained = self.prepare(policy);
        timer.end(names::TARGETS);
        let updated = self.update(policy, iteration);
        let mut losses = updated.map_err(|error| by_returns(error, &self.batch.returns))?;
        losses.insert(names::EXPLAINED_VARIANCE.into(), json!(explained));
        timer.end(names::UPDATE);
        Ok(IterationOutput {
            env_steps: self.batch.len() as u64,
            episodes: self.trajectories().flat_map(|t| t.episodes.iter().copied()).collect(),
            losses,
            seconds: timer.seconds(),
        })
    }

    fn snapshot(&self) -> Snapshot {
        let live = match self.horizon {
            Horizon::Steps(_) => self.collector.live(),
            Horizon::Episodes => Vec::new(),
        };
        let state = json!(PpoState { failures: self.failures.state(), live });
        Snapshot { state, arrays: self.rewards.arrays() }
    }

    fn restore(&mut self, _: &PolicyInTraining, snapshot: &Snapshot) -> Result<usize> {
        let state: PpoState = snapshot.read_state("the state of PPO")?;
        self.rewards.restore(snapshot)?;
        self.failures.restore(state.failures)?;
        Ok(self.collector.restore(state.live, self.seed)?)
    }

    fn default_limit(&self) -> Option<(&'static str, usize)> {
        self.config.collecting.max_steps.is_none().then_some((MAX_STEPS_FIELD, self.limit()))
    }
}

#[cfg(test)]
mod tests;
