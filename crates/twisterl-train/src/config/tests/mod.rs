//! The meaning of configs. The fields of each algorithm are tested in [`algorithms`], errors in [`refusals`], and what
//! holds for all configs in [`properties`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod algorithms;
mod numbers;
mod properties;
mod refusals;

use super::*;
use serde_json::json;
use std::path::PathBuf;

fn peer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/configs/{name}_v1.peer.json"))
}

fn load(name: &str) -> RunConfig {
    let (config, ignored) = RunConfig::load(&peer(name), &[]).unwrap();
    assert_eq!(ignored, []);
    config
}

fn ppo(config: &RunConfig) -> &PpoConfig {
    match &config.algorithm {
        AlgorithmConfig::Ppo(ppo) => ppo,
        other => panic!("{other:?}"),
    }
}

fn parse(value: Value) -> RunConfig {
    RunConfig::from_value(value).unwrap()
}

#[test]
fn the_peers_configs_keep_their_meaning() {
    for (name, env_cls, diff_max) in [
        ("ppo_puzzle8", "twisterl.envs.Puzzle", 32),
        ("ppo_puzzle15", "twisterl.envs.Puzzle", 128),
        ("ppo_grid_world_5x5", "grid_world.GridWorld", 10),
    ] {
        let config = load(name);
        let (algorithm, shared) = (ppo(&config), &config.shared);
        assert_eq!(config.env_cls, env_cls);
        assert_eq!(config.env["difficulty"], 1);
        assert_eq!((config.seed, config.num_iterations), (0, None));
        assert_eq!(config.policy_cls, PolicyClass::BasicPolicy);
        assert_eq!(algorithm.collecting.num_episodes, 1024);
        assert_eq!((algorithm.collecting.gae_lambda, algorithm.collecting.gamma), (0.995, 0.995));
        assert_eq!(algorithm.collecting.num_envs, None, "whole episodes");
        assert_eq!(algorithm.training.minibatch_size, None, "full batch");
        assert!(algorithm.training.normalize_advantage);
        assert_eq!(shared.learning.diff_max, Some(diff_max));
        assert_eq!(shared.learning.diff_metric, "ppo_1");
        assert_eq!(shared.optimizer.lr, 0.00015);
        assert_eq!(shared.optimizer.schedule(), Schedule::Constant);
        let evals: Vec<_> = shared.evals.iter().collect();
        let (one, ten) = (evals[0].1, evals[1].1);
        assert_eq!((evals[0].0.as_str(), evals[1].0.as_str(), evals.len()), ("ppo_1", "ppo_10", 2));
        assert_eq!((one.deterministic, one.num_searches, one.num_episodes), (false, 1, 100));
        assert_eq!((ten.deterministic, ten.num_searches, ten.num_episodes), (false, 10, 100));
    }
    assert_eq!(load("ppo_puzzle15").env["width"], 4);
}

