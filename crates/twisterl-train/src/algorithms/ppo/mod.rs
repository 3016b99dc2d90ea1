//! Proximal policy optimization (Schulman et al. 2017), from top to bottom in the order in which it runs: collect with
//! the current policy, estimate advantages, then several epochs of clipped updates on minibatches.

mod collection;

pub use self::collection::PpoAnswers;

use self::collection::{Continued, Rules, limit};
use crate::Result;
use crate::algorithms::failure_memory::{FailureMemory, FailureMemoryState};
use crate::algorithms::phase_timer::PhaseTimer;
use crate::algorithms::policy_in_training::PolicyInTraining;
use crate::algorithms::policy_optimizer::{PolicyOptimizer, Shuffle, UpdatePlan, Updated};
use crate::algorithms::spread::{Spread, Task};
use crate::algorithms::{Algorithm, Iteration, IterationOutput, MAX_STEPS_FIELD, by_returns};
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
use twisterl_core::rollout::{Collector, Horizon, LiveEpisode, Trajectory};

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
    rules: Rules,
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
        if collecting.starts.failures > 0.0 && !spec.tells_states() {
            let expected = format!("0, since {} does not tell its states", spec.name());
            let path = "algorithm.collecting.starts.failures";
            return Err(
                twisterl_core::Error::config(path, expected, collecting.starts.failures).into()
            );
        }
        let rules = Rules::new(config, &*spec);
        let slots = rules.slots;
        Ok(Self {
            seed,
            collector: Collector::new(&*spec, slots),
            rules,
            optimizer: PolicyOptimizer::new(policy.network(), seed)?,
            rewards: RewardScaler::new(collecting, slots),
            failures: FailureMemory::new(&collecting.starts, seed),
            batch: Batch::new(&spec.action_space()),
            config: config.clone(),
            spec,
        })
    }

    /// Plays with the acting policy and fills the trajectories, here or by workers.
    ///
    /// # Errors
    /// If the environment fails.
    fn collect(
        &mut self,
        policy: &PolicyInTraining,
        iteration: &Iteration,
        spread: Option<&Spread<'_>>,
    ) -> Result<()> {
        let starts = &self.config.collecting.starts;
        let probing = starts.failures > 0.0 || starts.uniform > 0.0;
        if probing && iteration.number.is_multiple_of(starts.probe_every) {
            match spread {
                None => self.failures.update(&*self.spec, policy.acting(), iteration)?,
                Some(spread) => self.failures.ask(&policy.acting_policy(), iteration, spread)?,
            }
        }
        let starts = (self.failures.success(), self.failures.states());
        if let Some(spread) = spread {
            let continued = self.collector.live_by_part().map(<[LiveEpisode]>::to_vec);
            let (success, memory) = (starts.0, starts.1.to_vec());
            let state = Continued { success, memory, live: continued.collect() };
            return self.collect_spread(policy, iteration, spread, &state);
        }
        let key = iteration.key(self.seed, Purpose::Act);
        let acting = policy.acting();
        self.collector.collect(&self.rules.collection(
            acting,
            key,
            iteration.difficulty,
            starts,
        ))?;
        Ok(())
    }

    /// Has the groups collected by workers.
    fn collect_spread(
        &mut self,
        policy: &PolicyInTraining,
        iteration: &Iteration,
        spread: &Spread<'_>,
        state: &Continued,
    ) -> Result<()> {
        let slots: Vec<usize> = self.collector.slots_by_part().collect();
        let acting = policy.acting_policy();
        let answers = spread.ask(Task::Collect, iteration, &acting, json!(state), slots.len())?;
        let spaces = (&acting.network.observation, &acting.network.actions);
        for (part, (answer, slots)) in answers.iter().zip(slots).enumerate() {
            let fragment = collection::read(answer, spaces, slots)?;
            self.collector.accept(part, fragment).map_err(|error| answer.wrong(&error))?;
        }
        Ok(())
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
        self.collect(policy, iteration, None)?;
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
        spread: Option<&Spread<'_>>,
    ) -> Result<IterationOutput> {
        let mut timer = PhaseTimer::start();
        self.collect(policy, iteration, spread)?;
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
        let live = match self.rules.horizon {
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
        self.config
            .collecting
            .max_steps
            .is_none()
            .then_some((MAX_STEPS_FIELD, limit(&self.config, &*self.spec)))
    }
}

#[cfg(test)]
mod tests;
