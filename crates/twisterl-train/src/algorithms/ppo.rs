//! Proximal policy optimisation (Schulman et al. 2017), from top to bottom in the order in which it runs:
//! collect with the current policy, estimate advantages, then several epochs of clipped updates on minibatches.

use crate::algorithms::failure_memory::Failures;
use crate::algorithms::policy_optimizer::PolicyOptimizer;
use crate::algorithms::{Algorithm, Iteration, IterationOutput};
use crate::config::{AlgorithmConfig, RunConfig, Schedule};
use crate::data::batch::Batch;
use crate::data::reward_scaling::RewardScaler;
use crate::data::targets;
use crate::gradient::loss::Stats as _;
use crate::gradient::loss::ppo as loss;
use crate::gradient::loss::ppo::{PpoLossConfig, PpoStats};
use crate::gradient::schedule;
use crate::record::snapshot::Snapshot;
use crate::{Error, Result};
use rand::seq::SliceRandom as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::policy::Policy;
use twisterl_core::policy::executor::Executor;
use twisterl_core::rng::Purpose;
use twisterl_core::rollout::{Collection, Collector, Horizon, LiveEpisode, Starts};

/// PPO with all that it carries from iteration to iteration.
pub struct Ppo {
    config: AlgorithmConfig,
    seed: u64,
    spec: Arc<dyn EnvSpec>,
    collector: Collector,
    horizon: Horizon,
    trainee: PolicyOptimizer,
    rewards: RewardScaler,
    failures: Failures,
    batch: Batch,
}

impl Ppo {
    /// Starts from the weights of `policy`.
    ///
    /// # Errors
    /// If the environment has parts that cannot be trained, or the policy does not fit it.
    pub fn new(config: &RunConfig, spec: Arc<dyn EnvSpec>, policy: &Policy) -> Result<Self> {
        let algorithm = config.algorithm.clone();
        let collecting = &algorithm.collecting;
        let (slots, horizon) = match collecting.num_envs {
            Some(envs) => (envs, Horizon::Steps(collecting.rollout_length)),
            None => (collecting.num_episodes, Horizon::Episodes),
        };
        Ok(Self {
            seed: config.seed,
            collector: Collector::new(&*spec, slots),
            horizon,
            trainee: PolicyOptimizer::new(&algorithm.optimizer, policy)?,
            rewards: RewardScaler::new(collecting, slots),
            failures: Failures::default(),
            batch: Batch::new(&spec.action_space()),
            config: algorithm,
            spec,
        })
    }

    /// Plays with the current policy and fills the collector's trajectories.
    fn collect(&mut self, iteration: &Iteration) -> Result<()> {
        let starts = &self.config.collecting.starts;
        let probing = starts.failures > 0.0 || starts.uniform > 0.0;
        if probing && iteration.number.is_multiple_of(starts.probe_every) {
            let (spec, executor) = (&*self.spec, self.trainee.acting());
            let key = iteration.key(self.seed, Purpose::Probe);
            self.failures.probe(starts, spec, executor, iteration.difficulty, key)?;
        }
        self.collector.collect(&Collection {
            evaluator: self.trainee.acting(),
            key: iteration.key(self.seed, Purpose::Act),
            starts: Starts {
                difficulty: iteration.difficulty,
                uniform: starts.uniform * self.failures.solved(),
                mixed: starts.mixed,
                remembered: starts.failures * self.failures.solved(),
                memory: self.failures.states(),
            },
            horizon: self.horizon,
        })?;
        Ok(())
    }

    /// Lambda-returns and advantages of all transitions, as one batch. Observations and rewards are scaled. Returns the explained variance.
    fn estimate(&mut self) -> f64 {
        let collecting = &self.config.collecting;
        self.batch.clear();
        self.rewards.scale(self.collector.trajectories_mut());
        for trajectory in self.collector.trajectories() {
            self.batch.extend(trajectory, collecting.gamma as f32, collecting.gae_lambda as f32);
        }
        self.trainee.observe(&self.batch.observations);
        self.trainee.scale(&mut self.batch.observations);
        let explained = targets::explained_variance(&self.batch);
        if self.config.training.normalize_advantage {
            targets::normalize(&mut self.batch.advantages);
        }
        explained
    }

