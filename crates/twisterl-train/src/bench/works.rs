//! The hot paths on synthetic data: the same for the criterion benches, for `bench` and for `benchmark`.

use super::{Work, noise, synthetic_batch, synthetic_parameters};
use crate::Result;
use crate::data::batch::Batch;
use crate::gradient::learner::{Learner, StepSize};
use crate::gradient::loss::ppo::{Ppo, PpoLossConfig};
use crate::gradient::optimizer::{AdamConfig, TrainState};
use crate::record::checkpoint::Checkpoint;
use crate::record::snapshot::ArrayData;
use rayon::prelude::*;
use serde_json::json;
use std::hint::black_box;
use std::path::Path;
use twisterl_core::env::{Environment, Start};
use twisterl_core::envs::puzzle::{Puzzle, PuzzleParams};
use twisterl_core::envs::registry::{EnvSpec, Registry};
use twisterl_core::evaluator::{Evaluation, Evaluator as _};
use twisterl_core::policy::Policy;
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::layers::{Embedding, Linear, size};
use twisterl_core::policy::network::{MlpSizes, Network};
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::rollout::{Collection, Collector, Horizon, Starts};
use twisterl_core::solve::{Budget, Method, Solution, Solver, SymmetryUse};
use twisterl_core::space::{Action, ActionSpace, ObservationSpace, Observations};

/// Operations per call where a single one is too short to be timed.
const MANY: usize = 1000;

/// Returns the sizes of a multi-layer perceptron with rectifiers.
pub fn sizes(embedding_size: usize, common_layers: &[usize]) -> MlpSizes {
    MlpSizes {
        embedding_size,
        common_layers: common_layers.to_vec(),
        policy_layers: Vec::new(),
        value_layers: Vec::new(),
        activation: Default::default(),
    }
}

fn name_of(sizes: &MlpSizes) -> String {
    let widths = std::iter::once(&sizes.embedding_size).chain(&sizes.common_layers);
    widths.map(usize::to_string).collect::<Vec<_>>().join("-")
}

/// Benchmarks the 8-puzzle alone, on one thread: reset, step, and a step with its observation.
///
/// # Errors
/// If its parameters are refused.
pub fn environment() -> Result<Vec<Work>> {
    let params = PuzzleParams { difficulty: 5, ..PuzzleParams::default() };
    let (mut reset, mut step) = (Puzzle::new(&params)?, Puzzle::new(&params)?);
    let mut observed = Puzzle::new(&params)?;
    let mut rng = StreamKey::new(0, Purpose::Start).stream();
    let actions: Vec<usize> = (0..MANY).map(|i| ((noise(i) + 1.0) * 2.0) as usize % 4).collect();
    let others = actions.clone();
    let (mut seen, mut mask) = (Observations::new(), [false; 4]);
    Ok(vec![
        Work::new("8-puzzle: reset at difficulty 5", (MANY, "resets"), move || {
            for _ in 0..MANY {
                black_box(&mut reset).reset(&mut rng);
            }
            Ok(())
        }),
        Work::new("8-puzzle: step", (MANY, "steps"), move || {
            for &action in &actions {
                black_box(black_box(&mut step).step(Action::Discrete(action)));
            }
            Ok(())
        }),
        Work::new("8-puzzle: step, observation, mask", (MANY, "steps"), move || {
            for &action in &others {
                let env = black_box(&mut observed);
                let step = env.step(Action::Discrete(action));
                seen.clear();
                seen.push_with(|row| env.observe(row));
                env.action_mask(&mut mask);
                black_box((&seen, &mask, step));
            }
            Ok(())
        }),
    ])
}

/// Returns a network for boards of `cells` cells, with a bit for each tile in each cell.
fn on_boards(cells: usize, sizes: &MlpSizes) -> Result<Network> {
    let observation = ObservationSpace::SparseBinary { shape: vec![cells, cells] };
    Ok(Network::mlp(observation, ActionSpace::discrete(4), sizes)?)
}

/// Returns the floating-point operations per row of dense layers (multiplication and addition), and of embeddings of
/// `ones` bits (addition).
fn flops(network: &Network, ones: usize) -> (f64, f64) {
    let (mut dense, mut sparse) = (0, 0);
    for layer in network.layers() {
        if let Some(linear) = layer.kind::<Linear>() {
            dense += 2 * size(layer.input()) * linear.outputs;
        } else if let Some(embedding) = layer.kind::<Embedding>() {
            sparse += ones * embedding.outputs;
        }
    }
    (dense as f64, sparse as f64)
}

