//! Timings of the learner on made-up data and of collection, for `bench learner` and `bench collection`.

use crate::Result;
use crate::batch::Batch;
use crate::learner::{AdamConfig, Learner};
use crate::loss::ppo::{Ppo, PpoLossConfig};
use std::time::{Duration, Instant};
use twisterl_core::policy::Policy;
use twisterl_core::policy::forward::Executor;
use twisterl_core::policy::network::{MlpSizes, Network};
use twisterl_core::registry::EnvSpec;
use twisterl_core::rollout::{Collection, Collector, Horizon, Starts};
use twisterl_core::space::{ActionComponent, ActionSpace, ObservationSpace};

/// Samples a second of optimiser steps (gather, forward, loss, backward, Adam) on minibatches of `minibatch` rows,
/// for at least `seconds` on the current rayon pool: the network of `sizes` on one-hot rows of `cells x cells` bits, as
/// a board of that many cells has, and 4 actions.
///
/// # Errors
/// If a size is out of range.
pub fn bench_learner(
    minibatch: usize,
    seconds: f64,
    cells: usize,
    sizes: &MlpSizes,
) -> Result<f64> {
    let actions = ActionSpace::discrete(4);
    let observation = ObservationSpace::SparseBinary { shape: vec![cells, cells] };
    let network = Network::mlp(observation, actions, sizes)?;
    let batch = made_up(&network, minibatch, cells);
    let parameters = made_up_parameters(&network);
    let mut learner = Learner::new(&network, parameters, AdamConfig::default())?;
    let indices: Vec<u32> = (0..minibatch as u32).collect();
    let config = PpoLossConfig { clip_ratio: 0.2, vf_coef: 0.5, ent_coef: 0.01 };
    let objective = Ppo { batch: &batch, config };
    let mut step = || learner.step(&objective, &indices, Some(0.5), 1e-5);
    step()?;
    let (start, mut samples) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs_f64(seconds) {
        step()?;
        samples += minibatch;
    }
    Ok(samples as f64 / start.elapsed().as_secs_f64())
}

/// Environment steps a second of collection with a fresh policy of `sizes`, for at least `seconds` on the current rayon
/// pool: `shape.0` environments, `shape.1` steps of each a collection, from scrambles of `difficulty`.
///
/// # Errors
/// If a size is out of range, or the environment fails.
pub fn bench_collection(
    spec: &dyn EnvSpec,
    sizes: &MlpSizes,
    difficulty: usize,
    shape: (usize, usize),
    seconds: f64,
) -> Result<f64> {
    let network = Network::mlp(spec.observation_space(), spec.action_space(), sizes)?;
    let policy = Policy::initial(network, spec.name(), spec.params(), Vec::new(), 0)?;
    let executor = Executor::of(&policy)?;
    let mut collector = Collector::new(spec, shape.0)?;
    let starts = Starts { difficulty, uniform: 0.0, mixed: 0.0, remembered: 0.0, memory: &[] };
    let mut collect = |iteration| {
        let horizon = Horizon::Steps(shape.1);
        collector.collect(&Collection { evaluator: &executor, seed: 0, iteration, starts, horizon })
    };
    collect(0)?;
    let (start, mut collections) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs_f64(seconds) {
        collections += 1;
        collect(collections)?;
    }
    let steps = collections as f64 * (shape.0 * shape.1) as f64;
    Ok(steps / start.elapsed().as_secs_f64())
}

/// A number in [-1, 1) that looks arbitrary and is the same everywhere.
pub(crate) fn noise(i: usize) -> f32 {
    let mixed = (i as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// Parameters of the usual magnitude, `noise / sqrt(inputs)`.
pub(crate) fn made_up_parameters(network: &Network) -> Vec<f32> {
    let mut parameters = Vec::with_capacity(network.parameter_count());
    for spec in network.parameters() {
        let scale = (spec.fan_in as f32).sqrt().recip();
        parameters.extend(spec.range.map(|i| noise(i) * scale));
    }
    parameters
}

/// A batch with one bit in each of `cells` groups of `cells`, and one choice in seven masked.
pub(crate) fn made_up(network: &Network, rows: usize, cells: usize) -> Batch {
    let mut batch = Batch::new(&network.actions);
    let pick = |i: usize, n: usize| ((noise(i) + 1.0) * 0.5 * n as f32) as usize % n;
    for row in 0..rows {
        batch.observations.push_with(|to| {
            to.ones((0..cells).map(|cell| cell * cells + pick(row * cells + cell, cells)));
        });
        for (i, component) in network.actions.components().iter().enumerate() {
            let &ActionComponent::Discrete { n } = component else { continue };
            let choice = pick(3 * row + i + 7, n);
            batch.actions.discrete.push(choice as u32);
            batch.masks.extend((0..n).map(|a| a == choice || (row + a) % 7 != 0));
        }
        batch.log_probs.push(-1.0 + 0.3 * noise(row + 11));
        batch.advantages.push(noise(row + 13));
        batch.returns.push(noise(row + 17));
    }
    batch
}
