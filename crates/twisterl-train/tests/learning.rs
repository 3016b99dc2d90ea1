//! Training as a whole, by each algorithm: it learns, it does not depend on threads, and it resumes to the same bytes.

#![allow(clippy::unwrap_used)]

use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use twisterl_core::env::Start;
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::evaluator::distribution::Choice;
use twisterl_core::evaluator::{Evaluation, Evaluator as _};
use twisterl_core::policy::Policy;
use twisterl_core::policy::executor::Executor;
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::solve::{Play, Solution};
use twisterl_core::space::Observations;
use twisterl_train::config::RunConfig;
use twisterl_train::record::load::load_policy;
use twisterl_train::trainer::{Observer, Options, resume, train};

/// A 2x3 puzzle and a recipe by which PPO solves it in seconds.
fn ppo(seed: u64, iterations: u64) -> RunConfig {
    RunConfig::from_value(json!({
        "env_cls": "Puzzle",
        "env": {
            "width": 3, "height": 2, "difficulty": 2, "depth_offset": 10, "max_depth": 60,
            "move_reward": -0.05, "failed_reward": -0.05
        },
        "policy": {"embedding_size": 64, "common_layers": [32]},
        "algorithm": {
            "collecting": {
                "num_envs": 128, "rollout_length": 16, "gamma": 1.0, "lambda": 0.9,
                "starts": {"uniform": 0.5, "failures": 0.3, "probe_states": 256, "probe_every": 10}
            },
            "training": {
                "num_epochs": 1, "minibatch_size": 256, "clip_ratio": 0.2, "vf_coef": 0.5,
                "ent_coef": 0.05, "ent_coef_final": 0.0, "normalize_advantage": true, "max_grad_norm": 0.5
            },
            "learning": {"diff_metric": "rollout", "diff_threshold": 0.75, "diff_max": 32},
            "optimizer": {"lr": 0.004, "lr_final": 1e-4, "averaging": 0.9},
            "evals": {"random": {"start": "uniform", "num_episodes": 100, "every": 25}},
            "logging": {"checkpoint_freq": 7}
        },
        "seed": seed,
        "num_iterations": iterations
    }))
    .unwrap()
}

/// The same for learning from backward walks, and then from what a beam finds.
fn backward(seed: u64, iterations: u64) -> RunConfig {
    RunConfig::from_value(json!({
        "env_cls": "Puzzle",
        "env": {"width": 3, "height": 2, "difficulty": 5, "max_depth": 60, "move_reward": -0.05},
        "policy": {"embedding_size": 64, "common_layers": [32]},
        "algorithm_cls": "twisterl.rl.BackwardScramble",
        "algorithm": {
            "collecting": {
                "num_walks": 64, "walk_length": 40, "walk_window": 12, "gamma": 1.0,
                "experts": {
                    "after": 0.3, "num_problems": 16, "beam": 64, "window": 12, "memory": 512,
                    "num_solutions": 64
                }
            },
            "training": {"num_epochs": 1, "minibatch_size": 256, "vf_coef": 0.5},
            "learning": {"diff_metric": "random"},
            "optimizer": {"lr": 0.004, "lr_final": 1e-4, "averaging": 0.9},
            "evals": {"random": {"start": "uniform", "num_episodes": 100, "every": 25}},
            "logging": {"checkpoint_freq": 7}
        },
        "seed": seed,
        "num_iterations": iterations
    }))
    .unwrap()
}

/// The same for AlphaZero, with Gumbel selection and all that may vary the search.
fn alphazero(seed: u64, iterations: u64) -> RunConfig {
    RunConfig::from_value(json!({
        "env_cls": "Puzzle",
        "env": {
            "width": 3, "height": 2, "difficulty": 2, "depth_offset": 10, "max_depth": 60,
            "move_reward": -0.05, "failed_reward": -0.05
        },
        "policy": {"embedding_size": 64, "common_layers": [32]},
        "algorithm_cls": "twisterl.rl.AZ",
        "algorithm": {
            "collecting": {
                "num_episodes": 64, "num_mcts_searches": 16, "selection": "gumbel", "gamma": 1.0,
                "num_mcts_searches_start": 12, "full_searches": 0.8, "surprise": 0.3,
                "replay_iterations": 4, "starts": {"uniform": 0.7}
            },
            "training": {"num_epochs": 2, "minibatch_size": 128},
            "learning": {"diff_metric": "rollout", "diff_threshold": 0.75, "diff_max": 32},
            "optimizer": {"lr": 0.004, "lr_final": 1e-4, "averaging": 0.8},
            "evals": {"random": {"start": "uniform", "num_episodes": 100, "every": 5}},
            "logging": {"checkpoint_freq": 7}
        },
        "seed": seed,
        "num_iterations": iterations
    }))
    .unwrap()
}