/// Benchmarks inference of `rows` rows, distributed over the threads of the current pool; a single row on one of them.
///
/// # Errors
/// If a size is out of range.
pub fn inference(sizes: &MlpSizes, rows: usize) -> Result<Work> {
    const CELLS: usize = 9;
    let network = on_boards(CELLS, sizes)?;
    let executor = Executor::new(&network, &synthetic_parameters(&network))?;
    let share = rows.div_ceil(rayon::current_num_threads()).max(1);
    let mut parts: Vec<(Observations, Evaluation)> = (0..rows)
        .step_by(share)
        .map(|start| synthetic_batch(&network, share.min(rows - start), CELLS).observations)
        .map(|observations| (observations, Evaluation::default()))
        .collect();
    let name = match rows {
        1 => format!("inference, {}, one row", name_of(sizes)),
        _ => format!("inference, {}, batch {rows}", name_of(sizes)),
    };
    let (dense, sparse) = flops(&network, CELLS);
    let work = Work::new(name, (rows, "rows"), move || match parts.as_mut_slice() {
        [(observations, out)] => Ok(executor.evaluate(observations, out)?),
        parts => parts.par_iter_mut().try_for_each(|(observations, out)| {
            executor.evaluate(observations, out)?;
            Ok(())
        }),
    });
    Ok(Work { flops: (dense + sparse) * rows as f64, ..work })
}

/// Benchmarks optimizer steps (gather, forward, loss, backward, Adam) on minibatches of `minibatch` rows: the network of
/// `sizes` on one-hot rows of `cells x cells` bits, as a board of that many cells has, and 4 actions.
///
/// # Errors
/// If a size is out of range.
pub fn learner(sizes: &MlpSizes, cells: usize, minibatch: usize) -> Result<Work> {
    let network = on_boards(cells, sizes)?;
    let batch: Batch = synthetic_batch(&network, minibatch, cells);
    let mut learner = Learner::new(&network)?;
    let mut state = TrainState::new(synthetic_parameters(&network), AdamConfig::default());
    let size = StepSize { lr: 1e-5, max_grad_norm: Some(0.5) };
    let indices: Vec<u32> = (0..minibatch as u32).collect();
    let config = PpoLossConfig { clip_ratio: 0.2, vf_coef: 0.5, ent_coef: 0.01 };
    let name = format!("optimiser step, {}, batch {minibatch}", name_of(sizes));
    let (dense, sparse) = flops(&network, cells);
    let work = Work::new(name, (minibatch, "samples"), move || {
        learner.step(&mut state, &Ppo { batch: &batch, config }, &indices, size)?;
        Ok(())
    });
    // In the backward pass, a dense layer has two products of the size of its forward product, an embedding has one.
    Ok(Work { flops: (3.0 * dense + 2.0 * sparse) * minibatch as f64, ..work })
}

/// Benchmarks collection with a fresh policy of `sizes`: `envs` environments, `length` steps of each, from scrambles of
/// `difficulty`.
///
/// # Errors
/// If a size is out of range.
pub fn collection(
    spec: &dyn EnvSpec,
    sizes: &MlpSizes,
    difficulty: usize,
    (envs, length): (usize, usize),
) -> Result<Work> {
    let executor = fresh(spec, sizes)?;
    let mut collector = Collector::new(spec, envs)?;
    let mut iteration = 0;
    let name = format!("collection, {}", name_of(sizes));
    Ok(Work::new(name, (envs * length, "steps"), move || {
        let starts = Starts { difficulty, uniform: 0.0, mixed: 0.0, remembered: 0.0, memory: &[] };
        let horizon = Horizon::Steps(length);
        let evaluator = &executor;
        iteration += 1;
        let key = StreamKey::new(0, Purpose::Act).iteration(iteration);
        collector.collect(&Collection { evaluator, key, starts, horizon })?;
        Ok(())
    }))
}

fn fresh(spec: &dyn EnvSpec, sizes: &MlpSizes) -> Result<Executor> {
    let network = Network::mlp(spec.observation_space(), spec.action_space(), sizes)?;
    let policy = Policy::initial(network, spec.name(), spec.params(), Vec::new(), 0)?;
    Ok(Executor::of(&policy)?)
}

