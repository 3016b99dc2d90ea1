//! The hot paths as workloads on synthetic data.

use super::{Workload, noise, synthetic_batch, synthetic_parameters};
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
use twisterl_core::solve::{BeamScore, Method, Solution, Solver};
use twisterl_core::space::{Action, ActionSpace, ObservationSpace, Observations};

/// Operations per call if a single one is too short to be measured.
const MANY: usize = 1000;

/// Returns the sizes of a multi-layer perceptron with these widths and rectifiers.
pub fn sizes(embedding_size: usize, common_layers: &[usize]) -> MlpSizes {
    MlpSizes {
        embedding_size,
        common_layers: common_layers.to_vec(),
        policy_layers: Vec::new(),
        value_layers: Vec::new(),
        activation: Default::default(),
    }
}

/// Returns the widths of the layers, such as `512-256`.
fn widths(sizes: &MlpSizes) -> String {
    let widths = std::iter::once(&sizes.embedding_size).chain(&sizes.common_layers);
    widths.map(usize::to_string).collect::<Vec<_>>().join("-")
}

/// Creates the workloads of the 8-puzzle alone, on one thread: reset, step, and step with observation.
///
/// # Errors
/// If its parameters are invalid.
pub fn environment() -> Result<Vec<Workload>> {
    let params = PuzzleParams { difficulty: 5, ..PuzzleParams::default() };
    let (mut reset, mut step) = (Puzzle::new(&params)?, Puzzle::new(&params)?);
    let mut observed = Puzzle::new(&params)?;
    let mut rng = StreamKey::new(0, Purpose::Start).stream();
    let actions: Vec<usize> = (0..MANY).map(|i| ((noise(i) + 1.0) * 2.0) as usize % 4).collect();
    let observed_actions = actions.clone();
    let (mut observations, mut mask) = (Observations::new(), [false; 4]);
    Ok(vec![
        Workload::new("8-puzzle: reset at difficulty 5", (MANY, "resets"), move || {
            for _ in 0..MANY {
                black_box(&mut reset).reset(&mut rng);
            }
            Ok(())
        }),
        Workload::new("8-puzzle: step", (MANY, "steps"), move || {
            for &action in &actions {
                black_box(black_box(&mut step).step(Action::Discrete(action)));
            }
            Ok(())
        }),
        Workload::new("8-puzzle: step, observation, mask", (MANY, "steps"), move || {
            for &action in &observed_actions {
                let env = black_box(&mut observed);
                let step = env.step(Action::Discrete(action));
                observations.clear();
                observations.push_with(|row| env.observe(row));
                env.action_mask(&mut mask);
                black_box((&observations, &mask, step));
            }
            Ok(())
        }),
    ])
}

/// Returns a network on boards of `cells` cells, with one bit per cell and tile.
fn board_network(cells: usize, sizes: &MlpSizes) -> Result<Network> {
    let observation = ObservationSpace::SparseBinary { shape: vec![cells, cells] };
    Ok(Network::mlp(observation, ActionSpace::discrete(4), sizes)?)
}

/// Returns the floating-point operations per row: of the dense layers (multiplications and additions), and of the
/// embedding of `ones` bits (additions).
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

/// Creates the workload of inference on `rows` rows, which the threads of the current pool share; a single row runs on one
/// thread.
///
/// # Errors
/// If a size is out of range.
pub fn inference(sizes: &MlpSizes, rows: usize) -> Result<Workload> {
    const CELLS: usize = 9;
    let network = board_network(CELLS, sizes)?;
    let executor = Executor::new(&network, &synthetic_parameters(&network))?;
    let share = rows.div_ceil(rayon::current_num_threads()).max(1);
    let mut parts: Vec<(Observations, Evaluation)> = (0..rows)
        .step_by(share)
        .map(|start| synthetic_batch(&network, share.min(rows - start), CELLS).observations)
        .map(|observations| (observations, Evaluation::default()))
        .collect();
    let name = match rows {
        1 => format!("inference, {}, one row", widths(sizes)),
        _ => format!("inference, {}, batch {rows}", widths(sizes)),
    };
    let (dense, sparse) = flops(&network, CELLS);
    let workload = Workload::new(name, (rows, "rows"), move || match parts.as_mut_slice() {
        [(observations, out)] => Ok(executor.evaluate(observations, out)?),
        parts => parts.par_iter_mut().try_for_each(|(observations, out)| {
            executor.evaluate(observations, out)?;
            Ok(())
        }),
    });
    Ok(workload.with_flops((dense + sparse) * rows as f64))
}

/// Creates the workload of optimizer steps (gather, forward, loss, backward, Adam) on minibatches of `minibatch` rows. The
/// network of `sizes` has one-hot observations of a board, `[cells, cells]`, and 4 actions.
///
/// # Errors
/// If a size is out of range.
pub fn learner(sizes: &MlpSizes, cells: usize, minibatch: usize) -> Result<Workload> {
    let network = board_network(cells, sizes)?;
    let batch: Batch = synthetic_batch(&network, minibatch, cells);
    let mut learner = Learner::new(&network)?;
    let mut state = TrainState::new(synthetic_parameters(&network), AdamConfig::default());
    let size = StepSize { lr: 1e-5, max_grad_norm: Some(0.5) };
    let indices: Vec<u32> = (0..minibatch as u32).collect();
    let config = PpoLossConfig { clip_ratio: 0.2, vf_coef: 0.5, ent_coef: 0.01 };
    let name = format!("optimiser step, {}, batch {minibatch}", widths(sizes));
    let (dense, sparse) = flops(&network, cells);
    let workload = Workload::new(name, (minibatch, "samples"), move || {
        learner.step(&mut state, &Ppo { batch: &batch, config }, &indices, size)?;
        Ok(())
    });
    // The backward pass of a dense layer has two products of the size of the forward pass, that of an embedding one.
    Ok(workload.with_flops((3.0 * dense + 2.0 * sparse) * minibatch as f64))
}

