//! Generators of hostile input.

use crate::support::options;
use rand::RngExt;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use twisterl_core::envs::registry::Registry;
use twisterl_core::rng::Rng;
use twisterl_train::config::RunConfig;
use twisterl_train::trainer;

/// Converts the error to its message.
pub fn text<T>(result: Result<T, impl ToString>) -> Result<T, String> {
    result.map_err(|e| e.to_string())
}

/// Picks a random item.
pub fn pick<'a, T>(rng: &mut Rng, items: &'a [T]) -> &'a T {
    &items[rng.random_range(0..items.len())]
}

/// Returns the root folder of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the configs of the repository and a tiny one.
pub fn configs() -> Vec<Value> {
    let mut found = vec![tiny()];
    for folder in ["tests/configs", "examples"] {
        for entry in fs::read_dir(repository().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "json") {
                found.push(serde_json::from_slice(&fs::read(path).unwrap()).unwrap());
            }
        }
    }
    found
}

/// Returns the config of a run of one iteration, which takes milliseconds.
pub fn tiny() -> Value {
    json!({
        "env_cls": "Puzzle",
        "env": {"width": 2, "height": 2, "difficulty": 2, "max_depth": 10},
        "policy": {"embedding_size": 4, "common_layers": [4]},
        "algorithm": {
            "collecting": {"num_cores": 1, "num_episodes": 4},
            "training": {"num_epochs": 1},
            "learning": {"diff_metric": "ppo_1", "diff_max": 4},
            "evals": {"ppo_1": {"num_episodes": 2, "deterministic": true}},
        },
        "num_iterations": 1,
    })
}

/// Returns a random JSON value: numbers at the limits, odd words, long or deeply nested values.
pub fn hostile_value(rng: &mut Rng) -> Value {
    const NUMBERS: [f64; 10] = [0.0, -0.0, -1.0, 0.5, 1e-300, 1e9, 1e18, 1.8e19, 1e300, -1e300];
    const WORDS: [&str; 8] = ["", "NaN", "inf", "-1", "1e400", "../..", "\u{0}", "Puzzle"];
    match rng.random_range(0..10) {
        0 => Value::Null,
        1 => rng.random::<bool>().into(),
        2 => json!(pick(rng, &NUMBERS)),
        3 => rng.random::<u64>().into(),
        4 => (rng.random::<i64>() >> rng.random_range(0..63)).into(),
        5 => (*pick(rng, &WORDS)).into(),
        6 => "x".repeat(rng.random_range(0..100_000)).into(),
        7 => json!({"__tuple_list__": true, "list": [hostile_value(rng)]}),
        8 => vec![json!(rng.random_range(0..300)); rng.random_range(0..300)].into(),
        _ => nested(rng.random_range(0..400)),
    }
}

/// Returns a value with this many levels of lists and objects.
pub fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |v, i| if i % 2 == 0 { json!([v]) } else { json!({"env": v}) })
}

/// Changes one random place in `value`.
pub fn disturb(rng: &mut Rng, value: &mut Value) {
    let stop = rng.random_range(0..6) == 0;
    match value {
        Value::Object(map) if !map.is_empty() && !stop => {
            let keys: Vec<String> = map.keys().cloned().collect();
            let key = pick(rng, &keys).clone();
            match rng.random_range(0..12) {
                0 => drop(map.shift_remove(&key)),
                1 => drop(map.insert(format!("{key}x"), hostile_value(rng))),
                2 => {
                    let moved = map.get(&key).cloned().unwrap_or_default();
                    map.insert(pick(rng, &keys).clone(), moved);
                }
                _ => disturb(rng, map.get_mut(&key).unwrap()),
            }
        }
        Value::Array(items) if !items.is_empty() && !stop => {
            let at = rng.random_range(0..items.len());
            disturb(rng, &mut items[at]);
        }
        _ => *value = hostile_value(rng),
    }
}

/// Changes, removes or inserts bytes at random places.
pub fn damage(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..4) {
        if bytes.is_empty() {
            return;
        }
        // Most formats have their structure at the beginning or the end.
        let reach = 1 << rng.random_range(3..20);
        let near = rng.random_range(0..bytes.len().min(reach));
        let at = if rng.random() { near } else { bytes.len() - 1 - near };
        let end = (at + rng.random_range(1..9)).min(bytes.len());
        match rng.random_range(0..7) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => bytes.truncate(at),
            3 => bytes[at..end].fill(if rng.random() { 0xff } else { 0 }),
            4 => drop(bytes.drain(at..end)),
            5 => drop(bytes.splice(at..at, vec![rng.random(); rng.random_range(1..9)])),
            _ => {
                // Sizes in headers are decimal: more digits make them larger.
                let digit = (at..bytes.len()).find(|&i| bytes[i].is_ascii_digit()).unwrap_or(at);
                drop(bytes.splice(digit..digit, vec![b'9'; rng.random_range(1..20)]));
            }
        }
    }
}

/// Returns corrupt JSON text, derived from `value`.
pub fn hostile_text(rng: &mut Rng, value: &Value) -> Vec<u8> {
    let mut value = value.clone();
    for _ in 0..rng.random_range(0..3) {
        disturb(rng, &mut value);
    }
    let mut bytes = value.to_string().into_bytes();
    let brace = bytes.iter().position(|&b| b == b'{').unwrap_or(0);
    match rng.random_range(0..6) {
        0 => {}
        1 => drop(bytes.splice(brace..=brace, br#"{"env":{},"env":NaN,"#.iter().copied())),
        2 => drop(bytes.splice(brace..=brace, br#"{"seed":1,"seed":2,"#.iter().copied())),
        3 => bytes = (*pick(rng, &["[", "{\"env\":"])).repeat(rng.random_range(1..50_000)).into(),
        _ => damage(rng, &mut bytes),
    }
    bytes
}

/// Trains a run of [`tiny`] in a new folder. Returns the folder and the path of the run.
pub fn finished_run() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = RunConfig::from_value(tiny()).unwrap();
    trainer::train(&config, &run, &options(1), &Registry::default()).unwrap();
    (folder, run)
}

/// Rewrites the manifest of a checkpoint with the lengths and checksums of its current files.
pub fn update_manifest(checkpoint: &Path) {
    let mut files = Map::new();
    for name in ["policy.safetensors", "state.json", "train.safetensors"] {
        let bytes = fs::read(checkpoint.join(name)).unwrap();
        let digest = json!({"length": bytes.len(), "crc32c": crc32c::crc32c(&bytes)});
        files.insert(name.to_owned(), digest);
    }
    let manifest = json!({"format": 1, "files": files});
    fs::write(checkpoint.join("manifest.json"), manifest.to_string()).unwrap();
}

/// Copies a folder with its content.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, target) = entry.map(|e| (e.path(), to.join(e.file_name()))).unwrap();
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(path, target).unwrap();
        }
    }
}
