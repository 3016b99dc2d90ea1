//! Evolution strategies (Salimans et al. 2017), from top to bottom in the order in which they run: ask how well the
//! members of a population do, each a perturbation of the policy; tell the policy, which moves towards those that did
//! well.
//!
//! Perturbations have low rank (EGGROLL: Sarkar et al. 2025) and come in pairs of opposite sign. They follow from
//! `(seed, iteration, pair)` and are never stored or sent, so that an iteration can be distributed over machines: each
//! asks for a range of members with [`Es::ask_range`], all exchange their [`Returns`], and each tells itself all of them
//! with [`Es::tell`], after which all have bit-identical weights.

pub(crate) mod gradient;
mod returns;
pub(crate) mod shaping;
mod strategy;

pub use self::returns::Returns;
pub use self::strategy::Strategy;

use self::returns::{Question, checksum};
use crate::algorithms::phase_timer::PhaseTimer;
use crate::algorithms::policy_in_training::PolicyInTraining;
use crate::algorithms::spread::{
    Answer, Answers, Asked, EpisodeRow, Spread, Task, episode_rows, episodes_of, range,
};
use crate::algorithms::{Algorithm, Iteration, IterationOutput};
use crate::config::EsConfig;
use crate::record::metrics::names;
use crate::record::snapshot::Snapshot;
use crate::{Error, Result};
use serde_json::{Map, Value, json};
use std::ops::Range;
use std::sync::Arc;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::distribution::Choice;
use twisterl_core::policy::population::{PerturbationKey, Population};
use twisterl_core::rollout::{Episode, PopulationRollout, Starts};

/// The members of a part of a question.
const MEMBERS: usize = 16;

/// ES with its state between iterations.
pub struct Es {
    config: EsConfig,
    spec: Arc<dyn EnvSpec>,
    strategy: Strategy,
    population: Population,
}

impl Es {
    /// Builds ES for `policy`, and leaves the weights that are not perturbed, those of the value head, out of its
    /// training.
    ///
    /// # Errors
    /// If the environment has parts that cannot be played, or the policy does not fit it.
    pub fn new(
        config: &EsConfig,
        seed: u64,
        spec: Arc<dyn EnvSpec>,
        policy: &mut PolicyInTraining,
    ) -> Result<Self> {
        let mut population = Population::new(policy.initial(), config.es.rank)?;
        population.interrupt_by(policy.interrupt());
        let layout = population.layout().clone();
        policy.train_first(layout.weights_len());
        let strategy = Strategy::new(&config.es, layout, seed);
        Ok(Self { strategy, population, config: config.clone(), spec })
    }

    /// Plays the episodes of these members, on the threads of the current rayon pool. Their returns depend only on the
    /// weights, the config, the iteration and the numbers of the members: ranges may be asked for in any parts, anywhere.
    ///
    /// # Errors
    /// If there are no such members, or the environment fails.
    pub fn ask_range(&self, iteration: &Iteration, members: Range<u64>) -> Result<Returns> {
        let es = &self.config.es;
        if members.start > members.end || members.end > es.population as u64 {
            let expected = format!("members among the {} of the population", es.population);
            return Err(Error::config("members", expected, format!("{members:?}")));
        }
        let rollout = PopulationRollout {
            spec: &*self.spec,
            starts: Starts {
                difficulty: iteration.difficulty,
                uniform: self.config.collecting.starts.uniform,
                mixed: self.config.collecting.starts.mixed,
                remembered: 0.0,
                memory: &[],
            },
            episodes: es.num_episodes,
            common: es.common.into(),
            choice: if es.deterministic { Choice::Greedy } else { Choice::Sample },
            max_steps: es.max_steps,
        };
        let key = PerturbationKey {
            key: self.strategy.key(iteration),
            sigma: self.strategy.sigma(iteration) as f32,
        };
        let first = members.start;
        let episodes = rollout.run(&self.population, key, members)?;
        Returns::new(self.question(iteration), first, &episodes)
    }

