//! A policy in training, as all gradient-based algorithms carry it: weights and moments, the executor that acts, and
//! the running average that is evaluated.

use crate::algorithms::Iteration;
use crate::algorithms::weight_average::WeightAverage;
use crate::config::{OptimizerConfig, TrainingConfig};
use crate::data::running_statistics::RunningStatistics;
use crate::gradient::learner::{AdamConfig, AdamState, Learner};
use crate::gradient::loss::Stats as _;
use crate::gradient::loss::imitation::{Imitation, ImitationStats, SupervisedBatch};
use crate::gradient::schedule;
use crate::record::snapshot::ArrayData;
use crate::record::snapshot::Snapshot;
use crate::{Error, Result};
use rand::seq::SliceRandom as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::policy::Policy;
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::scaling::Scaling;
use twisterl_core::rng::Purpose;
use twisterl_core::space::Observations;

/// The array of a checkpoint with the statistics of observations.
const SEEN: &str = "observations.moments";

/// A policy in training.
pub struct PolicyOptimizer {
    /// What makes the updates.
    pub learner: Learner,
    config: OptimizerConfig,
    acting: Executor,
    average: Option<WeightAverage>,
    /// Statistics of the observations, where the policy scales them.
    seen: Option<RunningStatistics>,
}

/// What a checkpoint holds beside weights and moments.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OptimizerState {
    adam_steps: u64,
    algorithm: Value,
}

impl PolicyOptimizer {
    /// Starts from the weights of `policy`.
    ///
    /// # Errors
    /// If the parts of the policy do not fit each other, or it cannot be trained.
    pub fn new(config: &OptimizerConfig, policy: &Policy) -> Result<Self> {
        let adam = AdamConfig {
            betas: config.betas.into(),
            eps: config.eps as f32,
            weight_decay: config.weight_decay as f32,
        };
        let acting = Executor::of(policy)?;
        Ok(Self {
            learner: Learner::new(&policy.network, policy.parameters.clone(), adam)?,
            average: WeightAverage::new(config.averaging, &policy.parameters, &acting),
            seen: policy.scaling.as_ref().map(|s| RunningStatistics::of(s.count, &s.mean, &s.std)),
            acting,
            config: config.clone(),
        })
    }

    /// From now on, `interrupt` makes evaluations and updates fail.
    pub fn interrupt_by(&mut self, interrupt: &Interrupt) {
        self.learner.interrupt_by(interrupt);
        self.acting.interrupt_by(interrupt);
        if let Some(average) = &mut self.average {
            average.interrupt_by(interrupt);
        }
    }

    /// The learning rate of an iteration.
    pub fn lr(&self, iteration: &Iteration) -> f64 {
        let Self { config, .. } = self;
        let last = config.lr_final.unwrap_or(config.lr);
        schedule::value(config.schedule(), config.lr, last, iteration.progress)
    }

    /// Brings executor and average up to date, after the updates of an iteration.
    ///
    /// # Errors
    /// If the learner's weights did not fit the network.
    pub fn updated(&mut self, iteration: &Iteration) -> Result<()> {
        self.acting.load(self.learner.parameters())?;
        if let Some(average) = &mut self.average {
            average.update(self.learner.parameters(), iteration.number)?;
        }
        Ok(())
    }

    /// Scales `observations` as the acting policy saw them, where it does.
    pub fn scale(&self, observations: &mut Observations) {
        if let Some(scaling) = self.acting.scaling() {
            scaling.apply(observations);
        }
    }

    /// Takes in the statistics of what was seen, as the environment showed it, where the policy scales observations.
    /// They count from [`rescale`](Self::rescale) on.
    pub fn observe(&mut self, observations: &Observations) {
        if let Some(seen) = &mut self.seen {
            seen.extend(observations.dense());
        }
    }