    /// Epochs of clipped updates. Returns the statistics of the last epoch, as the peer reports them.
    fn update(&mut self, iteration: &Iteration) -> Result<Map<String, Value>> {
        let training = &self.config.training;
        let lr = self.trainee.lr(iteration);
        let ent_final = training.ent_coef_final.unwrap_or(training.ent_coef);
        let ent_coef =
            schedule::value(Schedule::Linear, training.ent_coef, ent_final, iteration.progress);
        let config = PpoLossConfig {
            clip_ratio: training.clip_ratio as f32,
            vf_coef: training.vf_coef as f32,
            ent_coef: ent_coef as f32,
        };
        let objective = loss::Ppo { batch: &self.batch, config };
        let rows = self.batch.len();
        let mut order: Vec<u32> = (0..rows as u32).collect();
        let size = training.minibatch_size.unwrap_or(rows).max(1);
        let mut stats = PpoStats::default();
        let mut epochs = 0;
        for epoch in 0..training.num_epochs {
            if training.minibatch_size.is_some() {
                let key = iteration.key(self.seed, Purpose::Shuffle).at(epoch as u64);
                order.shuffle(&mut key.stream());
            }
            stats = PpoStats::default();
            for minibatch in order.chunks(size) {
                let clip = training.max_grad_norm.map(|n| n as f32);
                stats.merge(&self.trainee.learner.step(&objective, minibatch, clip, lr as f32)?);
            }
            epochs += 1;
            if training.target_kl.is_some_and(|limit| stats.approx_kl() > limit) {
                break;
            }
        }
        self.trainee.updated(iteration)?;
        self.trainee.rescale()?;
        let mut losses = stats.to_map();
        losses.insert("lr".into(), json!(lr));
        losses.insert("ent_coef".into(), json!(ent_coef));
        losses.insert("epochs".into(), json!(epochs));
        Ok(losses)
    }
}

impl Algorithm for Ppo {
    fn iterate(&mut self, iteration: &Iteration) -> Result<IterationOutput> {
        let start = Instant::now();
        self.collect(iteration)?;
        let collected = start.elapsed();
        let explained = self.estimate();
        let estimated = start.elapsed();
        let mut losses = self.update(iteration)?;
        losses.insert("explained_variance".into(), json!(explained));
        let updated = start.elapsed();
        let episodes = self.collector.trajectories().flat_map(|t| t.episodes.iter().copied());
        let mut seconds = Map::new();
        seconds.insert("collect".into(), json!(collected.as_secs_f64()));
        seconds.insert("targets".into(), json!((estimated - collected).as_secs_f64()));
        seconds.insert("update".into(), json!((updated - estimated).as_secs_f64()));
        Ok(IterationOutput {
            env_steps: self.batch.len() as u64,
            episodes: episodes.collect(),
            losses,
            seconds,
        })
    }

    fn interrupt_by(&mut self, interrupt: &Interrupt) {
        self.trainee.interrupt_by(interrupt);
    }

    fn parameters(&self) -> &[f32] {
        self.trainee.parameters()
    }

    fn executor(&self) -> &Executor {
        self.trainee.executor()
    }

    fn snapshot(&self) -> Snapshot {
        let live = match self.horizon {
            Horizon::Steps(_) => self.collector.live(),
            Horizon::Episodes => Vec::new(),
        };
        let state = json!(PpoState { failures: self.failures.clone(), live });
        let mut snapshot = self.trainee.snapshot(state);
        self.rewards.save(&mut snapshot);
        snapshot
    }

    fn restore(&mut self, parameters: &[f32], snapshot: &Snapshot) -> Result<()> {
        let state = self.trainee.restore(parameters, snapshot)?;
        let state: PpoState = serde_path_to_error::deserialize(&state).map_err(|e| {
            Error::checkpoint("state.json", format!("PPO state at {}", e.path()), e.inner())
        })?;
        self.rewards.restore(snapshot)?;
        self.failures = state.failures;
        self.collector.restore(state.live, self.seed)?;
        Ok(())
    }
}

/// What a checkpoint holds beside the policy in training.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PpoState {
    failures: Failures,
    live: Vec<LiveEpisode>,
}
