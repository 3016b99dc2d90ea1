//! Evolution strategies (Salimans et al. 2017), from top to bottom in the order in which they run: ask how well the
//! members of a population do, each a perturbation of the policy; tell the policy, which moves towards those that did
//! well.
//!
//! Perturbations have low rank (EGGROLL: Sarkar et al. 2025) and come in pairs of opposite sign. They follow from
//! `(seed, iteration, pair)` and are never stored or sent, so that an iteration can be spread over machines: each asks
//! for a range of members with [`Es::ask_range`], all exchange their [`Returns`], and each tells itself all of them
//! with [`Es::tell`], after which all have the same weights, to the bit.

pub(crate) mod gradient;
mod returns;
pub(crate) mod shaping;

pub use returns::Returns;

use crate::algorithms::es::gradient::{cosine, estimate};
use crate::algorithms::es::shaping::{quartiles, shape};
use crate::algorithms::weight_average::WeightAverage;
use crate::algorithms::{Algorithm, Iteration, IterationOutput};
use crate::config::{AlgorithmConfig, EsConfig, EsOptimizer, OptimizerConfig, RunConfig};
use crate::gradient::optimizer::{AdamConfig, AdamState};
use crate::gradient::schedule;
use crate::record::snapshot::ArrayData;
use crate::record::snapshot::Snapshot;
use crate::{Error, Result};
use returns::{Question, checksum};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::evaluator::distribution::Choice;
use twisterl_core::policy::Policy;
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::population::perturbation::Layout;
use twisterl_core::policy::population::{PerturbationKey, Population};
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::rollout::{Episode, PopulationRollout, Starts};

/// ES with all that it carries from iteration to iteration.
pub struct Es {
    config: AlgorithmConfig,
    spec: Arc<dyn EnvSpec>,
    pub(crate) strategy: Strategy,
    population: Population,
    /// The middle of the population, ready for inference.
    executor: Executor,
    average: Option<WeightAverage>,
}

impl Es {
    /// Starts from the weights of `policy`.
    ///
    /// # Errors
    /// If the environment has parts that cannot be played, or the policy does not fit it.
    pub fn new(config: &RunConfig, spec: Arc<dyn EnvSpec>, policy: &Policy) -> Result<Self> {
        let algorithm = config.algorithm.clone();
        let population = Population::new(policy, algorithm.es.rank)?;
        let executor = Executor::of(policy)?;
        let (es, optimizer) = (&algorithm.es, &algorithm.optimizer);
        let layout = population.layout().clone();
        Ok(Self {
            strategy: Strategy::new(es, optimizer, layout, config.seed, policy.parameters.clone()),
            average: WeightAverage::new(optimizer.averaging, &policy.parameters, &executor),
            population,
            executor,
            config: algorithm,
            spec,
        })
    }

    /// Plays the episodes of these members, on the threads of the current rayon pool. What they return depends on
    /// nothing but the weights, the config, the iteration and the numbers of the members: ranges may be asked for in
    /// any parts, anywhere.
    ///
    /// # Errors
    /// If there are no such members, or the environment fails.
    pub fn ask_range(&self, iteration: &Iteration, members: Range<u64>) -> Result<Returns> {
        let es = &self.config.es;
        if members.start > members.end || members.end > es.population as u64 {
            let expected = format!("members among the {} of the population", es.population);
            return Err(Error::config("members", expected, format!("{members:?}")));
        }
        let trials = PopulationRollout {
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
        let draw = PerturbationKey {
            key: self.strategy.key(iteration),
            sigma: self.strategy.sigma(iteration) as f32,
        };
        let first = members.start;
        let episodes = trials.run(&self.population, draw, members)?;
        Ok(Returns::new(self.question(iteration), first, &episodes))
    }

    /// What is asked in an iteration, which answers must agree on.
    fn question(&self, iteration: &Iteration) -> Question {
        Question {
            iteration: iteration.number,
            difficulty: iteration.difficulty as u64,
            weights: checksum(&self.strategy.weights),
        }
    }

    /// Moves the weights by how all members of the iteration did, given in parts that may come in any order.
    ///
    /// # Errors
    /// If a member is missing or there twice, a part answers another question, or the update is no longer finite; the
    /// weights are as they were then.
    pub fn tell(&mut self, iteration: &Iteration, returns: &[Returns]) -> Result<IterationOutput> {
        let es = &self.config.es;
        let all = Returns::join(returns, self.question(iteration), es)?;
        let fitness = all.fitness(es.fitness, es.num_episodes);
        let mut losses = self.strategy.tell(iteration, &fitness)?;
        losses.insert("shared_base".into(), json!(self.population.shares_base()));
        self.population.load(&self.strategy.weights)?;
        self.executor.load(&self.strategy.weights)?;
        if let Some(average) = &mut self.average {
            average.update(&self.strategy.weights, iteration.number)?;
        }
        let episodes: Vec<Episode> = all.episodes().collect();
        let env_steps = episodes.iter().map(|e| e.length as u64).sum();
        Ok(IterationOutput { env_steps, episodes, losses, seconds: Map::new() })
    }
}

/// ES as such, which maximises any function of the weights: [`perturbed`](Self::perturbed) weights to judge, and
/// [`tell`](Self::tell).
#[derive(Debug, Clone)]
pub struct Strategy {
    config: EsConfig,
    optimizer: OptimizerConfig,
    layout: Layout,
    seed: u64,
    weights: Vec<f32>,
    moments: AdamState,
}

impl Strategy {
    /// Starts at `weights`, of which those of `layout` are perturbed and moved.
    pub fn new(
        config: &EsConfig,
        optimizer: &OptimizerConfig,
        layout: Layout,
        seed: u64,
        weights: Vec<f32>,
    ) -> Self {
        let moments = AdamState::new(layout.weights_len());
        Self {
            config: config.clone(),
            optimizer: optimizer.clone(),
            layout,
            seed,
            weights,
            moments,
        }
    }