/// The numbers are those of the peer's `defaults.py` (version 0.5.1).
#[test]
fn defaults_are_the_peers() {
    let config = parse(json!({"env_cls": "Puzzle"}));
    assert_eq!(config.env, json!({}));
    let value = config.to_value();
    let is = |pointer: &str, expected: Value| assert_eq!(value.pointer(pointer), Some(&expected));
    is("/policy/embedding_size", json!(512));
    is("/policy/common_layers", json!([256]));
    is("/policy/policy_layers", json!([]));
    is("/policy/value_layers", json!([]));
    is("/policy/activation", json!("relu"));
    is("/algorithm/device", json!("cpu"));
    is("/algorithm/collecting/num_cores", json!(32));
    is("/algorithm/collecting/num_episodes", json!(16384));
    is("/algorithm/collecting/lambda", json!(0.995));
    is("/algorithm/collecting/gamma", json!(0.995));
    is("/algorithm/training/num_epochs", json!(10));
    is("/algorithm/training/vf_coef", json!(0.8));
    is("/algorithm/training/ent_coef", json!(0.01));
    is("/algorithm/training/clip_ratio", json!(0.1));
    is("/algorithm/training/normalize_advantage", json!(false));
    is("/algorithm/optimizer/lr", json!(0.0003));
    is("/algorithm/optimizer/betas", json!([0.9, 0.999]));
    is("/algorithm/optimizer/eps", json!(1e-8));
    is("/algorithm/learning/diff_threshold", json!(0.85));
    is("/algorithm/learning/diff_metric", json!("ppo_deterministic"));
    is("/algorithm/logging/log_freq", json!(1));
    is("/algorithm/logging/checkpoint_freq", json!(10));
    let base = json!({
        "num_episodes": 100, "deterministic": true, "num_searches": 1, "num_mcts_searches": 0, "seed": 0,
        "num_cores": 32, "C": 1.41, "max_expand_depth": 1,
    });
    for (name, deterministic, searches, simulations) in [
        ("ppo_deterministic", true, 1, 0),
        ("ppo_1", false, 1, 0),
        ("ppo_10", false, 10, 0),
        ("mcts_100", true, 1, 100),
    ] {
        let eval = &value["algorithm"]["evals"][name];
        for (key, expected) in base.as_object().unwrap() {
            match key.as_str() {
                "deterministic" => assert_eq!(eval[key], deterministic),
                "num_searches" => assert_eq!(eval[key], searches),
                "num_mcts_searches" => assert_eq!(eval[key], simulations),
                _ => assert_eq!(&eval[key], expected),
            }
        }
    }
    let evals: Vec<_> = config.shared.evals.keys().collect();
    assert_eq!(evals, ["ppo_deterministic", "ppo_1", "ppo_10", "mcts_100"]);
}

#[test]
fn defaults_merge_deeply_but_given_evals_replace_the_default_ones() {
    let config = parse(json!({
        "env_cls": "Puzzle",
        "algorithm": {
            "training": {"ent_coef": 0.5},
            "learning": {"diff_metric": "z"},
            "evals": {"z": {"num_searches": 3}, "a": {}}
        }
    }));
    assert_eq!(ppo(&config).training.ent_coef, 0.5);
    assert_eq!(ppo(&config).training.vf_coef, 0.8);
    assert_eq!(config.shared.evals.keys().collect::<Vec<_>>(), ["z", "a"], "in the order given");
    let z = config.shared.evals.get("z").unwrap();
    assert_eq!((z.num_searches, z.deterministic, z.num_episodes), (3, true, 100));
}

#[test]
fn short_and_long_class_names_mean_the_same() {
    let config = |policy, algorithm| {
        parse(json!({"env_cls": "Puzzle", "policy_cls": policy, "algorithm_cls": algorithm}))
    };
    let short = config("BasicPolicy", "PPO");
    assert_eq!(short, config("twisterl.nn.BasicPolicy", "twisterl.rl.PPO"));
    assert_eq!(short, config("Mlp", "PPO"));
}

#[test]
fn the_peers_tuple_lists_and_ignored_keys_are_understood() {
    let config = parse(json!({
        "env_cls": "twisterl.envs.Puzzle",
        "env": {"gates": {"__tuple_list__": true, "list": [["CX", [0, 1]], ["H", [0]]]}},
        "policy_cls": "twisterl.nn.BasicPolicy",
        "algorithm_cls": "twisterl.rl.PPO",
        "algorithm": {"device": "cpu", "policy": {"embedding_size": 512}},
    }));
    assert_eq!(config.env, json!({"gates": [["CX", [0, 1]], ["H", [0]]]}));
}

#[test]
fn the_schema_describes_every_key_and_its_range() {
    let schema = RunConfig::schema();
    assert_eq!(schema["required"], json!(["env_cls"]));
    assert_eq!(schema["additionalProperties"], json!(false));
    let algorithm = &schema["$defs"]["PPO"]["properties"]["algorithm"]["properties"];
    let training = &algorithm["training"]["properties"];
    assert_eq!(training["vf_coef"]["minimum"], json!(0));
    assert_eq!(training["vf_coef"]["default"], json!(0.8));
    assert!(algorithm["evals"]["additionalProperties"]["properties"]["C"].is_object());
    for (key, property) in schema["properties"].as_object().unwrap() {
        assert!(property["description"].is_string(), "{key}");
    }
}
