//! Algorithms for problems in which the return is to be large.

use crate::config::AlgorithmClass;
use serde_json::{Value, json};
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::space::ActionComponent;

/// Returns the section `algorithm` and the number of iterations.
pub(super) fn algorithm(class: AlgorithmClass, spec: &dyn EnvSpec) -> (Value, u64) {
    match class {
        AlgorithmClass::Ppo => ppo(spec),
        AlgorithmClass::AlphaZero => alphazero(spec),
        AlgorithmClass::BackwardScramble => backward_scramble(spec),
        AlgorithmClass::Es => es(spec),
    }
}

/// Returns one evaluation, of fewer episodes where the environment is not native and takes most of the time.
fn evals(spec: &dyn EnvSpec, every: u64) -> Value {
    let num_episodes = if spec.foreign_spec().is_some() { 20 } else { 100 };
    json!({"greedy": {"num_episodes": num_episodes, "deterministic": true, "every": every}})
}

fn learning() -> Value {
    // There is one difficulty.
    json!({"diff_metric": "greedy", "diff_max": 1})
}

fn ppo(spec: &dyn EnvSpec) -> (Value, u64) {
    // Continuous problems pay for effort now and reward its result much later.
    let continuous = |part: &ActionComponent| matches!(part, ActionComponent::Continuous { .. });
    let gamma = match spec.action_space().components().iter().any(continuous) {
        true => 0.999,
        false => 0.99,
    };
    let algorithm = json!({
        "collecting": {
            "num_envs": 16, "rollout_length": 256, "gamma": gamma, "lambda": 0.95, "normalize_rewards": true,
        },
        "training": {
            "num_epochs": 10, "minibatch_size": 64, "clip_ratio": 0.2, "vf_coef": 0.5, "ent_coef": 0.0,
            "normalize_advantage": true, "max_grad_norm": 0.5,
        },
        "learning": learning(),
        "optimizer": {"lr": 0.001, "lr_final": 0.0, "schedule": "linear", "eps": 1e-5},
        "evals": evals(spec, 5),
        "logging": {"log_freq": 1, "checkpoint_freq": 0, "checkpoint_seconds": 10.0},
    });
    (algorithm, 100)
}

fn alphazero(spec: &dyn EnvSpec) -> (Value, u64) {
    let algorithm = json!({
        "collecting": {
            "num_episodes": 16, "num_mcts_searches": 16, "selection": "gumbel", "gamma": 0.99,
            "replay_iterations": 8,
        },
        "training": {
            "num_epochs": 1, "minibatch_size": 256, "vf_coef": 0.5, "max_grad_norm": 1.0,
        },
        "learning": learning(),
        "optimizer": {"lr": 0.001, "lr_final": 1e-4, "schedule": "cosine"},
        "evals": evals(spec, 10),
        "logging": {"log_freq": 1, "checkpoint_freq": 0, "checkpoint_seconds": 10.0},
    });
    (algorithm, 100)
}

fn backward_scramble(spec: &dyn EnvSpec) -> (Value, u64) {
    (json!({"learning": learning(), "evals": evals(spec, 10)}), 100)
}

fn es(spec: &dyn EnvSpec) -> (Value, u64) {
    let algorithm = json!({
        "es": {"population": 128, "num_episodes": 2, "sigma": 0.1},
        "learning": learning(),
        "optimizer": {"lr": 0.1, "lr_final": 0.02},
        "evals": evals(spec, 5),
        "logging": {"log_freq": 1, "checkpoint_freq": 0, "checkpoint_seconds": 10.0},
    });
    (algorithm, 100)
}
