//! Rates of ES: of a population, of one policy that plays as many episodes, and of members that play one by one.

use super::rates;
use crate::Result;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ShapeError};
use rayon::prelude::*;
use twisterl_core::Error;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::distribution::ActionDistribution;
use twisterl_core::evaluator::distribution::Choice;
use twisterl_core::evaluator::{Evaluation, Evaluator};
use twisterl_core::policy::Policy;
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::layers::{Embedding, Layer, Linear};
use twisterl_core::policy::network::{Activation, MlpSizes, Network};
use twisterl_core::policy::population::perturbation::Layout;
use twisterl_core::policy::population::{PerturbationKey, Population};
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::rollout::{CommonRandomNumbers, PopulationRollout, Starts};
use twisterl_core::solve::Play;
use twisterl_core::space::Observations;

/// The standard deviation of the perturbations.
const SIGMA: f32 = 0.02;

/// Environment steps per second, summed over all members.
#[derive(Debug, Clone, Copy)]
pub struct PopulationRates {
    /// Of a population with low-rank perturbations.
    pub population: f64,
    /// Of one policy that plays as many episodes in batches.
    pub plain: f64,
    /// Of a population with full-rank perturbations.
    pub full_rank: f64,
    /// Of a simple implementation of ES: each thread takes one member after the other, draws a number per weight, adds it,
    /// and plays the episode step by step with ndarray.
    pub one_by_one: f64,
}

/// Measures one episode of each of `members` members with perturbations of this rank, and as many episodes in the other
/// ways, in turn and for at least `seconds` in total on the current rayon pool. The policy is initial and samples its
/// actions. Episodes start from scrambles of `difficulty`.
///
/// # Errors
/// If a size is out of range, or the environment fails.
pub fn bench_population(
    spec: &dyn EnvSpec,
    sizes: &MlpSizes,
    difficulty: usize,
    (members, rank): (usize, usize),
    seconds: f64,
) -> Result<PopulationRates> {
    let network = Network::mlp(spec.observation_space(), spec.action_space(), sizes)?;
    let policy = Policy::initial(network, spec.name(), spec.params(), Vec::new(), 0)?;
    let executor = Executor::of(&policy)?;
    let (low, full) = (Population::new(&policy, rank)?, Population::new(&policy, 0)?);
    let episodes = Episodes { spec, policy: &policy, difficulty, members };
    let [population, plain, full_rank, one_by_one] = rates(
        [
            &mut |round| episodes.of_population(&low, round),
            &mut |round| episodes.of_policy(&executor, members, round),
            &mut |round| episodes.of_population(&full, round),
            &mut |round| episodes.one_by_one(round),
        ],
        seconds,
    )?;
    Ok(PopulationRates { population, plain, full_rank, one_by_one })
}

/// The episodes of one round, one per member. Each way to play them returns the number of environment steps.
struct Episodes<'a> {
    spec: &'a dyn EnvSpec,
    policy: &'a Policy,
    difficulty: usize,
    members: usize,
}

impl Episodes<'_> {
    /// Plays one episode per member of a population.
    fn of_population(&self, population: &Population, round: u64) -> Result<f64> {
        let difficulty = self.difficulty;
        let rollout = PopulationRollout {
            spec: self.spec,
            starts: Starts { difficulty, uniform: 0.0, mixed: 0.0, remembered: 0.0, memory: &[] },
            episodes: 1,
            common: CommonRandomNumbers::Pair,
            choice: Choice::Sample,
            max_steps: None,
        };
        let episodes = rollout.run(population, perturbation_key(round), 0..self.members as u64)?;
        Ok(episodes.iter().map(|episode| episode.length as f64).sum())
    }

    /// Plays `count` episodes with one policy.
    fn of_policy(&self, evaluator: &dyn Evaluator, count: usize, round: u64) -> Result<f64> {
        let play = Play {
            spec: self.spec,
            evaluator,
            choice: Choice::Sample,
            searches: 1,
            max_steps: None,
            key: StreamKey::new(0, Purpose::Evaluate).iteration(round),
            first: 0,
            record: false,
        };
        let starts = vec![Start::Scramble { difficulty: self.difficulty }; count];
        Ok(play.run(&starts)?.iter().map(|solution| solution.length as f64).sum())
    }

    /// Plays one episode per member, each with weights of its own.
    fn one_by_one(&self, round: u64) -> Result<f64> {
        let key = perturbation_key(round);
        let member = |member| {
            let policy = ArrayPolicy::of_member(self.policy, key, member as u64)?;
            self.of_policy(&policy, 1, round)
        };
        (0..self.members).into_par_iter().map(member).sum()
    }
}

/// Returns the key of the perturbations of one round.
fn perturbation_key(round: u64) -> PerturbationKey {
    PerturbationKey::new(0, round, SIGMA)
}

/// A multi-layer perceptron on ndarray.
struct ArrayPolicy {
    layers: Vec<ArrayLayer>,
    distribution: ActionDistribution,
}