    /// Has workers play the episodes of all members.
    fn ask_workers(
        &self,
        policy: &PolicyInTraining,
        iteration: &Iteration,
        spread: &Spread<'_>,
    ) -> Result<Vec<Returns>> {
        let population = self.config.es.population;
        let acting = policy.acting_policy();
        let parts = population.div_ceil(MEMBERS);
        let answers = spread.ask(Task::Collect, iteration, &acting, Value::Null, parts)?;
        let read = |(part, answer): (usize, &Answer)| {
            let first = range(part, MEMBERS, population)?.start;
            let rows: Vec<EpisodeRow> = answer.state()?;
            Returns::new(self.question(iteration), first as u64, &episodes_of(&rows))
        };
        answers.iter().enumerate().map(read).collect()
    }

    /// Returns the question of an iteration, on which answers must agree.
    fn question(&self, iteration: &Iteration) -> Question {
        Question {
            iteration: iteration.number,
            difficulty: iteration.difficulty as u64,
            weights_checksum: checksum(self.population.parameters()),
        }
    }

    /// Updates `policy` by the returns of all members of the iteration, given in parts that may come in any order.
    ///
    /// # Errors
    /// If a member is missing or there twice, a part answers another question, or the update is no longer finite; the
    /// policy is unchanged then.
    pub fn tell(
        &mut self,
        policy: &mut PolicyInTraining,
        iteration: &Iteration,
        returns: &[Returns],
    ) -> Result<IterationOutput> {
        let es = &self.config.es;
        let all = Returns::join(returns, self.question(iteration), es)?;
        let fitness = all.fitness(es.fitness, es.num_episodes);
        let lr = policy.lr(iteration);
        let mut losses = self.strategy.tell(policy.state_mut(), iteration, &fitness, lr)?;
        losses.insert(names::SHARED_BASE.into(), json!(self.population.shares_base()));
        self.population.load(policy.weights())?;
        policy.publish(iteration)?;
        let episodes: Vec<Episode> = all.episodes().collect();
        let env_steps = episodes.iter().map(|e| e.length as u64).sum();
        Ok(IterationOutput { env_steps, episodes, losses, seconds: Map::new() })
    }
}

/// The worker's side of ES.
impl Answers for Es {
    fn begin(&mut self, asked: &Asked) -> Result<()> {
        Ok(self.population.load(&asked.policy.parameters)?)
    }

    fn collect(&mut self, asked: &Asked, part: usize) -> Result<Snapshot> {
        let members = range(part, MEMBERS, self.config.es.population)?;
        let returns = self.ask_range(&asked.iteration, members.start as u64..members.end as u64)?;
        let episodes: Vec<Episode> = returns.episodes().collect();
        Ok(Snapshot { state: json!(episode_rows(&episodes)), arrays: Vec::new() })
    }
}

impl Algorithm for Es {
    fn iterate(
        &mut self,
        policy: &mut PolicyInTraining,
        iteration: &Iteration,
        spread: Option<&Spread<'_>>,
    ) -> Result<IterationOutput> {
        let mut timer = PhaseTimer::start();
        let population = self.config.es.population;
        let returns = match spread {
            None => vec![self.ask_range(iteration, 0..population as u64)?],
            Some(spread) => self.ask_workers(policy, iteration, spread)?,
        };
        timer.end(names::COLLECT);
        let output = self.tell(policy, iteration, &returns)?;
        timer.end(names::UPDATE);
        Ok(IterationOutput { seconds: timer.seconds(), ..output })
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::default()
    }

    fn restore(&mut self, policy: &PolicyInTraining, _: &Snapshot) -> Result<usize> {
        self.population.load(policy.weights())?;
        Ok(0)
    }

    fn default_limit(&self) -> Option<(&'static str, usize)> {
        let limit = self.spec.episode_limits().play;
        self.config.es.max_steps.is_none().then_some(("algorithm.es.max_steps", limit))
    }
}

#[cfg(test)]
mod tests;
