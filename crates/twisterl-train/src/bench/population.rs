//! The speed of a population, compared to one policy, and to members that play one by one.

use crate::bench::rates;
use crate::{Error, Result};
use ndarray::{Array1, Array2, ArrayView2};
use rayon::prelude::*;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::distribution::ActionDistribution;
use twisterl_core::evaluator::distribution::Choice;
use twisterl_core::evaluator::{Evaluation, Evaluator};
use twisterl_core::policy::Policy;
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::layers::{Embedding, Linear};
use twisterl_core::policy::network::{Activation, MlpSizes, Network};
use twisterl_core::policy::population::perturbation::Layout;
use twisterl_core::policy::population::{PerturbationKey, Population};
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::rollout::{CommonRandomNumbers, PopulationRollout, Starts};
use twisterl_core::solve::Play;
use twisterl_core::space::Observations;

/// Environment steps per second, over all members.
#[derive(Debug, Clone, Copy)]
pub struct PopulationRates {
    /// Of a population with low-rank perturbations.
    pub population: f64,
    /// Of one policy that plays as many episodes in batches.
    pub plain: f64,
    /// Of a population with full perturbations.
    pub full_rank: f64,
    /// Of ES in its simplest form: each thread takes one member after the other, draws a number for each weight, adds it,
    /// and plays the episode step by step, with the products of a library of arrays.
    pub one_by_one: f64,
}

/// Measures the environment steps per second of a population of `members`, with perturbations of this rank and one episode
/// each, and of the other ways to play as many episodes. They take turns for at least `seconds` in all on the current rayon
/// pool. The policy is fresh and samples its actions; episodes start from scrambles of `difficulty`.
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
    let scrambles = vec![Start::Scramble { difficulty }; members];
    let rollout = PopulationRollout {
        spec,
        starts: Starts { difficulty, uniform: 0.0, mixed: 0.0, remembered: 0.0, memory: &[] },
        episodes: 1,
        common: CommonRandomNumbers::Pair,
        choice: Choice::Sample,
        max_steps: None,
    };
    let play_population = |population: &Population, round| {
        let episodes = rollout.run(population, key(round), 0..members as u64)?;
        Ok(episodes.iter().map(|episode| episode.length as f64).sum())
    };
    let [population, plain, full_rank, one_by_one] = rates(
        [
            &mut |round| play_population(&low, round),
            &mut |round| play(spec, &executor, &scrambles, round),
            &mut |round| play_population(&full, round),
            &mut |round| {
                let member = |(member, start): (usize, &Start<'_>)| {
                    let arrays = Arrays::of(&policy, key(round), member as u64)?;
                    play(spec, &arrays, std::slice::from_ref(start), round)
                };
                scrambles.par_iter().enumerate().map(member).sum()
            },
        ],
        seconds,
    )?;
    Ok(PopulationRates { population, plain, full_rank, one_by_one })
}

/// The perturbations of a round.
fn key(round: u64) -> PerturbationKey {
    PerturbationKey::new(0, round, 0.02)
}

/// Plays one episode from each start. Returns the number of steps.
fn play(
    spec: &dyn EnvSpec,
    evaluator: &dyn Evaluator,
    starts: &[Start<'_>],
    round: u64,
) -> Result<f64> {
    let play = Play {
        spec,
        evaluator,
        choice: Choice::Sample,
        searches: 1,
        max_steps: None,
        key: StreamKey::new(0, Purpose::Evaluate).iteration(round),
        record: false,
    };
    Ok(play.run(starts)?.iter().map(|solution| solution.length as f64).sum())
}

/// A multi-layer perceptron as arrays: matrices, `[outputs, inputs]`, biases, `[outputs]`, and activations.
struct Arrays {
    layers: Vec<(Array2<f32>, Array1<f32>, Activation)>,
    distribution: ActionDistribution,
}

impl Arrays {
    /// Builds the policy with its perturbation for this member, whose matrices are perturbed in full.
    fn of(policy: &Policy, perturbation: PerturbationKey, member: u64) -> Result<Self> {
        let layout = Layout::of(&policy.network, 0);
        let (mut noise, mut weights) = (Vec::new(), policy.parameters.clone());
        layout.draw(perturbation.key.at(member / 2), &mut noise);
        let sigma = perturbation.sigma;
        let scale = if member.is_multiple_of(2) { sigma } else { -sigma };
        layout.perturb(&noise, scale, &mut weights)?;
        let network = &policy.network;
        let mut tensors = network.parameters().into_iter().map(|spec| &weights[spec.range]);
        let mut layers = Vec::new();
        for layer in network.common().iter().chain(network.action()) {
            let wrong = || Error::config("network", "linear layers", layer.spec());
            let (inputs, outputs) = layer.shape();
            let (matrix, bias) = tensors.next().zip(tensors.next()).ok_or_else(wrong)?;
            let (matrix, activation) = match (layer.kind::<Embedding>(), layer.kind::<Linear>()) {
                (Some(embedding), _) => {
                    let matrix = ArrayView2::from_shape((inputs, outputs), matrix);
                    let matrix = matrix.map(|matrix| matrix.t().as_standard_layout().into_owned());
                    (matrix, embedding.activation)
                }
                (_, Some(linear)) => {
                    let matrix = ArrayView2::from_shape((outputs, inputs), matrix);
                    (matrix.map(|matrix| matrix.to_owned()), linear.activation)
                }
                _ => return Err(wrong()),
            };
            let matrix = matrix.map_err(|_| wrong())?;
            layers.push((matrix, Array1::from(bias.to_vec()), activation));
        }
        Ok(Self { layers, distribution: network.action_distribution()? })
    }
}

impl Evaluator for Arrays {
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
        // The action head has a layer at least.
        let inputs = self.layers[0].0.ncols();
        for row in 0..observations.len() {
            let values = observations.values(row).len();
            let mut x = vec![0.0; inputs];
            observations.write(row..row + 1, (inputs - values, values), &mut x)?;
            for (matrix, bias, activation) in &self.layers {
                x = (matrix.dot(&Array1::from(x)) + bias).into_raw_vec_and_offset().0;
                activation.apply(&mut x);
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
    fn a_member_of_arrays_is_the_member_of_a_population() {
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
            let draw = PerturbationKey::new(1, 2, 0.1);
            let mut row = Observations::new();
            row.push_with(|row| match env {
                "Puzzle" => row.ones((0..9).map(|cell| cell * 10)),
                _ => row.values(&[0.1, -0.2, 0.3, -0.4]),
            });
            let population = Population::new(&policy, 0).unwrap();
            for member in [4, 5] {
                let (mut found, mut expected) = (Evaluation::default(), Evaluation::default());
                Arrays::of(&policy, draw, member).unwrap().evaluate(&row, &mut found).unwrap();
                let members = population.members(draw, member..member + 1).unwrap();
                members.rows(&[0]).evaluate(&row, &mut expected).unwrap();
                assert_eq!(found.actions.len(), expected.actions.len());
                for (found, expected) in found.actions.iter().zip(&expected.actions) {
                    assert!((found - expected).abs() < 1e-5, "{env}: {found} {expected}");
                }
            }
        }
    }
}
