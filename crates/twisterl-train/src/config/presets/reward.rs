//! Algorithms for problems in which the return is to be large.

use super::{ActionKind, Preset};
use crate::config::AlgorithmClass;
use crate::config::json::overlay;
use serde_json::{Value, json};
use twisterl_core::envs::registry::EnvSpec;

/// Returns the section `algorithm` and the number of iterations.
pub(super) fn algorithm(preset: Preset, spec: &dyn EnvSpec) -> (Value, u64) {
    match preset.algorithm {
        AlgorithmClass::Ppo => ppo(preset, spec),
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

fn ppo(preset: Preset, spec: &dyn EnvSpec) -> (Value, u64) {
    let kind = ActionKind::of(&spec.action_space());
    // Continuous problems pay for effort now and reward its result much later.
    let gamma = match kind {
        ActionKind::Continuous | ActionKind::Mixed => 0.999,
        ActionKind::Discrete if preset.is_symbolic() => 0.995,
        ActionKind::Discrete => 0.99,
    };
    let (num_envs, rollout_length) = match kind {
        ActionKind::Mixed => (64, 64),
        ActionKind::Discrete | ActionKind::Continuous => (16, 256),
    };
    let mut algorithm = json!({
        "collecting": {
            "num_envs": num_envs, "rollout_length": rollout_length, "gamma": gamma, "lambda": 0.95,
            "normalize_rewards": true,
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
    let changes = match kind {
        // What is learned of one state says little about others, so each has to be visited until it is known.
        ActionKind::Discrete if preset.is_symbolic() => json!({
            // A policy that wanders forever sees the start no more.
            "collecting": {"max_steps": spec.episode_limits().endless.then_some(rollout_length)},
            "training": {"num_epochs": 4, "ent_coef": 0.01, "ent_coef_final": 0.0},
        }),
        // Choices and numbers depend on each other, which takes more samples an update.
        ActionKind::Mixed => json!({
            "training": {"num_epochs": 4, "minibatch_size": 256},
            "optimizer": {"lr": 0.003},
        }),
        ActionKind::Discrete | ActionKind::Continuous => json!({}),
    };
    overlay(&mut algorithm, changes);
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