/// Benchmarks search with a fresh policy of `sizes` on `count` random boards of a puzzle with these sides, for solutions of
/// at most `moves` moves. Counts the units of `effort`.
///
/// # Errors
/// If a size is out of range, or the search fails.
pub fn search(
    side: usize,
    sizes: &MlpSizes,
    method: Method,
    (count, moves): (usize, usize),
    (effort, unit): (fn(&Solution) -> u64, &'static str),
) -> Result<Work> {
    let spec = Registry::default().make("Puzzle", &json!({"width": side, "height": side}))?;
    let executor = fresh(&*spec, sizes)?;
    let solve = move || {
        let solver = Solver {
            spec: &*spec,
            evaluator: &executor,
            method,
            budget: Budget { nodes: None, seconds: None, clock: &|| 0.0 },
            images: SymmetryUse::None,
            max_steps: Some(moves),
            key: StreamKey::new(0, Purpose::Solve),
        };
        Ok(solver.run(&vec![Start::Uniform { difficulty: 1_000 }; count])?)
    };
    let first: Vec<Solution> = solve()?;
    let amount = first.iter().map(effort).sum::<u64>() as usize;
    let name = format!("{method}, {} boards of {side} x {side}, {}", count, name_of(sizes));
    Ok(Work::new(name, (amount, unit), move || solve().map(drop)))
}

/// Benchmarks steps of Adam on this many parameters.
pub fn adam(parameters: usize) -> Work {
    let mut state = TrainState::new(vec![0.5; parameters], AdamConfig::default());
    let gradient = vec![0.25; parameters];
    let name = format!("Adam, {} M parameters", parameters >> 20);
    let work = Work::new(name, (parameters, "parameters"), move || {
        state.adam_step(&gradient, 1.0, 1e-6);
        Ok(())
    });
    // Reads parameters, gradient and two moments; writes all except the gradient.
    Work { bytes: (7 * size_of::<f32>() * parameters) as f64, ..work }
}

/// Benchmarks writing and reading a checkpoint of a policy of `sizes` and its optimizer, in `folder`.
///
/// # Errors
/// If a size is out of range, or the disk cannot be written to.
pub fn checkpoint(sizes: &MlpSizes, folder: &Path) -> Result<[Work; 2]> {
    let spec = Registry::default().make("Puzzle", &json!({}))?;
    let network = Network::mlp(spec.observation_space(), spec.action_space(), sizes)?;
    let policy = Policy::initial(network, spec.name(), spec.params(), Vec::new(), 0)?;
    let moment = ArrayData::F32(policy.parameters.clone());
    let arrays = ["adam.m", "adam.v"].map(|name| (name.to_owned(), moment.clone())).to_vec();
    let checkpoint = Checkpoint { policy, state: json!({}), arrays };
    let (to, from) = (folder.join("checkpoint"), folder.join("checkpoint"));
    checkpoint.write(&to)?;
    let write = move || checkpoint.write(&to);
    let read = move || Checkpoint::read(&from).map(drop);
    let name = name_of(sizes);
    Ok([
        Work::new(format!("checkpoint, {name}: write and sync"), (1, "checkpoints"), write),
        Work::new(format!("checkpoint, {name}: read and check"), (1, "checkpoints"), read),
    ])
}

/// Returns all works, from the smallest to the largest, for the current rayon pool. Checkpoints are written below
/// `folder`.
///
/// # Errors
/// If the disk cannot be written to.
pub fn all(folder: &Path) -> Result<Vec<Work>> {
    let (small, large) = (sizes(128, &[128]), sizes(512, &[256]));
    let puzzle = Registry::default().make("Puzzle", &json!({}))?;
    let mcts: Method = "mcts=100".parse()?;
    let beam: Method = "beam=256".parse()?;
    let mut works = environment()?;
    works.push(inference(&large, 1)?);
    works.push(inference(&small, 8192)?);
    works.push(inference(&large, 8192)?);
    works.push(collection(&*puzzle, &small, 32, (512, 32))?);
    works.push(collection(&*puzzle, &large, 32, (512, 32))?);
    works.push(search(3, &large, mcts, (16, 16), (|o| o.simulations, "simulations"))?);
    works.push(search(4, &large, beam, (4, 40), (|o| o.nodes, "nodes"))?);
    for minibatch in [512, 1024, 8192] {
        works.push(learner(&large, 9, minibatch)?);
    }
    works.push(adam(1 << 24));
    works.extend(checkpoint(&large, folder)?);
    Ok(works)
}
