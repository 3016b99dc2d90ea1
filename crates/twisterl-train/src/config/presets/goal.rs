//! Algorithms for problems with a goal and a curriculum.

use crate::config::AlgorithmClass;
use serde_json::{Value, json};
use twisterl_core::envs::registry::StartKinds;

/// Returns the section `algorithm` and the number of iterations.
pub(super) fn algorithm(class: AlgorithmClass, starts: StartKinds) -> (Value, u64) {
    match class {
        AlgorithmClass::Ppo => ppo(starts),
        AlgorithmClass::AlphaZero => alphazero(starts),
        AlgorithmClass::BackwardScramble => backward_scramble(),
        AlgorithmClass::Es => es(starts),
    }
}

/// Returns one evaluation, on uniformly random states where the environment has them.
fn evals(starts: StartKinds, iterations: u64) -> Value {
    let start = if starts.uniform { "uniform" } else { "scramble" };
    let every = iterations / 10;
    json!({"greedy": {"start": start, "num_episodes": 1000, "deterministic": true, "every": every}})
}

fn ppo(starts: StartKinds) -> (Value, u64) {
    let iterations = 4000;
    let drawn = match starts.uniform {
        true => json!({
            "uniform": 0.6, "failures": 0.35, "failure_memory": 128, "probe_states": 2048, "probe_every": 40,
        }),
        false => json!({}),
    };
    let algorithm = json!({
        "collecting": {
            "num_envs": 128, "rollout_length": 16, "gamma": 0.99, "lambda": 0.9, "starts": drawn,
        },
        "training": {
            "num_epochs": 1, "minibatch_size": 512, "clip_ratio": 0.2, "vf_coef": 0.5,
            "ent_coef": 0.03, "ent_coef_final": 0.0, "normalize_advantage": true, "max_grad_norm": 0.5,
        },
        "learning": {"diff_metric": "rollout", "diff_threshold": 0.75},
        "optimizer": {
            "lr": 0.002, "lr_final": 6e-5, "schedule": "cosine", "eps": 1e-6, "averaging": 0.995,
        },
        "evals": evals(starts, iterations),
        "logging": {"log_freq": 10, "checkpoint_freq": 0, "checkpoint_seconds": 10.0},
    });
    (algorithm, iterations)
}

fn alphazero(starts: StartKinds) -> (Value, u64) {
    let iterations = 300;
    let drawn = match starts.uniform {
        true => json!({"uniform": 0.5, "mixed": 0.3}),
        false => json!({"mixed": 0.3}),
    };
    let algorithm = json!({
        "collecting": {
            "num_episodes": 512, "num_mcts_searches": 16, "selection": "gumbel", "gamma": 0.99,
            "replay_iterations": 8, "starts": drawn,
        },
        "training": {
            "num_epochs": 1, "minibatch_size": 512, "vf_coef": 1.0, "max_grad_norm": 1.0,
        },
        "learning": {"diff_metric": "rollout", "diff_threshold": 0.75},
        "optimizer": {"lr": 0.003, "lr_final": 5e-5, "schedule": "cosine", "averaging": 0.95},
        "evals": evals(starts, iterations),
        "logging": {"log_freq": 1, "checkpoint_freq": 0, "checkpoint_seconds": 10.0},
    });
    (algorithm, iterations)
}

fn backward_scramble() -> (Value, u64) {
    let iterations = 300;
    let starts = StartKinds { curriculum: true, uniform: true };
    let algorithm = json!({
        "collecting": {"num_walks": 512, "walk_length": 50, "gamma": 0.99},
        "training": {
            "num_epochs": 1, "minibatch_size": 2048, "vf_coef": 1.0, "max_grad_norm": 1.0,
        },
        "learning": {"diff_metric": "greedy"},
        "optimizer": {"lr": 0.0015, "lr_final": 2e-5, "schedule": "cosine", "averaging": 0.99},
        "evals": evals(starts, iterations),
        "logging": {"log_freq": 1, "checkpoint_freq": 0, "checkpoint_seconds": 10.0},
    });
    (algorithm, iterations)
}

fn es(starts: StartKinds) -> (Value, u64) {
    let iterations = 500;
    let mut evals = evals(starts, iterations);
    evals["now"] = json!({"num_episodes": 500, "deterministic": true, "every": 10});
    let algorithm = json!({
        "collecting": {"starts": {"mixed": 0.3}},
        "es": {
            "population": 512, "num_episodes": 32, "common": "population", "sigma": 0.1, "optimizer": "sgd",
        },
        "learning": {"diff_metric": "now", "diff_threshold": 0.85},
        "optimizer": {"lr": 0.3, "weight_decay": 0.03, "averaging": 0.9},
        "evals": evals,
        "logging": {"log_freq": 10, "checkpoint_freq": 0, "checkpoint_seconds": 10.0},
    });
    (algorithm, iterations)
}