    /// The weights in the middle of the population.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The standard deviation of the perturbations of an iteration.
    pub fn sigma(&self, iteration: &Iteration) -> f64 {
        let EsConfig { sigma, sigma_final, sigma_schedule, .. } = self.config;
        match sigma_final {
            None => sigma,
            Some(last) => schedule::value(sigma_schedule, sigma, last, iteration.progress),
        }
    }

    /// The learning rate of an iteration.
    fn lr(&self, iteration: &Iteration) -> f64 {
        let OptimizerConfig { lr, lr_final, .. } = self.optimizer;
        schedule::value(self.optimizer.schedule(), lr, lr_final.unwrap_or(lr), iteration.progress)
    }

    /// Returns the key of the perturbations of an iteration.
    fn key(&self, iteration: &Iteration) -> StreamKey {
        iteration.key(self.seed, Purpose::Perturb)
    }

    /// The weights of a member.
    ///
    /// # Errors
    /// If there are fewer weights than the layout has.
    pub fn perturbed(&self, iteration: &Iteration, member: u64) -> Result<Vec<f32>> {
        let (mut noise, mut weights) = (Vec::new(), self.weights.clone());
        self.layout.draw(self.key(iteration).at(member / 2), &mut noise);
        let sigma = self.sigma(iteration) as f32;
        let sign = if member.is_multiple_of(2) { 1.0 } else { -1.0 };
        self.layout.perturb(&noise, sign * sigma, &mut weights)?;
        Ok(weights)
    }

