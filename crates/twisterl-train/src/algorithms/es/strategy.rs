//! The strategy itself: the perturbations of weights, and the step that their fitness implies.

use crate::algorithms::Iteration;
use crate::algorithms::es::gradient::{cosine, estimate};
use crate::algorithms::es::shaping::{quartiles, shape};
use crate::config::{EsOptimizer, EvolutionConfig};
use crate::gradient::optimizer::TrainState;
use crate::gradient::schedule;
use crate::record::metrics::{names, numbers};
use crate::{Error, Result};
use serde_json::{Map, Value};
use twisterl_core::policy::population::perturbation::Layout;
use twisterl_core::rng::{Purpose, StreamKey};

/// Maximises any function of weights: [`perturbed`](Self::perturbed) weights to evaluate, and [`tell`](Self::tell).
#[derive(Debug, Clone)]
pub struct Strategy {
    config: EvolutionConfig,
    layout: Layout,
    seed: u64,
}

impl Strategy {
    /// Perturbs and trains the weights of `layout`, which are the first ones.
    pub fn new(config: &EvolutionConfig, layout: Layout, seed: u64) -> Self {
        Self { config: config.clone(), layout, seed }
    }

    /// Returns the key of the perturbations of an iteration.
    pub fn key(&self, iteration: &Iteration) -> StreamKey {
        iteration.key(self.seed, Purpose::Perturb)
    }

    /// The standard deviation of the perturbations of an iteration.
    pub fn sigma(&self, iteration: &Iteration) -> f64 {
        let EvolutionConfig { sigma, sigma_final, sigma_schedule, .. } = self.config;
        match sigma_final {
            None => sigma,
            Some(last) => schedule::value(sigma_schedule, sigma, last, iteration.progress),
        }
    }

    /// Returns the weights of a member, whose mean parameters are `weights`.
    ///
    /// # Errors
    /// If there are fewer weights than the layout has.
    pub fn perturbed(
        &self,
        weights: &[f32],
        iteration: &Iteration,
        member: u64,
    ) -> Result<Vec<f32>> {
        let (mut noise, mut weights) = (Vec::new(), weights.to_vec());
        self.layout.draw(self.key(iteration).at(member / 2), &mut noise);
        let sigma = self.sigma(iteration) as f32;
        let sign = if member.is_multiple_of(2) { 1.0 } else { -1.0 };
        self.layout.perturb(&noise, sign * sigma, &mut weights)?;
        Ok(weights)
    }

    /// Updates the weights by the fitness of all members, `[members]`: one step with learning rate `lr` along
    /// `1 / (n sigma) sum of (u(2p) - u(2p+1)) E(p)` over the pairs `p` of the `n` members, where `u` is the shaped
    /// fitness and `E` the perturbation. This is the gradient of the mean fitness of the population where `u` is the
    /// fitness itself. Returns metrics.
    ///
    /// # Errors
    /// If fitness or update are not finite; the weights are unchanged then.
    pub fn tell(
        &self,
        state: &mut TrainState,
        iteration: &Iteration,
        fitness: &[f64],
        lr: f64,
    ) -> Result<Map<String, Value>> {
        if let Some(found) = fitness.iter().find(|f| !f.is_finite()) {
            return Err(Error::rewards_too_large("the fitness of a member", found));
        }
        let Some([least, low, median, high, most]) = quartiles(fitness) else {
            return Err(Error::config("fitness", "that of a population", "none"));
        };
        let sigma = self.sigma(iteration);
        let scale = 1.0 / (fitness.len() as f64 * sigma);
        let shaped = shape(self.config.shaping, fitness);
        let pairs =
            shaped.as_chunks().0.iter().map(|[plus, minus]| ((plus - minus) * scale) as f32);
        let pairs: Vec<f32> = pairs.collect();
        let [mut gradient, other] = estimate(&self.layout, self.key(iteration), &pairs);
        let agreement = cosine(&gradient, &other);
        gradient.iter_mut().zip(&other).for_each(|(sum, other)| *sum += other);
        let update_norm = self.step(state, &gradient, lr)?;
        Ok(numbers([
            (names::FITNESS_MIN, least),
            (names::FITNESS_25, low),
            (names::FITNESS_50, median),
            (names::FITNESS_75, high),
            (names::FITNESS_MAX, most),
            (names::FITNESS_MEAN, fitness.iter().sum::<f64>() / fitness.len() as f64),
            (names::GRADIENT_NORM, norm(&gradient)),
            (names::GRADIENT_COSINE, agreement),
            (names::UPDATE_NORM, update_norm),
            (names::WEIGHT_NORM, norm(state.trained())),
            (names::SIGMA, sigma),
            (names::LR, lr),
        ]))
    }

    /// Makes one step up `gradient`. Returns the norm of the change of the weights.
    fn step(&self, state: &mut TrainState, gradient: &[f32], lr: f64) -> Result<f64> {
        let before = state.clone();
        match self.config.optimizer {
            EsOptimizer::Adam => state.adam_step(gradient, -1.0, lr),
            EsOptimizer::Sgd => state.momentum_step(gradient, -1.0, lr),
        }
        let update: Vec<f32> =
            state.weights().iter().zip(before.weights()).map(|(a, b)| a - b).collect();
        let norm = norm(&update);
        if !norm.is_finite() {
            *state = before;
            return Err(Error::diverged("the norm of the update", norm));
        }
        Ok(norm)
    }
}

fn norm(vector: &[f32]) -> f64 {
    vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
}
