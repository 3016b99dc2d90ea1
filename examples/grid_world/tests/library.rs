//! The native library trains to the same weights and metrics as the environment in the program.
#![allow(clippy::unwrap_used)]

use grid_world::GridWorld;
use serde_json::{Value, json};
use std::path::Path;
use twisterl_plugin::core::registry::Registry;
use twisterl_train::config::RunConfig;
use twisterl_train::system::plugins;
use twisterl_train::trainer::{Options, train};

/// Trains with the environment `env_cls`, and returns metrics without times, and weights.
fn trained(env_cls: &str, algorithm: &str, folder: &Path) -> (Vec<Value>, Vec<u8>) {
    let mut registry = Registry::default();
    registry.register::<GridWorld>();
    plugins::install(&mut registry);
    let config: Value = serde_json::from_str(include_str!("../config.json")).unwrap();
    let mut own = json!({"env_cls": env_cls, "algorithm_cls": algorithm, "num_iterations": 3});
    let parts = match algorithm {
        "PPO" => vec!["env", "policy", "algorithm"],
        _ => vec!["env", "policy"],
    };
    for part in parts {
        own[part] = config[part].clone();
    }
    let config = RunConfig::from_value(own).unwrap();
    train(&config, folder, &Options::default(), &registry).unwrap();
    let metrics = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let metrics = metrics.lines().map(|line| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        record.as_object_mut().unwrap().remove("time");
        record
    });
    let weights = std::fs::read(folder.join("checkpoint_last/train.safetensors")).unwrap();
    (metrics.collect(), weights)
}

#[test]
fn a_library_trains_to_the_same_bytes() {
    let built = std::env::current_exe().unwrap();
    let prefix = std::env::consts::DLL_PREFIX;
    let name = format!("{prefix}grid_world{}", std::env::consts::DLL_SUFFIX);
    let library = built.with_file_name(name);
    let library = library.to_str().unwrap();
    for algorithm in ["PPO", "AZ", "ES"] {
        let folder = tempfile::tempdir().unwrap();
        let native = trained("GridWorld", algorithm, &folder.path().join("native"));
        let plugin = trained(library, algorithm, &folder.path().join("plugin"));
        assert_eq!(native.0, plugin.0, "{algorithm}");
        assert!(native.1 == plugin.1, "{algorithm}: the weights differ");
    }
}