    /// Moves the weights by the fitness of all members: one step along
    /// `1 / (n sigma) sum of (u(2p) - u(2p+1)) E(p)` over the pairs `p` of the `n` members, where `u` is shaped fitness
    /// and `E` the perturbation, which is the gradient of the mean fitness of the population where `u` is fitness itself.
    ///
    /// # Errors
    /// If fitness or update are not finite; the weights are as they were then.
    pub fn tell(
        &mut self,
        iteration: &Iteration,
        fitness: &[f64],
    ) -> Result<Map<String, serde_json::Value>> {
        if let Some(found) = fitness.iter().find(|f| !f.is_finite()) {
            return Err(Error::diverged("the fitness of a member", found));
        }
        let (sigma, lr) = (self.sigma(iteration), self.lr(iteration));
        let shaped = shape(self.config.shaping, fitness);
        let scale = 1.0 / (fitness.len() as f64 * sigma);
        let pairs =
            shaped.as_chunks().0.iter().map(|[plus, minus]| ((plus - minus) * scale) as f32);
        let pairs: Vec<f32> = pairs.collect();
        let [mut gradient, other] = estimate(&self.layout, self.key(iteration), &pairs);
        let agreement = cosine(&gradient, &other);
        gradient.iter_mut().zip(&other).for_each(|(sum, other)| *sum += other);

        let (before, moments) = (self.weights.clone(), self.moments.clone());
        let (optimizer, count) = (adam(&self.optimizer), self.layout.weights_len());
        let weights = self.weights.get_mut(..count).unwrap_or_default();
        match self.config.optimizer {
            EsOptimizer::Adam => self.moments.step(&optimizer, weights, &gradient, -1.0, lr),
            EsOptimizer::Sgd => {
                self.moments.momentum_step(&optimizer, weights, &gradient, -1.0, lr);
            }
        }
        let update: Vec<f32> = self.weights.iter().zip(&before).map(|(a, b)| a - b).collect();
        if !norm(&update).is_finite() {
            (self.weights, self.moments) = (before, moments);
            return Err(Error::diverged("the norm of the update", norm(&update)));
        }
        let [least, low, median, high, most] = quartiles(fitness).unwrap_or_default();
        let numbers = [
            ("fitness_min", least),
            ("fitness_25", low),
            ("fitness_50", median),
            ("fitness_75", high),
            ("fitness_max", most),
            ("fitness_mean", fitness.iter().sum::<f64>() / fitness.len().max(1) as f64),
            ("gradient_norm", norm(&gradient)),
            ("gradient_cosine", agreement),
            ("update_norm", norm(&update)),
            ("weight_norm", norm(self.weights.get(..count).unwrap_or_default())),
            ("sigma", sigma),
            ("lr", lr),
        ];
        Ok(numbers.into_iter().map(|(name, number)| (name.to_owned(), json!(number))).collect())
    }
}

fn adam(config: &OptimizerConfig) -> AdamConfig {
    AdamConfig {
        betas: config.betas.into(),
        eps: config.eps as f32,
        weight_decay: config.weight_decay as f32,
    }
}

fn norm(vector: &[f32]) -> f64 {
    vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
}

impl Algorithm for Es {
    fn iterate(&mut self, iteration: &Iteration) -> Result<IterationOutput> {
        let start = Instant::now();
        let returns = self.ask_range(iteration, 0..self.config.es.population as u64)?;
        let asked = start.elapsed();
        let mut outcome = self.tell(iteration, &[returns])?;
        let told = start.elapsed();
        outcome.seconds.insert("collect".into(), json!(asked.as_secs_f64()));
        outcome.seconds.insert("update".into(), json!((told - asked).as_secs_f64()));
        Ok(outcome)
    }

    fn interrupt_by(&mut self, interrupt: &Interrupt) {
        self.population.interrupt_by(interrupt);
        self.executor.interrupt_by(interrupt);
        if let Some(average) = &mut self.average {
            average.interrupt_by(interrupt);
        }
    }

    fn parameters(&self) -> &[f32] {
        self.average.as_ref().map_or(&self.strategy.weights, WeightAverage::weights)
    }

    fn executor(&self) -> &Executor {
        self.average.as_ref().map_or(&self.executor, WeightAverage::executor)
    }

    fn snapshot(&self) -> Snapshot {
        let Strategy { moments, weights, .. } = &self.strategy;
        let mut arrays = vec![
            ("adam.m".into(), ArrayData::F32(moments.m.clone())),
            ("adam.v".into(), ArrayData::F32(moments.v.clone())),
        ];
        if self.average.is_some() {
            arrays.push(("weights".into(), ArrayData::F32(weights.clone())));
        }
        Snapshot { state: json!(EsState { steps: moments.t }), arrays }
    }

    fn restore(&mut self, parameters: &[f32], snapshot: &Snapshot) -> Result<()> {
        let state: EsState = serde_path_to_error::deserialize(&snapshot.state).map_err(|e| {
            Error::checkpoint("state.json", format!("the state of ES at {}", e.path()), e.inner())
        })?;
        let moments = |name| {
            let values = snapshot.floats(name)?;
            let count = self.strategy.layout.weights_len();
            match values.len() {
                length if length == count => Ok(values),
                length => {
                    let expected = format!("{count} values of {name}");
                    Err(Error::checkpoint("train.safetensors", expected, length))
                }
            }
        };
        let moments = AdamState { m: moments("adam.m")?, v: moments("adam.v")?, t: state.steps };
        let weights = match &mut self.average {
            Some(average) => {
                average.restore(parameters)?;
                snapshot.floats("weights")?
            }
            None => parameters.to_vec(),
        };
        self.population.load(&weights)?;
        self.executor.load(&weights)?;
        (self.strategy.weights, self.strategy.moments) = (weights, moments);
        Ok(())
    }
}

/// What a checkpoint holds beside weights and moments.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EsState {
    steps: u64,
}

#[cfg(test)]
mod tests;