/// The same for ES.
fn es(seed: u64, iterations: u64) -> RunConfig {
    RunConfig::from_value(json!({
        "env_cls": "Puzzle",
        "env": {
            "width": 3, "height": 2, "difficulty": 2, "depth_offset": 10, "max_depth": 60,
            "move_reward": -0.05, "failed_reward": -0.05
        },
        "policy": {"embedding_size": 32, "common_layers": [16]},
        "algorithm_cls": "twisterl.rl.ES",
        "algorithm": {
            "collecting": {"starts": {"uniform": 0.2, "mixed": 0.3}},
            "es": {"population": 64, "num_episodes": 4, "sigma": 0.1, "sigma_final": 0.05, "deterministic": false},
            "learning": {"diff_metric": "rollout", "diff_threshold": 0.3, "diff_max": 32},
            "optimizer": {"lr": 0.01, "averaging": 0.9},
            "evals": {"random": {"start": "uniform", "num_episodes": 100, "every": 25}},
            "logging": {"checkpoint_freq": 7}
        },
        "seed": seed,
        "num_iterations": iterations
    }))
    .unwrap()
}

/// PPO with continuous actions, and all that is scaled by what was seen.
fn control(seed: u64, iterations: u64) -> RunConfig {
    RunConfig::from_value(json!({
        "env_cls": "Pendulum-v1",
        "policy": {
            "embedding_size": 32, "common_layers": [32], "activation": "tanh", "normalize_observations": true,
            "distribution": [{"type": "gaussian", "log_std_init": -0.5}]
        },
        "algorithm": {
            "collecting": {
                "num_envs": 70, "rollout_length": 16, "gamma": 0.9, "lambda": 0.95,
                "normalize_rewards": true, "reward_scale": 0.1
            },
            "training": {
                "num_epochs": 2, "minibatch_size": 256, "clip_ratio": 0.2, "vf_coef": 0.5, "ent_coef": 0.0,
                "normalize_advantage": true, "max_grad_norm": 0.5
            },
            "learning": {"diff_metric": "rollout"},
            "optimizer": {"lr": 0.003, "averaging": 0.9},
            "evals": {"greedy": {"num_episodes": 10, "every": 25}},
            "logging": {"checkpoint_freq": 7}
        },
        "seed": seed,
        "num_iterations": iterations
    }))
    .unwrap()
}

type Config = fn(u64, u64) -> RunConfig;
const ALGORITHMS: [(&str, Config); 5] = [
    ("ppo", ppo),
    ("backward", backward),
    ("alphazero", alphazero),
    ("es", es),
    ("control", control),
];

fn options(threads: usize) -> Options {
    Options { quiet: true, threads: Some(threads), ..Options::default() }
}

