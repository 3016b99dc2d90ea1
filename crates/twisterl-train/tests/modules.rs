//! Environments in WebAssembly modules, trained by the names of their files.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use twisterl_core::envs::registry::{Registry, Trust};
use twisterl_train::config::{ConfigSource, Override, RunConfig};
use twisterl_train::record::load::load_policy;
use twisterl_train::system::plugins;
use twisterl_train::system::plugins::index::{Entry, Repository};
use twisterl_train::system::plugins::module_file::sha256;
use twisterl_train::trainer::{self, Options};

/// Builds a module of `environments/` into `folder`. Returns `None` where there is no compiler for it.
fn module(name: &str, folder: &Path) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut build = Command::new(root.join("environments/build.sh"));
    let built = build.arg("--out").arg(folder).arg(name).output().unwrap();
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    match built.status.code() {
        Some(0) => Some(folder.join(format!("{name}.wasm"))),
        Some(3) => {
            eprintln!("SKIPPED: {said}");
            None
        }
        _ => panic!("{said}"),
    }
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    plugins::install(&mut registry);
    registry
}

/// A short run on the puzzle of this name that collects, updates, evaluates and searches.
fn config(env_cls: &str, algorithm: &str) -> RunConfig {
    let collecting = match algorithm {
        "PPO" => json!({"num_envs": 70, "rollout_length": 8}),
        "AZ" => json!({"num_episodes": 20, "num_mcts_searches": 8}),
        _ => json!({}),
    };
    let mut value = json!({
        "env_cls": env_cls,
        "env": {"width": 3, "height": 3, "difficulty": 6, "depth_slope": 3},
        "policy": {"embedding_size": 16, "common_layers": [16]},
        "algorithm_cls": algorithm,
        "algorithm": {
            "collecting": collecting,
            "learning": {"diff_threshold": 0.2, "diff_metric": "greedy"},
            "evals": {
                "greedy": {"num_episodes": 20, "deterministic": true},
                "search": {"num_episodes": 4, "num_mcts_searches": 8},
            },
        },
        "num_iterations": 2,
        "seed": 7,
    });
    if algorithm == "ES" {
        value["algorithm"]["es"] = json!({"population": 8, "num_episodes": 4});
    }
    RunConfig::from_value(value).unwrap()
}

/// The metrics of a run without its times, and the bytes of its last weights.
fn results(run: &Path) -> (Vec<Value>, Vec<u8>) {
    let lines = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let without_times = |line: &str| {
        let mut metrics: Value = serde_json::from_str(line).unwrap();
        metrics.as_object_mut().unwrap().retain(|name, _| !name.starts_with("time"));
        metrics
    };
    let weights = fs::read(run.join("checkpoint_last/policy.safetensors")).unwrap();
    let header = 8 + u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
    (lines.lines().map(without_times).collect(), weights[header..].to_vec())
}

#[test]
fn puzzles_in_c_and_assemblyscript_train_to_the_metrics_and_weights_of_the_native_one() {
    let folder = tempfile::tempdir().unwrap();
    let modules = ["puzzle_c", "puzzle_as"].map(|name| module(name, folder.path()));
    let registry = registry();
    let options = Options { quiet: true, ..Options::default() };
    for algorithm in ["PPO", "AZ", "ES"] {
        let trained = |env_cls: &str, run: &str| {
            let run = folder.path().join(format!("{algorithm}-{run}"));
            trainer::train(&config(env_cls, algorithm), run.as_path(), &options, &registry)
                .unwrap();
            results(&run)
        };
        let native = trained("Puzzle", "native");
        for (i, module) in modules.iter().flatten().enumerate() {
            let guest = trained(module.to_str().unwrap(), &i.to_string());
            assert_eq!(native.0, guest.0, "{algorithm} {module:?}");
            assert!(native.1 == guest.1, "{algorithm} {module:?}: weights differ");
        }
    }
}

/// A small module that needs no compiler, and `text` in place of the end of its function `te_step`.
fn line(folder: &Path, end_of_step: &str) -> PathBuf {
    let text = include_str!("../../twisterl-wasm/tests/modules/line.wat");
    let end = "(br $next)))\n    (i32.const 0))\n  (func (export \"te_observe\")";
    let other =
        format!("(br $next)))\n    {end_of_step} (i32.const 0))\n  (func (export \"te_observe\")");
    assert!(text.contains(end));
    let file = folder.join("line.wasm");
    fs::write(&file, wat::parse_str(text.replacen(end, &other, 1)).unwrap()).unwrap();
    file
}

fn line_config(module: &Path, sandbox: Value) -> RunConfig {
    let value = json!({
        "env_cls": module.to_str().unwrap(),
        "env_sandbox": sandbox,
        "policy": {"embedding_size": 8, "common_layers": [8]},
        "algorithm": {
            "collecting": {"num_envs": 8, "rollout_length": 8, "max_steps": 16},
            "logging": {"checkpoint_freq": 1},
            "evals": {},
            "learning": {"diff_metric": "rollout", "diff_start": 3},
        },
        "num_iterations": 8,
    });
    RunConfig::from_value(value).unwrap()
}

