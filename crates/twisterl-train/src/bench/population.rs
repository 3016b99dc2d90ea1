//! How fast a population plays, beside one policy and beside members that play one by one.

use crate::{Error, Result};
use ndarray::{Array1, Array2, ArrayView2};
use rayon::prelude::*;
use std::time::{Duration, Instant};
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

/// Environment steps a second, over all members.
#[derive(Debug, Clone, Copy)]
pub struct PopulationRates {
    /// Of a population with low-rank perturbations.
    pub population: f64,
    /// Of one policy that plays as many episodes in batches.
    pub plain: f64,
    /// Of a population with full perturbations.
    pub full_rank: f64,
    /// Of ES written the obvious way: a member after the other on each thread draws a number for each weight, adds it, and
    /// plays its episode step by step, by the products of a library of arrays.
    pub one_by_one: f64,
}

/// Times one episode of each of `members` members with perturbations of this rank, and the same number of episodes in the
/// other ways; in turn, for at least `seconds` in all on the current rayon pool. The policy is fresh and samples its
/// actions; episodes start from scrambles of `difficulty`.
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
    let draw = |iteration| PerturbationKey::new(0, iteration, 0.02);
    let scrambles = vec![Start::Scramble { difficulty }; members];
    let play = |evaluator: &dyn Evaluator, starts: &[Start<'_>], iteration| -> Result<u64> {
        let play = Play {
            spec,
            evaluator,
            choice: Choice::Sample,
            searches: 1,
            max_steps: None,
            key: StreamKey::new(0, Purpose::Evaluate).iteration(iteration),
            record: false,
        };
        Ok(play.run(starts)?.iter().map(|outcome| outcome.length as u64).sum())
    };
    let trials = PopulationRollout {
        spec,
        starts: Starts { difficulty, uniform: 0.0, mixed: 0.0, remembered: 0.0, memory: &[] },
        episodes: 1,
        common: CommonRandomNumbers::Pair,
        choice: Choice::Sample,
        max_steps: None,
    };
    let population = |which: &Population, iteration| -> Result<u64> {
        let episodes = trials.run(which, draw(iteration), 0..members as u64)?;
        Ok(episodes.iter().map(|episode| episode.length as u64).sum())
    };
    let one_by_one = |iteration| {
        let member = |(member, start): (usize, &Start<'_>)| {
            let arrays = Arrays::of(&policy, draw(iteration), member as u64)?;
            play(&arrays, std::slice::from_ref(start), iteration)
        };
        scrambles.par_iter().enumerate().map(member).sum()
    };
    let ways: [&dyn Fn(u64) -> Result<u64>; 4] = [
        &|iteration| population(&low, iteration),
        &|iteration| play(&executor, &scrambles, iteration),
        &|iteration| population(&full, iteration),
        &one_by_one,
    ];
    let [population, plain, full_rank, one_by_one] = in_turn(ways, seconds)?;
    Ok(PopulationRates { population, plain, full_rank, one_by_one })
}

/// Steps a second of each way, which says how many steps it made in an iteration.
fn in_turn<const N: usize>(
    ways: [&dyn Fn(u64) -> Result<u64>; N],
    seconds: f64,
) -> Result<[f64; N]> {
    let mut made = [(0u64, Duration::ZERO); N];
    let start = Instant::now();
    // The first round warms up.
    for iteration in 0.. {
        for (way, (steps, time)) in ways.iter().zip(&mut made) {
            let begun = Instant::now();
            let more = way(iteration)?;
            if iteration > 0 {
                *steps += more;
                *time += begun.elapsed();
            }
        }
        if iteration > 0 && start.elapsed().as_secs_f64() >= seconds {
            break;
        }
    }
    Ok(made.map(|(steps, time)| steps as f64 / time.as_secs_f64()))
}

/// A multi-layer perceptron as arrays: matrices of (outputs, inputs), biases and activations.
struct Arrays {
    layers: Vec<(Array2<f32>, Array1<f32>, Activation)>,
    distribution: ActionDistribution,
}

impl Arrays {
    /// The policy with its perturbation for this member, whose matrices are perturbed in full.
    fn of(policy: &Policy, draw: PerturbationKey, member: u64) -> Result<Self> {
        let layout = Layout::of(&policy.network, 0);
        let (mut noise, mut weights) = (Vec::new(), policy.parameters.clone());
        layout.draw(draw.key.at(member / 2), &mut noise);
        let scale = if member.is_multiple_of(2) { draw.sigma } else { -draw.sigma };
        layout.perturb(&noise, scale, &mut weights)?;
        let network = &policy.network;
        let mut tensors = network.parameters().into_iter();
        let mut layers = Vec::new();
        for layer in network.common().iter().chain(network.action()) {
            let (inputs, outputs) = layer.shape();
            let mut next = || tensors.next().and_then(|spec| weights.get(spec.range));
            let (matrix, bias) = (next().unwrap_or_default(), next().unwrap_or_default());
            let embedding = layer.kind::<Embedding>();
            let matrix = match embedding {
                Some(_) => ArrayView2::from_shape((inputs, outputs), matrix)
                    .map(|matrix| matrix.t().as_standard_layout().into_owned()),
                None => ArrayView2::from_shape((outputs, inputs), matrix).map(|m| m.to_owned()),
            };
            let matrix = matrix.map_err(|e| Error::config("network", "linear layers", e))?;
            let linear = layer.kind::<Linear>().map(|linear| linear.activation);
            let activation = embedding.map(|e| e.activation).or(linear).unwrap_or_default();
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
        let inputs = self.layers.first().map_or(0, |(matrix, ..)| matrix.ncols());
        for row in 0..observations.len() {
            let mut x = Array1::zeros(inputs);
            let values = observations.values(row).len();
            let widths = (inputs.saturating_sub(values), values);
            observations.write(row..row + 1, widths, x.as_slice_mut().unwrap_or_default())?;
            for (matrix, bias, activation) in &self.layers {
                x = matrix.dot(&x) + bias;
                activation.apply(x.as_slice_mut().unwrap_or_default());
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
