//! The configs of the tests, one per algorithm.

use serde_json::{Value, json};
use twisterl_train::config::RunConfig;

/// A config by its seed and its number of iterations.
pub type Config = fn(u64, u64) -> RunConfig;

/// The configs by name.
pub const ALGORITHMS: [(&str, Config); 5] = [
    ("ppo", ppo),
    ("backward_scramble", backward_scramble),
    ("alphazero", alphazero),
    ("es", es),
    ("control", control),
];

/// Returns the checked config of a run that writes a checkpoint every 7 iterations.
fn config(mut value: Value, seed: u64, iterations: u64) -> RunConfig {
    value["seed"] = json!(seed);
    value["num_iterations"] = json!(iterations);
    value["algorithm"]["logging"] = json!({"checkpoint_freq": 7});
    RunConfig::from_value(value).unwrap()
}

/// Returns the 2x3 puzzle from scrambles of depth 2, which the curriculum makes harder.
fn puzzle() -> Value {
    json!({
        "width": 3, "height": 2, "difficulty": 2, "depth_offset": 10, "max_depth": 60,
        "move_reward": -0.05, "failed_reward": -0.05
    })
}

/// Returns the evaluation of 100 random boards, every so many iterations.
fn random_boards(every: u64) -> Value {
    json!({"random": {"start": "uniform", "num_episodes": 100, "every": every}})
}

/// Returns a config by which PPO solves the 2x3 puzzle in seconds.
pub fn ppo(seed: u64, iterations: u64) -> RunConfig {
    let value = json!({
        "env_cls": "Puzzle",
        "env": puzzle(),
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
            "evals": random_boards(25)
        }
    });
    config(value, seed, iterations)
}

/// Returns the same for backward scrambles, followed by expert iteration with a beam.
pub fn backward_scramble(seed: u64, iterations: u64) -> RunConfig {
    let value = json!({
        "env_cls": "Puzzle",
        "env": {"width": 3, "height": 2, "difficulty": 5, "max_depth": 60, "move_reward": -0.05},
        "policy": {"embedding_size": 64, "common_layers": [32]},
        "algorithm_cls": "twisterl.rl.BackwardScramble",
        "algorithm": {
            "collecting": {
                "num_walks": 64, "walk_length": 40, "walk_window": 12, "label_window": 4, "gamma": 1.0,
                "experts": {
                    "after": 0.3, "num_problems": 16, "beam": 64, "window": 12, "label_window": 6,
                    "memory": 512, "num_solutions": 64
                }
            },
            "training": {"num_epochs": 1, "minibatch_size": 256, "vf_coef": 0.5},
            "learning": {"diff_metric": "random"},
            "optimizer": {"lr": 0.004, "lr_final": 1e-4, "averaging": 0.9},
            "evals": random_boards(25)
        }
    });
    config(value, seed, iterations)
}

/// Returns the same for AlphaZero, with Gumbel selection and all options that vary the search.
pub fn alphazero(seed: u64, iterations: u64) -> RunConfig {
    let value = json!({
        "env_cls": "Puzzle",
        "env": puzzle(),
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
            "evals": random_boards(5)
        }
    });
    config(value, seed, iterations)
}

/// Returns the same for ES.
pub fn es(seed: u64, iterations: u64) -> RunConfig {
    let value = json!({
        "env_cls": "Puzzle",
        "env": puzzle(),
        "policy": {"embedding_size": 32, "common_layers": [16]},
        "algorithm_cls": "twisterl.rl.ES",
        "algorithm": {
            "collecting": {"starts": {"uniform": 0.2, "mixed": 0.3}},
            "es": {"population": 64, "num_episodes": 4, "sigma": 0.1, "sigma_final": 0.05, "deterministic": false},
            "learning": {"diff_metric": "rollout", "diff_threshold": 0.3, "diff_max": 32},
            "optimizer": {"lr": 0.01, "averaging": 0.9},
            "evals": random_boards(25)
        }
    });
    config(value, seed, iterations)
}

/// Returns a config of PPO with continuous actions and normalized observations and rewards.
pub fn control(seed: u64, iterations: u64) -> RunConfig {
    let value = json!({
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
            "evals": {"greedy": {"num_episodes": 10, "every": 25}}
        }
    });
    config(value, seed, iterations)
}

/// Returns a config by which ES solves the cart-pole.
pub fn es_cart_pole(seed: u64, iterations: u64) -> RunConfig {
    let value = json!({
        "env_cls": "CartPole-v1",
        "policy": {"embedding_size": 16, "activation": "tanh"},
        "algorithm_cls": "ES",
        "algorithm": {
            "es": {"population": 64, "num_episodes": 2, "sigma": 0.1},
            "learning": {"diff_metric": "greedy", "diff_max": 1},
            "optimizer": {"lr": 0.1},
            "evals": {"greedy": {"num_episodes": 10, "every": 1000}}
        }
    });
    config(value, seed, iterations)
}