/// Creates the workload of collection with an initial policy of `sizes`: `length` steps of each of `envs` environments,
/// from scrambles of `difficulty`.
///
/// # Errors
/// If a size is out of range.
pub fn collection(
    spec: &dyn EnvSpec,
    sizes: &MlpSizes,
    difficulty: usize,
    (envs, length): (usize, usize),
) -> Result<Workload> {
    let executor = initial_executor(spec, sizes)?;
    let mut collector = Collector::new(spec, envs);
    let mut iteration = 0;
    let name = format!("collection, {}", widths(sizes));
    Ok(Workload::new(name, (envs * length, "steps"), move || {
        let starts = Starts { difficulty, uniform: 0.0, mixed: 0.0, remembered: 0.0, memory: &[] };
        let horizon = Horizon::Steps(length);
        let evaluator = &executor;
        iteration += 1;
        let key = StreamKey::new(0, Purpose::Act).iteration(iteration);
        collector.collect(&Collection {
            evaluator,
            key,
            starts,
            horizon,
            max_steps: usize::MAX,
        })?;
        Ok(())
    }))
}

/// Returns an executor of an initial policy.
fn initial_executor(spec: &dyn EnvSpec, sizes: &MlpSizes) -> Result<Executor> {
    let network = Network::mlp(spec.observation_space(), spec.action_space(), sizes)?;
    let policy = Policy::initial(network, spec.name(), spec.params(), Vec::new(), 0)?;
    Ok(Executor::of(&policy)?)
}

/// Creates the workload of search with an initial policy of `sizes` on `count` random boards of `side` x `side` cells, for
/// solutions of at most `moves` moves. The amount is the sum of `effort` over the boards, in `unit`.
///
/// # Errors
/// If a size is out of range, or the search fails.
pub fn search(
    side: usize,
    sizes: &MlpSizes,
    method: Method,
    (count, moves): (usize, usize),
    (effort, unit): (fn(&Solution) -> u64, &'static str),
) -> Result<Workload> {
    let spec = Registry::default().make("Puzzle", &json!({"width": side, "height": side}))?;
    let executor = initial_executor(&*spec, sizes)?;
    let solve = move || {
        let key = StreamKey::new(0, Purpose::Solve);
        let solver =
            Solver { max_steps: Some(moves), ..Solver::new(&*spec, &executor, method, key) };
        Ok(solver.run(&vec![Start::Uniform { difficulty: 1_000 }; count])?)
    };
    let first: Vec<Solution> = solve()?;
    let amount = first.iter().map(effort).sum::<u64>() as usize;
    let name = format!("{method}, {} boards of {side} x {side}, {}", count, widths(sizes));
    Ok(Workload::new(name, (amount, unit), move || solve().map(drop)))
}

/// Creates the workload of steps of Adam on this many parameters.
pub fn adam(parameters: usize) -> Workload {
    let mut state = TrainState::new(vec![0.5; parameters], AdamConfig::default());
    let gradient = vec![0.25; parameters];
    let name = format!("Adam, {} M parameters", parameters >> 20);
    let workload = Workload::new(name, (parameters, "parameters"), move || {
        state.adam_step(&gradient, 1.0, 1e-6);
        Ok(())
    });
    // Reads parameters, gradient and two moments; writes all of them except the gradient.
    workload.with_bytes((7 * size_of::<f32>() * parameters) as f64)
}

/// Creates the workloads of writing and of reading a checkpoint in `folder`, with a policy of `sizes` and its optimizer.
///
/// # Errors
/// If a size is out of range, or the disk cannot be written to.
pub fn checkpoint(sizes: &MlpSizes, folder: &Path) -> Result<[Workload; 2]> {
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
    let name = widths(sizes);
    Ok([
        Workload::new(format!("checkpoint, {name}: write and sync"), (1, "checkpoints"), write),
        Workload::new(format!("checkpoint, {name}: read and check"), (1, "checkpoints"), read),
    ])
}

/// Creates all workloads for the current rayon pool. Checkpoints are written to `folder`.
///
/// # Errors
/// If the disk cannot be written to.
pub fn all(folder: &Path) -> Result<Vec<Workload>> {
    let (small, large) = (sizes(128, &[128]), sizes(512, &[256]));
    let puzzle = Registry::default().make("Puzzle", &json!({}))?;
    let mcts = Method::mcts(100);
    let beam = Method::Beam { width: 256, score: BeamScore::Policy };
    let mut workloads = environment()?;
    workloads.push(inference(&large, 1)?);
    workloads.push(inference(&small, 8192)?);
    workloads.push(inference(&large, 8192)?);
    workloads.push(collection(&*puzzle, &small, 32, (512, 32))?);
    workloads.push(collection(&*puzzle, &large, 32, (512, 32))?);
    workloads.push(search(3, &large, mcts, (16, 16), (|o| o.simulations, "simulations"))?);
    workloads.push(search(4, &large, beam, (4, 40), (|o| o.nodes, "nodes"))?);
    for minibatch in [512, 1024, 8192] {
        workloads.push(learner(&large, 9, minibatch)?);
    }
    workloads.push(adam(1 << 24));
    workloads.extend(checkpoint(&large, folder)?);
    Ok(workloads)
}