#[test]
fn a_run_and_its_policy_are_bound_to_the_module() {
    let folder = tempfile::tempdir().unwrap();
    let (module, run) = (line(folder.path(), ""), folder.path().join("run"));
    let (registry, options) = (registry(), Options { quiet: true, ..Options::default() });
    let mut config = line_config(&module, json!({"memory_mib": 2}));
    config.num_iterations = Some(1);
    trainer::train(&config, run.as_path(), &options, &registry).unwrap();
    let hash = sha256(&fs::read(&module).unwrap());
    let recorded: Value =
        serde_json::from_slice(&fs::read(run.join("config.json")).unwrap()).unwrap();
    assert_eq!(recorded["env_cls"], format!("{}#sha256={hash}", module.display()));
    assert_eq!(recorded["env_sandbox"]["memory_mib"], 2);
    assert_eq!(recorded["env_sandbox"]["fuel_per_call"], 100_000_000);

    // Names in files lead to modules where the user says so.
    let refused = load_policy(&run, None, &registry).unwrap_err().to_string();
    assert!(refused.contains("files load no code"), "{refused}");
    let refused = trainer::resume(&run, &options, &registry).map(drop).unwrap_err().to_string();
    assert!(refused.contains("files load no code"), "{refused}");
    let trusting = registry.with_trust(Trust::Code);
    load_policy(&run, None, &trusting).unwrap();
    trainer::resume(&run, &options, &trusting).unwrap();

    // Another module of this name is refused; given in place of the one in the file, it is the user's own.
    line(folder.path(), "(drop (i32.const 1))");
    let other = sha256(&fs::read(&module).unwrap());
    let expected =
        format!("of sha256 {hash}, with which this was trained, found one of sha256 {other}");
    for refused in [
        load_policy(&run, None, &trusting).unwrap_err().to_string(),
        trainer::resume(&run, &options, &trusting).map(drop).unwrap_err().to_string(),
    ] {
        assert!(refused.contains(&expected), "{refused}");
    }
    let name = module.to_str().unwrap().to_owned();
    load_policy(&run, None, &registry.replacing_envs(move |params| trusting.make(&name, params)))
        .unwrap();
}

#[test]
fn a_run_that_ran_out_of_fuel_resumes_with_more_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    // After 30 calls, each takes about 300,000 units of fuel, without an effect.
    let slow = "(local.set $i (i32.const 0)) (i32.store (i32.const 6000) (i32.add (i32.load (i32.const 6000)) (i32.const 1)))
        (if (i32.gt_u (i32.load (i32.const 6000)) (i32.const 30)) (then (loop $slow
            (local.set $i (i32.add (local.get $i) (i32.const 1))) (br_if $slow (i32.lt_u (local.get $i) (i32.const 40000))))))";
    let module = line(folder.path(), slow);
    let (registry, options) =
        (registry().with_trust(Trust::Code), Options { quiet: true, ..Options::default() });
    let [short, whole] = ["short", "whole"].map(|name| folder.path().join(name));
    trainer::train(&line_config(&module, json!({})), whole.as_path(), &options, &registry).unwrap();
    let config = line_config(&module, json!({"fuel_per_call": 100_000, "fuel_per_row": 0}));
    let ended = trainer::train(&config, short.as_path(), &options, &registry)
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(
        ended.contains("line.wasm: te_step returns: no result after 100000 units of fuel"),
        "{ended}"
    );
    let more = Override::parse("env_sandbox.fuel_per_call=10000000").unwrap();
    let options = Options { overrides: vec![more], ..options };
    trainer::resume(&short, &options, &registry).unwrap();
    assert!(results(&short) == results(&whole));
}

#[test]
fn a_module_is_looked_for_in_the_folder_of_its_config() {
    let folder = tempfile::tempdir().unwrap();
    line(folder.path(), "");
    let file = folder.path().join("config.json");
    let env_cls = |name: &str| {
        fs::write(&file, json!({"env_cls": name, "algorithm": {}}).to_string()).unwrap();
        ConfigSource::open(&file).unwrap().read(None).unwrap().0.env_cls
    };
    let found = folder.path().join("line.wasm").to_str().unwrap().to_owned();
    assert_eq!(env_cls("./line.wasm"), found);
    assert_eq!(env_cls("line.wasm"), found);
    assert_eq!(env_cls("./other.wasm"), "./other.wasm");
    assert_eq!(env_cls("Puzzle"), "Puzzle");
    assert_eq!(env_cls("wasm:line@1.0"), "wasm:line@1.0");
}