/// A dense layer.
struct ArrayLayer {
    /// `[output, input]`
    matrix: Array2<f32>,
    /// `[output]`
    bias: Array1<f32>,
    activation: Activation,
}

impl ArrayPolicy {
    /// Creates the policy of a member with a full-rank perturbation.
    fn of_member(policy: &Policy, key: PerturbationKey, member: u64) -> Result<Self> {
        let network = &policy.network;
        let layout = Layout::of(network, 0);
        let (mut noise, mut weights) = (Vec::new(), policy.parameters.clone());
        layout.draw(key.key.at(member / 2), &mut noise);
        let scale = if member.is_multiple_of(2) { key.sigma } else { -key.sigma };
        layout.perturb(&noise, scale, &mut weights)?;
        // All layers of a multi-layer perceptron have a matrix and a bias. The ranges are those of `weights`.
        let parameters = network.parameters();
        let layers = network.common().iter().chain(network.action());
        let layers = layers.zip(parameters.as_chunks().0).map(|(layer, [matrix, bias])| {
            ArrayLayer::new(layer, &weights[matrix.range.clone()], &weights[bias.range.clone()])
        });
        let layers = layers.collect::<Result<_>>()?;
        Ok(Self { layers, distribution: network.action_distribution()? })
    }
}

impl ArrayLayer {
    fn new(layer: &Layer, matrix: &[f32], bias: &[f32]) -> Result<Self> {
        let (inputs, outputs) = layer.shape();
        let misshapen = |e: ShapeError| Error::internal(format!("{}: {e}", layer.name()));
        let (matrix, activation) = if let Some(embedding) = layer.kind::<Embedding>() {
            let matrix = ArrayView2::from_shape((inputs, outputs), matrix).map_err(misshapen)?;
            (matrix.t().as_standard_layout().into_owned(), embedding.activation)
        } else if let Some(linear) = layer.kind::<Linear>() {
            let matrix = ArrayView2::from_shape((outputs, inputs), matrix).map_err(misshapen)?;
            (matrix.to_owned(), linear.activation)
        } else {
            return Err(Error::internal(format!("{} is not a dense layer", layer.name())).into());
        };
        Ok(Self { matrix, bias: Array1::from(bias.to_vec()), activation })
    }

    /// Returns the outputs for one row of inputs.
    fn forward(&self, x: &[f32]) -> Vec<f32> {
        let outputs = self.matrix.dot(&ArrayView1::from(x)) + &self.bias;
        // A new array of one dimension has no offset.
        let (mut outputs, _) = outputs.into_raw_vec_and_offset();
        self.activation.apply(&mut outputs);
        outputs
    }
}

impl Evaluator for ArrayPolicy {
    fn distribution(&self) -> &ActionDistribution {
        &self.distribution
    }

    fn evaluate(
        &self,
        observations: &Observations,
        out: &mut Evaluation,
    ) -> twisterl_core::Result<()> {
        out.actions.clear();
        out.values.clear();
        out.values.resize(observations.len(), 0.0);
        // A multi-layer perceptron has at least two layers.
        let inputs = self.layers[0].matrix.ncols();
        for row in 0..observations.len() {
            let mut x = vec![0.0; inputs];
            let values = observations.values(row).len();
            observations.write(row..row + 1, (inputs - values, values), &mut x)?;
            for layer in &self.layers {
                x = layer.forward(&x);
            }
            out.actions.extend(x);
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;
    use twisterl_core::envs::registry::Registry;

    #[test]
    fn array_policies_agree_with_members_of_a_population() {
        let sizes = MlpSizes {
            embedding_size: 20,
            common_layers: vec![9],
            policy_layers: vec![],
            value_layers: vec![],
            activation: Activation::Tanh,
        };
        for env in ["Puzzle", "CartPole-v1"] {
            let spec = Registry::default().make(env, &json!({})).unwrap();
            let network =
                Network::mlp(spec.observation_space(), spec.action_space(), &sizes).unwrap();
            let policy = Policy::initial(network, env, json!({}), Vec::new(), 0).unwrap();
            let key = PerturbationKey::new(1, 2, 0.1);
            let mut row = Observations::new();
            row.push_with(|row| match env {
                "Puzzle" => row.ones((0..9).map(|cell| cell * 10)),
                _ => row.values(&[0.1, -0.2, 0.3, -0.4]),
            });
            let population = Population::new(&policy, 0).unwrap();
            for member in [4, 5] {
                let (mut found, mut expected) = (Evaluation::default(), Evaluation::default());
                ArrayPolicy::of_member(&policy, key, member)
                    .unwrap()
                    .evaluate(&row, &mut found)
                    .unwrap();
                let members = population.members(key, member..member + 1).unwrap();
                members.rows(&[0]).evaluate(&row, &mut expected).unwrap();
                assert_eq!(found.actions.len(), expected.actions.len());
                for (found, expected) in found.actions.iter().zip(&expected.actions) {
                    assert!((found - expected).abs() < 1e-5, "{env}: {found} {expected}");
                }
            }
        }
    }
}