fn permutations(rest: &[f64]) -> Vec<Vec<f64>> {
    if rest.is_empty() {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for (i, &first) in rest.iter().enumerate() {
        let left: Vec<f64> =
            rest.iter().enumerate().filter(|&(j, _)| j != i).map(|(_, &t)| t).collect();
        all.extend(permutations(&left).into_iter().map(|tail| [vec![first], tail].concat()));
    }
    all
}

/// Every permutation of 0 to 5 that the environment takes for a board.
fn all_boards(policy: &Policy) -> Vec<Vec<f64>> {
    let spec = Registry::default().make(&policy.env_cls, &policy.env).unwrap();
    let mut env = spec.batch(1);
    let mut rng = twisterl_core::rng::stream(0, Purpose::Solve, 0, 0);
    let mut boards = permutations(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    boards.retain(|state| env.begin(0, Start::State { state, difficulty: None }, &mut rng).is_ok());
    assert_eq!(boards.len(), 360, "half of 6! are solvable");
    boards
}

fn play(policy: &Policy, boards: &[Vec<f64>]) -> Vec<Solution> {
    let spec = Registry::default().make(&policy.env_cls, &policy.env).unwrap();
    let starts: Vec<Start<'_>> =
        boards.iter().map(|state| Start::State { state, difficulty: None }).collect();
    let play = Play {
        spec: &*spec,
        evaluator: &Executor::of(policy).unwrap(),
        choice: Choice::Greedy,
        searches: 1,
        max_steps: None,
        key: StreamKey::new(0, Purpose::Solve),
        record: false,
    };
    play.run(&starts).unwrap()
}

/// Trains by 3 seeds and requires that 99 % of the boards are solved greedily.
fn solves_the_2x3_puzzle(config: Config, iterations: u64) {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..3 {
        let run = folder.path().join(seed.to_string());
        let config = config(seed, iterations);
        let summary = train(&config, &run, &options(2), &Registry::default()).unwrap();
        let boards = all_boards(&summary.best);
        let solved = play(&summary.best, &boards).iter().filter(|o| o.solved).count();
        assert!(solved >= 357, "seed {seed}: {solved} of 360 boards solved, 99 % are 357");
    }
}

#[test]
fn ppo_solves_the_2x3_puzzle() {
    solves_the_2x3_puzzle(ppo, 800);
}

#[test]
fn alphazero_solves_the_2x3_puzzle() {
    solves_the_2x3_puzzle(alphazero, 100);
}

#[test]
fn backward_walks_teach_the_2x3_puzzle() {
    solves_the_2x3_puzzle(backward, 300);
}

#[test]
fn es_balances_the_pole_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..3 {
        let config = RunConfig::from_value(json!({
            "env_cls": "CartPole-v1",
            "policy": {"embedding_size": 16, "activation": "tanh"},
            "algorithm_cls": "ES",
            "algorithm": {
                "es": {"population": 64, "num_episodes": 2, "sigma": 0.1},
                "learning": {"diff_metric": "greedy", "diff_max": 1},
                "optimizer": {"lr": 0.1},
                "evals": {"greedy": {"num_episodes": 10, "every": 1000}}
            },
            "seed": seed,
            "num_iterations": 60
        }));
        let run = folder.path().join(seed.to_string());
        // Solved: 475 of 500 steps, on average over the population.
        let balancing =
            |metrics: &Map<String, Value>| metrics["rollout"]["length"].as_f64() < Some(475.0);
        let options = Options { observer: Some(Observer::new(balancing)), ..options(2) };
        let summary = train(&config.unwrap(), &run, &options, &Registry::default()).unwrap();
        assert!(
            summary.interrupted,
            "seed {seed}: not solved in {} iterations",
            summary.iterations
        );
    }
}

#[test]
fn what_scales_observations_is_in_the_policy() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let registry = Registry::default();
    train(&control(0, 3), &run, &options(2), &registry).unwrap();
    let policy = load_policy(&run.join("checkpoint_last"), None, &registry).unwrap();
    let scaling = policy.scaling.clone().unwrap();
    assert_eq!(scaling.count, 3 * 70 * 16);
    // Cosine, sine and speed of a pendulum that is not in control yet.
    let within = |values: &[f32], low: f32, high: f32| {
        values.iter().all(|value| (low..high).contains(value))
    };
    assert!(within(&scaling.mean, -1.0, 1.0) && within(&scaling.std[..2], 0.3, 1.0));
    assert!(scaling.std[2] > 1.0, "{scaling:?}");
    // It plays as the weights do with observations scaled by hand.
    let mut rows = Observations::new();
    rows.push_with(|row| row.values(&[0.5, -0.8, 3.0]));
    let (mut ours, mut theirs) = (Evaluation::default(), Evaluation::default());
    Executor::of(&policy).unwrap().evaluate(&rows, &mut ours).unwrap();
    scaling.apply(&mut rows);
    let plain = Executor::of(&Policy { scaling: None, ..policy }).unwrap();
    plain.evaluate(&rows, &mut theirs).unwrap();
    assert_eq!((ours.actions, ours.values), (theirs.actions, theirs.values));
    // Another run goes on from it, with its scaling; one without refuses it.
    let from = Options { load_checkpoint: Some(run), ..options(2) };
    let next = folder.path().join("next");
    train(&control(1, 1), &next, &from, &registry).unwrap();
    let next = load_policy(&next.join("checkpoint_last"), None, &registry).unwrap();
    assert_eq!(next.scaling.unwrap().count, 4 * 70 * 16);
    let mut config = control(1, 1);
    config.policy.normalize_observations = false;
    let error = train(&config, &folder.path().join("other"), &from, &registry).unwrap_err();
    assert!(error.to_string().starts_with("policy.normalize_observations: expected true"));
}