    /// Has the policy scale observations by what was seen until now.
    ///
    /// # Errors
    /// If an observation was not finite.
    pub fn rescale(&mut self) -> Result<()> {
        let (Some(seen), Some(now)) = (&self.seen, self.acting.scaling()) else { return Ok(()) };
        let scaling = Scaling {
            count: seen.count(),
            mean: seen.mean().iter().map(|&x| x as f32).collect(),
            std: seen.std().map(|x| x as f32).collect(),
            clip: now.clip,
        };
        self.acting.rescale(&scaling)?;
        if let Some(average) = &mut self.average {
            average.rescale(&scaling)?;
        }
        Ok(())
    }

    /// Epochs of supervised updates on minibatches of `examples`. Returns the losses of the last epoch.
    ///
    /// # Errors
    /// If the examples do not fit, or the loss is no longer finite.
    pub fn imitate(
        &mut self,
        examples: &SupervisedBatch,
        training: &TrainingConfig,
        (seed, iteration): (u64, &Iteration),
    ) -> Result<Map<String, Value>> {
        let objective = Imitation { examples, vf_coef: training.vf_coef as f32 };
        let mut order: Vec<u32> = (0..examples.len() as u32).collect();
        let size = training.minibatch_size.unwrap_or(order.len()).max(1);
        let clip = training.max_grad_norm.map(|n| n as f32);
        let lr = self.lr(iteration);
        let mut stats = ImitationStats::default();
        for epoch in 0..training.num_epochs {
            let key = iteration.key(seed, Purpose::Shuffle).at(epoch as u64);
            order.shuffle(&mut key.stream());
            stats = ImitationStats::default();
            for minibatch in order.chunks(size) {
                stats.merge(&self.learner.step(&objective, minibatch, clip, lr as f32)?);
            }
        }
        self.updated(iteration)?;
        let mut losses = stats.to_map();
        losses.insert("lr".into(), json!(lr));
        Ok(losses)
    }

    /// The policy that acts in training.
    pub fn acting(&self) -> &Executor {
        &self.acting
    }

    /// The weights that are evaluated and saved.
    pub fn parameters(&self) -> &[f32] {
        self.average.as_ref().map_or(self.learner.parameters(), WeightAverage::weights)
    }

    /// The policy that is evaluated and saved.
    pub fn executor(&self) -> &Executor {
        self.average.as_ref().map_or(&self.acting, WeightAverage::executor)
    }

    /// What it takes to go on exactly from here, with `algorithm` as the algorithm's own state.
    pub fn snapshot(&self, algorithm: Value) -> Snapshot {
        let adam = self.learner.adam();
        let mut arrays = vec![
            ("adam.m".into(), ArrayData::F32(adam.m.clone())),
            ("adam.v".into(), ArrayData::F32(adam.v.clone())),
        ];
        if self.average.is_some() {
            arrays.push(("weights".into(), ArrayData::F32(self.learner.parameters().to_vec())));
        }
        if let Some(seen) = &self.seen {
            arrays.push((SEEN.into(), seen.to_array()));
        }
        Snapshot { state: json!(OptimizerState { adam_steps: adam.t, algorithm }), arrays }
    }

    /// Goes back to a snapshot, whose policy has the weights `parameters`. Returns the algorithm's own state.
    ///
    /// # Errors
    /// If the snapshot does not fit.
    pub fn restore(&mut self, parameters: &[f32], snapshot: &Snapshot) -> Result<Value> {
        let state: OptimizerState =
            serde_path_to_error::deserialize(&snapshot.state).map_err(|e| {
                let expected = format!("the state of an algorithm at {}", e.path());
                Error::checkpoint("state.json", expected, e.inner())
            })?;
        let (m, v) = (snapshot.floats("adam.m")?, snapshot.floats("adam.v")?);
        let adam = AdamState { m, v, t: state.adam_steps };
        let weights = match &mut self.average {
            Some(average) => {
                average.restore(parameters)?;
                snapshot.floats("weights")?
            }
            None => parameters.to_vec(),
        };
        if let Some(seen) = &mut self.seen {
            seen.restore(SEEN, snapshot.array(SEEN))?;
        }
        self.rescale()?;
        self.learner.restore(&weights, adam)?;
        self.acting.load(&weights)?;
        Ok(state.algorithm)
    }
}
