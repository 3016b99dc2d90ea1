//! Learning to undo walks away from solved states, from top to bottom in the order in which it runs: walk backwards,
//! label each state with the way back, then supervised updates on minibatches.
//!
//! The policy learns the action that leads one step back (EfficientCube: Takano 2023), the value the return of going
//! all the way back. The last part of a run may learn from solutions that a search finds with the policy
//! ([`crate::algorithms::expert_iteration`]) instead, which are far nearer to shortest paths than walks are. It is for every environment that declares the inverses of its actions.

use crate::algorithms::expert_iteration::{Experts, SolvedProblem};
use crate::algorithms::policy_optimizer::PolicyOptimizer;
use crate::algorithms::{Algorithm, Iteration, IterationOutput};
use crate::config::{AlgorithmConfig, ExpertsConfig, RunConfig};
use crate::gradient::loss::imitation::SupervisedBatch;
use crate::record::snapshot::Snapshot;
use crate::{Error, Result};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;
use twisterl_core::env::walk::{Walk, WalkConfig, Walks};
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::evaluator::Evaluator as _;
use twisterl_core::policy::Policy;
use twisterl_core::policy::executor::Executor;
use twisterl_core::rng::Purpose;

/// Walks that one thread makes at a time.
const GROUP: usize = 32;

/// Set in the index of the streams by which solutions are drawn; those of problems are numbered from 0.
const DRAW: u64 = 1 << 63;

/// Learning from backward walks, with all that it carries from iteration to iteration.
pub struct BackwardScramble {
    config: AlgorithmConfig,
    seed: u64,
    spec: Arc<dyn EnvSpec>,
    groups: Vec<WalkGroup>,
    experts: Experts,
    examples: SupervisedBatch,
    trainee: PolicyOptimizer,
}

/// Walks that are made together.
struct WalkGroup {
    walker: Box<dyn Walk>,
    walks: Walks,
}

/// Has group `i` make walks `i * GROUP` and on, `count` in all, after clearing what it made before.
fn each_walk(
    groups: &mut [WalkGroup],
    count: usize,
    make: impl Fn(&mut WalkGroup, u64) -> Result<()> + Sync,
) -> Result<()> {
    let made = groups.par_iter_mut().enumerate().map(|(i, group)| {
        group.walks.clear();
        let (first, last) = (i * GROUP, ((i + 1) * GROUP).min(count));
        (first..last).try_for_each(|walk| make(group, walk as u64))
    });
    // All results are looked at in order, so that the error of a run does not depend on threads.
    made.collect::<Vec<_>>().into_iter().collect()
}

impl BackwardScramble {
    /// Starts from the weights of `policy`.
    ///
    /// # Errors
    /// If the environment's actions cannot be undone, or the policy does not fit it.
    pub fn new(config: &RunConfig, spec: Arc<dyn EnvSpec>, policy: &Policy) -> Result<Self> {
        let algorithm = config.algorithm.clone();
        let collecting = &algorithm.collecting;
        let solutions = collecting.experts.as_ref().map_or(0, |experts| experts.num_solutions);
        let groups = collecting.num_walks.max(solutions).div_ceil(GROUP);
        let group = |_| Ok(WalkGroup { walker: spec.walker()?, walks: Walks::default() });
        Ok(Self {
            seed: config.seed,
            groups: (0..groups).map(group).collect::<Result<_>>()?,
            experts: Experts::default(),
            examples: SupervisedBatch::default(),
            trainee: PolicyOptimizer::new(&algorithm.optimizer, policy)?,
            config: algorithm,
            spec,
        })
    }

    /// Fills the groups: with walks, or, in the last part of the run, with what the experts found. Returns what is to
    /// be reported.
    fn collect(&mut self, iteration: &Iteration) -> Result<Map<String, Value>> {
        let mut report = Map::new();
        let experts = self.config.collecting.experts.clone();
        match experts.filter(|experts| iteration.progress >= experts.after) {
            None => self.walk(iteration)?,
            Some(experts) => {
                let problem = (&*self.spec, self.trainee.executor() as _);
                let key = iteration.key(self.seed, Purpose::Expert);
                let searched = self.experts.search(&experts, problem, iteration.difficulty, key)?;
                report.insert("expert_success".into(), json!(searched.success));
                report.insert("expert_length".into(), json!(searched.length));
                self.follow(&experts, iteration)?;
            }
        }
        let longest = self.groups.iter().map(|group| group.walks.distances.iter().max());
        report.insert("longest_walk".into(), json!(longest.flatten().max()));
        self.gather();
        Ok(report)
    }

    fn config(&self, window: usize) -> WalkConfig<'_> {
        let collecting = &self.config.collecting;
        WalkConfig {
            length: collecting.walk_length,
            window,
            gamma: collecting.gamma as f32,
            twists: self.trainee.acting().twists(),
        }
    }

    /// Makes the walks of an iteration.
    fn walk(&mut self, iteration: &Iteration) -> Result<()> {
        let count = self.config.collecting.num_walks;
        let mut groups = std::mem::take(&mut self.groups);
        let config = self.config(self.config.collecting.walk_window);
        let key = iteration.key(self.seed, Purpose::Walk);
        let made = each_walk(&mut groups, count, |group, index| {
            let mut rng = key.at(index).stream();
            Ok(group.walker.walk(&config, &mut rng, &mut group.walks)?)
        });
        self.groups = groups;
        made
    }

    /// Draws from the experts' solutions.
    fn follow(&mut self, experts: &ExpertsConfig, iteration: &Iteration) -> Result<()> {
        let mut groups = std::mem::take(&mut self.groups);
        let config = self.config(0);
        let key = iteration.key(self.seed, Purpose::Expert);
        let made = each_walk(&mut groups, experts.num_solutions, |group, index| {
            let mut rng = key.at(DRAW | index).stream();
            let Some(solution) = self.experts.draw(&mut rng) else { return Ok(()) };
            let SolvedProblem { start, actions } = solution;
            Ok(group.walker.follow(&config, start, actions, &mut group.walks)?)
        });
        self.groups = groups;
        made
    }

    /// Lays the groups out as examples.
    fn gather(&mut self) {
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
    }
}

impl Algorithm for BackwardScramble {
    fn iterate(&mut self, iteration: &Iteration) -> Result<IterationOutput> {
        let start = Instant::now();
        let report = self.collect(iteration)?;
        let walked = start.elapsed();
        let (training, key) = (&self.config.training, (self.seed, iteration));
        let mut losses = self.trainee.imitate(&self.examples, training, key)?;
        losses.extend(report);
        let updated = start.elapsed();
        let mut seconds = Map::new();
        seconds.insert("collect".into(), json!(walked.as_secs_f64()));
        seconds.insert("update".into(), json!((updated - walked).as_secs_f64()));
        let env_steps = self.examples.len() as u64;
        Ok(IterationOutput { env_steps, episodes: Vec::new(), losses, seconds })
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
        self.trainee.snapshot(json!(self.experts))
    }

    fn restore(&mut self, parameters: &[f32], snapshot: &Snapshot) -> Result<()> {
        let state = self.trainee.restore(parameters, snapshot)?;
        self.experts = serde_path_to_error::deserialize(&state).map_err(|e| {
            let expected = format!("the solutions of BackwardScramble at {}", e.path());
            Error::checkpoint("state.json", expected, e.inner())
        })?;
        Ok(())
    }
}