#[test]
fn bounds_of_the_sandbox_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let module = line(folder.path(), "");
    for (env_cls, sandbox, expected) in [
        (
            module.to_str().unwrap(),
            json!({"memory_mib": 0}),
            "env_sandbox.memory_mib: expected at least 1",
        ),
        (module.to_str().unwrap(), json!({"fuel": 1}), "env_sandbox.fuel"),
        (module.to_str().unwrap(), json!([1]), "env_sandbox: expected an object"),
        (module.to_str().unwrap(), json!({"engine": "v8"}), "env_sandbox.engine: expected"),
        ("Puzzle", json!({}), "env_sandbox: expected none"),
    ] {
        let config = json!({"env_cls": env_cls, "env_sandbox": sandbox});
        let refused = RunConfig::from_value(config).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}

#[test]
fn a_config_chooses_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let module = line(folder.path(), "");
    let options = Options { quiet: true, ..Options::default() };
    let trained = |engine: &str| {
        let run = folder.path().join(engine);
        let config = line_config(&module, json!({"engine": engine}));
        trainer::train(&config, run.as_path(), &options, &registry())?;
        Ok(results(&run))
    };
    let compiled: Result<_, twisterl_train::Error> = trained("wasmtime");
    if cfg!(feature = "wasmtime") {
        assert!(compiled.unwrap() == trained("wasmi").unwrap());
    } else {
        let expected = "env_sandbox.engine: expected wasmi, since this program was built without the feature `wasmtime`, \
                        found wasmtime";
        assert_eq!(compiled.map(drop).unwrap_err().to_string(), expected);
    }
}

/// Returns the entry of a module.
fn entry(name: &str, version: &str, bytes: &[u8]) -> twisterl_train::Result<Entry> {
    let description = json!({
        "name": name, "version": version, "observation": {"type": "dense", "shape": [1]},
        "actions": [{"type": "discrete", "n": 2}],
    });
    let description = serde_json::from_value(description).unwrap();
    let path = Some(format!("{name}-{version}.wasm").into());
    Entry::of(&description, "1.1".into(), bytes).map(|entry| Entry { path, ..entry })
}

#[test]
fn entries_have_names_and_versions_that_are_written_in_one_way() {
    entry("a-B_1", "0.10.3", b"one").unwrap();
    for name in ["", "a b", "../a"] {
        entry(name, "1", b"one").unwrap_err();
    }
    for version in ["", "1.x", "+1", "1.01", "1..2"] {
        entry("a", version, b"one").unwrap_err();
    }
}

#[test]
fn repositories_keep_one_module_of_each_version_and_check_it() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::at(folder.path().to_str().unwrap()).unwrap();
    for (name, version) in [("line", "1.9"), ("line", "1.10"), ("line", "0.1"), ("cube", "1.0")] {
        repository.add(entry(name, version, b"one").unwrap(), b"one").unwrap();
    }
    let labels: Vec<_> =
        repository.index().unwrap().environments.iter().map(Entry::label).collect();
    assert_eq!(labels, ["cube@1.0", "line@0.1", "line@1.9", "line@1.10"]);
    for (wanted, found) in [
        ("line", "line@1.10"),
        ("line@1", "line@1.10"),
        ("line@1.9", "line@1.9"),
        ("line@0", "line@0.1"),
    ] {
        assert_eq!(repository.find(wanted).unwrap().label(), found);
    }
    let refused = repository.find("line@2").unwrap_err().to_string();
    assert!(
        refused.contains("(cube@1.0, line@0.1, line@1.9, line@1.10), found \"line@2\""),
        "{refused}"
    );
    let line = repository.find("line@1.9").unwrap();
    assert_eq!(repository.read(&line).unwrap(), b"one");
    // The same again is fine, another module of this version is not.
    repository.add(line.clone(), b"one").unwrap();
    let refused =
        repository.add(entry("line", "1.9", b"two").unwrap(), b"two").unwrap_err().to_string();
    assert!(refused.contains("expected another version than that of line@1.9"), "{refused}");
    fs::write(folder.path().join("line-1.9.wasm"), b"two").unwrap();
    let refused = repository.read(&line).unwrap_err().to_string();
    assert!(
        refused.contains(&format!(
            "expected the module line@1.9, one of 3 bytes and sha256 {}",
            sha256(b"one")
        )),
        "{refused}"
    );
    let outside = Entry { path: Some("../secret".into()), ..line };
    let refused = repository.read(&outside).unwrap_err().to_string();
    assert!(refused.contains("a path in the folder of the index"), "{refused}");
}

#[test]
fn repositories_on_the_web_need_a_program_that_downloads() {
    let repository = Repository::at("https://example.org/environments/index.json").unwrap();
    let place = |file: &str| repository.place(Path::new(file)).to_str().unwrap().to_owned();
    assert_eq!(place("a 1?#%.wasm"), "https://example.org/environments/a%201%3F%23%25.wasm");
    let refused = repository.index().unwrap_err().to_string();
    assert!(refused.contains("loads nothing from the web"), "{refused}");
    for url in ["http://example.org", "ftp://example.org", "https://example.org/?a=1"] {
        let refused = Repository::at(url).map(drop).unwrap_err().to_string();
        assert!(refused.contains("expected a folder, or a file: or https: URL"), "{refused}");
    }
}
