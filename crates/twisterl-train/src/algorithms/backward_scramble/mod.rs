//! Learning to undo walks away from solved states, from top to bottom in the order in which it runs: walk backwards,
//! label each state with the way back, then supervised updates on minibatches.
//!
//! The policy learns the action that leads one step back (EfficientCube: Takano 2023), or any that is as good, the value the
//! return of the whole way back. The last part of a run may learn from solutions that a search finds with the policy
//! ([`crate::algorithms::expert_iteration`]) instead, which are far nearer to shortest paths than walks are. Works for
//! every environment that declares the inverses of its actions.

mod answers;

pub use self::answers::WalkAnswers;

use self::answers::ask_walks;
use crate::Result;
use crate::algorithms::expert_iteration::{ExpertIteration, ExpertIterationState};
use crate::algorithms::phase_timer::PhaseTimer;
use crate::algorithms::policy_in_training::PolicyInTraining;
use crate::algorithms::policy_optimizer::{PolicyOptimizer, UpdatePlan};
use crate::algorithms::spread::Spread;
use crate::algorithms::{Algorithm, Iteration, IterationOutput};
use crate::config::{BackwardScrambleCollecting, BackwardScrambleConfig};
use crate::data::supervised_batch::SupervisedBatch;
use crate::gradient::loss::imitation::{Imitation, PolicyTargets};
use crate::record::metrics::names;
use crate::record::snapshot::Snapshot;
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use twisterl_core::env::walk::{Walk, WalkConfig, Walks};
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::Evaluator as _;
use twisterl_core::policy::executor::Executor;
use twisterl_core::rng::Purpose;

/// Walks that one thread makes at a time.
const GROUP: usize = 32;

/// Learning from backward walks, with its state between iterations.
pub struct BackwardScramble {
    config: BackwardScrambleConfig,
    seed: u64,
    spec: Arc<dyn EnvSpec>,
    groups: Vec<WalkGroup>,
    experts: Option<ExpertIteration>,
    examples: SupervisedBatch,
    optimizer: PolicyOptimizer,
}

/// Walks that are made together.
struct WalkGroup {
    walker: Box<dyn Walk>,
    walks: Walks,
}

/// Has each group make its share of `count` walks, after clearing those it made before: group `i` walks `i * GROUP` and
/// on.
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

/// Returns the config of the walks of a policy.
fn walk_config<'a>(
    collecting: &BackwardScrambleCollecting,
    acting: &'a Executor,
) -> WalkConfig<'a> {
    WalkConfig {
        length: collecting.walk_length,
        window: collecting.walk_window,
        label_window: collecting.label_window,
        gamma: collecting.gamma as f32,
        twists: acting.twists(),
    }
}

impl BackwardScramble {
    /// Builds the algorithm for `policy`.
    ///
    /// # Errors
    /// If the environment's actions cannot be undone, or the policy does not fit it.
    pub fn new(
        config: &BackwardScrambleConfig,
        seed: u64,
        spec: Arc<dyn EnvSpec>,
        policy: &PolicyInTraining,
    ) -> Result<Self> {
        let collecting = &config.collecting;
        let experts = collecting.experts.as_ref();
        let experts = experts.map(|experts| ExpertIteration::new(experts, seed));
        let solutions = experts.as_ref().map_or(0, ExpertIteration::num_solutions);
        let groups = collecting.num_walks.max(solutions).div_ceil(GROUP);
        let group =
            |_| Ok(WalkGroup { walker: Arc::clone(&spec).walker()?, walks: Walks::default() });
        Ok(Self {
            seed,
            groups: (0..groups).map(group).collect::<Result<_>>()?,
            experts,
            examples: SupervisedBatch::default(),
            optimizer: PolicyOptimizer::new(policy.network(), seed)?,
            config: config.clone(),
            spec,
        })
    }