/// Metrics without what depends on the clock.
fn metrics(run: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let timeless = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        value.as_object_mut().unwrap().shift_remove("time");
        value
    };
    text.lines().map(timeless).collect()
}

fn weights(run: &Path) -> (Vec<u8>, Vec<u8>) {
    let read = |name: &str| std::fs::read(run.join("checkpoint_last").join(name)).unwrap();
    (read("policy.safetensors"), read("train.safetensors"))
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for (name, config) in ALGORITHMS {
        let run = |threads: usize| {
            let path = folder.path().join(format!("{name}-{threads}"));
            train(&config(5, 30), &path, &options(threads), &Registry::default()).unwrap();
            (weights(&path), metrics(&path))
        };
        let one = run(1);
        assert_eq!(one.1.len(), 30);
        for threads in [2, 7, 64] {
            assert!(one == run(threads), "{name}, {threads} threads");
        }
    }
}

#[test]
fn a_run_stopped_and_resumed_is_one_that_was_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::default();
    for (name, config) in ALGORITHMS {
        let whole = folder.path().join(format!("{name}-whole"));
        train(&config(1, 40), &whole, &options(2), &registry).unwrap();
        let parts = folder.path().join(format!("{name}-parts"));
        for at in [0, 33] {
            train_until(&parts, at, &config(1, 40));
            // As a kill would leave it: metrics beyond the checkpoint, which the resumed run writes again.
            let log = parts.join("metrics.jsonl");
            let mut text = std::fs::read_to_string(&log).unwrap();
            text.push_str("{\"iteration\":9999}\n{\"cut");
            std::fs::write(&log, text).unwrap();
            let summary = resume(&parts, None, &options(3), &registry).unwrap();
            assert_eq!(summary.iterations, 40);
            assert!(weights(&whole) == weights(&parts), "{name}, stopped at {at}");
            assert_eq!(metrics(&whole), metrics(&parts));
        }
    }
}

/// A run in the new folder `path` that is stopped once iteration `at` is logged.
fn train_until(path: &Path, at: usize, config: &RunConfig) {
    let _ = std::fs::remove_dir_all(path);
    let stop = Arc::new(AtomicBool::new(at == 0));
    let stopped = Options { stop: Arc::clone(&stop), ..options(2) };
    std::thread::scope(|scope| {
        let run = scope.spawn(|| train(config, path, &stopped, &Registry::default()).unwrap());
        while !run.is_finished() {
            let text = std::fs::read_to_string(path.join("metrics.jsonl")).unwrap_or_default();
            stop.fetch_or(text.lines().count() > at, std::sync::atomic::Ordering::Relaxed);
        }
        let summary = run.join().unwrap();
        assert!(summary.interrupted || summary.iterations == 40);
    });
}

#[test]
fn a_run_interrupted_midway_goes_on_from_its_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::default();
    for (name, config) in ALGORITHMS {
        let whole = folder.path().join(format!("{name}-whole"));
        train(&config(1, 40), &whole, &options(2), &registry).unwrap();
        let parts = folder.path().join(format!("{name}-parts"));
        let interrupt = Interrupt::default();
        let switch = interrupt.clone();
        let observer = Observer::new(move |metrics| {
            if metrics["iteration"] == 20 {
                switch.set();
            }
            true
        });
        let interrupted = Options { interrupt, observer: Some(observer), ..options(2) };
        let summary = train(&config(1, 40), &parts, &interrupted, &registry).unwrap();
        assert!(summary.interrupted && summary.iterations == 21, "{name}: {summary:?}");
        assert!(weights(&whole) != weights(&parts));
        assert!(!resume(&parts, None, &options(2), &registry).unwrap().interrupted);
        assert!(weights(&whole) == weights(&parts), "{name}");
        assert_eq!(metrics(&whole), metrics(&parts));
    }
}

#[test]
fn an_observer_sees_what_is_logged_and_can_stop_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let shown = Arc::clone(&seen);
    let observer = Observer::new(move |metrics| {
        let mut metrics = Value::Object(metrics.clone());
        metrics.as_object_mut().unwrap().shift_remove("time");
        let mut shown = shown.lock().unwrap();
        shown.push(metrics);
        shown.len() < 5
    });
    let options = Options { observer: Some(observer), ..options(1) };
    let summary = train(&ppo(0, 40), &path, &options, &Registry::default()).unwrap();
    assert!(summary.interrupted && summary.iterations == 5);
    assert_eq!(*seen.lock().unwrap(), metrics(&path));
}
