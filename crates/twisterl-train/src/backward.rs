//! Learning to undo walks away from solved states, from top to bottom in the order in which it runs: walk backwards,
//! label each state with the way back, then supervised updates on minibatches.
//!
//! The policy learns the action that leads one step back (EfficientCube: Takano 2023), the value the return of going
//! all the way back. It is for every environment that declares the inverses of its actions.

use crate::Result;
use crate::algorithm::{Algorithm, Iteration, Outcome, Snapshot};
use crate::config::{AlgorithmConfig, RunConfig};
use crate::loss::Stats as _;
use crate::loss::imitation::{Examples, Imitation, ImitationStats};
use crate::trainee::Trainee;
use rand::seq::SliceRandom as _;
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::time::Instant;
use twisterl_core::evaluator::Evaluator as _;
use twisterl_core::policy::Policy;
use twisterl_core::policy::forward::Executor;
use twisterl_core::registry::EnvSpec;
use twisterl_core::rng::{Purpose, stream};
use twisterl_core::walk::{Walk, WalkConfig, Walks};

/// Walks that one thread makes at a time.
const GROUP: usize = 32;

/// Learning from backward walks, with all that it carries from iteration to iteration.
pub struct BackwardScramble {
    config: AlgorithmConfig,
    seed: u64,
    groups: Vec<Group>,
    examples: Examples,
    trainee: Trainee,
}

/// Walks that are made together.
struct Group {
    walker: Box<dyn Walk>,
    walks: Walks,
    count: usize,
}

impl BackwardScramble {
    /// Starts from the weights of `policy`.
    ///
    /// # Errors
    /// If the environment's actions cannot be undone, or the policy does not fit it.
    pub fn new(config: &RunConfig, spec: &dyn EnvSpec, policy: &Policy) -> Result<Self> {
        let algorithm = config.algorithm.clone();
        let count = algorithm.collecting.num_walks;
        let group = |first: usize| {
            let count = GROUP.min(count - first);
            Ok(Group { walker: spec.walker()?, walks: Walks::default(), count })
        };
        Ok(Self {
            seed: config.seed,
            groups: (0..count).step_by(GROUP).map(group).collect::<Result<_>>()?,
            examples: Examples::default(),
            trainee: Trainee::new(&algorithm.optimizer, policy)?,
            config: algorithm,
        })
    }

    /// Makes the walks of an iteration. Returns the mean number of steps back from their far ends.
    fn walk(&mut self, iteration: &Iteration) -> Result<f64> {
        let collecting = &self.config.collecting;
        let config = WalkConfig {
            length: collecting.walk_length,
            window: collecting.walk_window,
            gamma: collecting.gamma as f32,
            twists: self.trainee.acting().twists(),
        };
        let seed = self.seed;
        let make = |(i, group): (usize, &mut Group)| -> Result<()> {
            group.walks.clear();
            for walk in 0..group.count {
                let index = (i * GROUP + walk) as u64;
                let mut rng = stream(seed, Purpose::Walk, iteration.number, index);
                group.walker.walk(&config, &mut rng, &mut group.walks)?;
            }
            Ok(())
        };
        // All results are looked at in order, so that the error of a run does not depend on threads.
        let made: Vec<_> = self.groups.par_iter_mut().enumerate().map(make).collect();
        made.into_iter().collect::<Result<()>>()?;
        self.examples.clear();
        for walks in self.groups.iter().map(|group| &group.walks) {
            let width = walks.masks.len() / walks.actions.len().max(1);
            self.examples.observations.extend(&walks.observations);
            self.examples.masks.extend_from_slice(&walks.masks);
            self.examples.values.extend_from_slice(&walks.returns);
            for &action in &walks.actions {
                let certain = (0..width).map(|a| if a == action as usize { 1.0 } else { 0.0 });
                self.examples.policies.extend(certain);
            }
        }
        Ok(self.examples.len() as f64 / self.config.collecting.num_walks as f64)
    }

    /// Epochs of supervised updates. Returns the statistics of the last epoch.
    fn update(&mut self, iteration: &Iteration) -> Result<Map<String, Value>> {
        let training = &self.config.training;
        let objective = Imitation { examples: &self.examples, vf_coef: training.vf_coef as f32 };
        let mut order: Vec<u32> = (0..self.examples.len() as u32).collect();
        let size = training.minibatch_size.unwrap_or(order.len()).max(1);
        let lr = self.trainee.lr(iteration);
        let mut stats = ImitationStats::default();
        for epoch in 0..training.num_epochs {
            let mut rng = stream(self.seed, Purpose::Shuffle, iteration.number, epoch as u64);
            order.shuffle(&mut rng);
            stats = ImitationStats::default();
            for minibatch in order.chunks(size) {
                let clip = training.max_grad_norm.map(|n| n as f32);
                stats.merge(&self.trainee.learner.step(&objective, minibatch, clip, lr as f32)?);
            }
        }
        self.trainee.updated(iteration)?;
        let mut losses = stats.to_map();
        losses.insert("lr".into(), json!(lr));
        Ok(losses)
    }
}

impl Algorithm for BackwardScramble {
    fn iterate(&mut self, iteration: &Iteration) -> Result<Outcome> {
        let start = Instant::now();
        let length = self.walk(iteration)?;
        let walked = start.elapsed();
        let mut losses = self.update(iteration)?;
        losses.insert("walk_length".into(), json!(length));
        let updated = start.elapsed();
        let mut seconds = Map::new();
        seconds.insert("collect".into(), json!(walked.as_secs_f64()));
        seconds.insert("update".into(), json!((updated - walked).as_secs_f64()));
        let env_steps = self.examples.len() as u64;
        Ok(Outcome { env_steps, episodes: Vec::new(), losses, seconds })
    }

    fn parameters(&self) -> &[f32] {
        self.trainee.parameters()
    }

    fn executor(&self) -> &Executor {
        self.trainee.executor()
    }

    fn snapshot(&self) -> Snapshot {
        self.trainee.snapshot(Value::Null)
    }

    fn restore(&mut self, parameters: &[f32], snapshot: &Snapshot) -> Result<()> {
        self.trainee.restore(parameters, snapshot).map(|_| ())
    }
}