    /// Fills the groups: with walks, or, in the last part of the run, with solutions from expert iteration. Returns
    /// metrics.
    fn collect(
        &mut self,
        policy: &PolicyInTraining,
        iteration: &Iteration,
        spread: Option<&Spread<'_>>,
    ) -> Result<Map<String, Value>> {
        let mut metrics = Map::new();
        let (spec, collecting) = (&self.spec, &self.config.collecting);
        match self.experts.as_mut().filter(|experts| experts.is_due(iteration)) {
            None => {
                if let Some(spread) = spread {
                    ask_walks(spread, policy, iteration, collecting, &mut self.groups)?;
                } else {
                    let config = walk_config(collecting, policy.acting());
                    let key = iteration.key(self.seed, Purpose::Walk);
                    each_walk(&mut self.groups, collecting.num_walks, |group, index| {
                        let mut rng = key.at(index).stream();
                        Ok(group.walker.walk(&config, &mut rng, &mut group.walks)?)
                    })?;
                }
            }
            Some(experts) => {
                let report = match spread {
                    None => experts.search(spec, policy.evaluated(), iteration)?,
                    Some(spread) => experts.ask(&**spec, &policy.to_policy(), iteration, spread)?,
                };
                metrics.insert(names::EXPERT_SUCCESS.into(), json!(report.success));
                metrics.insert(names::EXPERT_LENGTH.into(), json!(report.length));
                let label_window = experts.label_window();
                let config = WalkConfig {
                    window: 0,
                    label_window,
                    ..walk_config(collecting, policy.acting())
                };
                let experts = &*experts;
                each_walk(&mut self.groups, experts.num_solutions(), |group, index| {
                    // Without solutions there is nothing to follow.
                    let Some(solution) = experts.draw(iteration, index) else { return Ok(()) };
                    let (start, actions) = (&solution.start, &solution.actions);
                    Ok(group.walker.follow(&config, start, actions, &mut group.walks)?)
                })?;
            }
        }
        let longest = self.groups.iter().map(|group| group.walks.distances.iter().max());
        metrics.insert(names::LONGEST_WALK.into(), json!(longest.flatten().max()));
        Ok(metrics)
    }

    /// Lays the walks out as examples.
    fn gather(&mut self) {
        self.examples.clear();
        for walks in self.groups.iter().map(|group| &group.walks) {
            self.examples.observations.extend(&walks.observations);
            self.examples.masks.extend_from_slice(&walks.masks);
            self.examples.values.extend_from_slice(&walks.returns);
            let right = walks.labels.iter().map(|&right| if right { 1.0 } else { 0.0 });
            self.examples.policies.extend(right);
        }
    }
}

impl Algorithm for BackwardScramble {
    fn iterate(
        &mut self,
        policy: &mut PolicyInTraining,
        iteration: &Iteration,
        spread: Option<&Spread<'_>>,
    ) -> Result<IterationOutput> {
        let mut timer = PhaseTimer::start();
        let metrics = self.collect(policy, iteration, spread)?;
        self.gather();
        timer.end(names::COLLECT);
        let training = &self.config.training;
        let objective = Imitation {
            examples: &self.examples,
            targets: PolicyTargets::AnyOf,
            vf_coef: training.vf_coef as f32,
        };
        let plan = UpdatePlan::supervised(training);
        let mut losses = self.optimizer.update(policy, &objective, &plan, iteration)?.metrics;
        losses.extend(metrics);
        timer.end(names::UPDATE);
        let env_steps = self.examples.len() as u64;
        Ok(IterationOutput { env_steps, episodes: Vec::new(), losses, seconds: timer.seconds() })
    }

    fn snapshot(&self) -> Snapshot {
        let experts = self.experts.as_ref().map(ExpertIteration::state);
        Snapshot { state: json!(experts.unwrap_or_default()), arrays: Vec::new() }
    }

    fn restore(&mut self, _: &PolicyInTraining, snapshot: &Snapshot) -> Result<usize> {
        let state: ExpertIterationState =
            snapshot.read_state("the solutions of BackwardScramble")?;
        let space = self.spec.action_space();
        self.experts.as_mut().map_or(Ok(()), |experts| experts.restore(state, &space))?;
        Ok(0)
    }
}
