//! Runs of environments that measure success, and of those that have no more than returns.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use support::options;
use twisterl_core::envs::registry::Registry;
use twisterl_train::config::{Override, RunConfig};
use twisterl_train::trainer::evaluation::Score;
use twisterl_train::trainer::{Options, Summary, Warner, resume, train};

fn config(env_cls: &str, learning: Value, iterations: u64) -> RunConfig {
    RunConfig::from_value(json!({
        "env_cls": env_cls,
        "policy": {"embedding_size": 8, "common_layers": [8]},
        "algorithm": {
            "collecting": {"num_envs": 4, "rollout_length": 64},
            "learning": learning,
            "evals": {"greedy": {"num_episodes": 4, "every": 2, "deterministic": true}},
        },
        "num_iterations": iterations,
    }))
    .unwrap()
}

fn trained(config: &RunConfig, run: &Path) -> (Summary, Vec<String>) {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&warnings);
    let warner = Warner::new(move |text: &str| told.lock().unwrap().push(text.to_owned()));
    let options = Options { warner: Some(warner), ..options(1) };
    let summary = train(config, run, &options, &Registry::default()).unwrap();
    let warnings = warnings.lock().unwrap().clone();
    (summary, warnings)
}

fn records(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn timeless(run: &Path) -> Vec<Value> {
    let mut records = records(run);
    for record in &mut records {
        record.as_object_mut().unwrap().shift_remove("time");
    }
    records
}

fn only() -> Value {
    json!({"diff_metric": "greedy"})
}

#[test]
fn without_a_measure_of_success_there_are_returns() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let (summary, warnings) = trained(&config("CartPole-v1", only(), 3), &run);
    assert_eq!(warnings, [""; 0]);
    let records = records(&run);
    for record in &records {
        assert_eq!(record["success"], Value::Null);
        if let Some(greedy) = record["evals"].get("greedy") {
            assert_eq!(greedy["success"], Value::Null);
            // Each step of a pole is rewarded by 1.
            assert_eq!(greedy["length"], greedy["reward"]);
        }
    }
    assert_eq!(records[0]["rollout"]["success"], Value::Null);
    assert!(
        matches!(&summary.best_score, Some((Score::Return(mean), name)) if *mean > 0.0 && name == "greedy"),
        "{:?}",
        summary.best_score
    );
}

#[test]
fn a_measure_of_success_is_shown_before_the_first_success() {
    let folder = tempfile::tempdir().unwrap();
    for env in ["MountainCar-v0", "Puzzle"] {
        let run = folder.path().join(env);
        let (summary, warnings) = trained(&config(env, only(), 1), &run);
        assert_eq!(warnings, [""; 0], "{env}");
        assert!(records(&run)[0]["evals"]["greedy"]["success"].is_f64(), "{env}");
        assert!(matches!(&summary.best_score, Some((Score::Success(_), _))), "{env}");
    }
}

#[test]
fn the_final_evaluation_is_logged_and_decides_the_best_policy() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    trained(&config("CartPole-v1", only(), 3), &run);
    let records = records(&run);
    let numbers: Vec<_> =
        records.iter().map(|record| record["iteration"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
    let records: [Value; 4] = records.try_into().unwrap();
    let end = records[3].clone();
    assert_eq!(end["env_steps"], 3 * 4 * 64);
    assert!(end.get("losses").is_none() && end["time"]["elapsed"].is_f64());
    assert_eq!(
        records.each_ref().map(|record| record.get("final").is_some()),
        [false, false, false, true]
    );
    let evaluated = [0, 2, 3].map(|i| records[i]["evals"]["greedy"]["reward"].as_f64().unwrap());
    let best = fs::read_to_string(run.join("checkpoint_best/state.json")).unwrap();
    let best: Value = serde_json::from_str(&best).unwrap();
    assert_eq!(best["best"]["reward"].as_f64().unwrap(), evaluated.into_iter().fold(0.0, f64::max));
}

#[test]
fn a_longer_run_replaces_the_final_evaluation() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    for env in ["CartPole-v1", "Puzzle"] {
        trained(&config(env, only(), 4), &whole.join(env));
        let run = parts.join(env);
        trained(&config(env, only(), 3), &run);
        let finished = timeless(&run);
        for (iterations, expected) in [(3, finished), (4, timeless(&whole.join(env)))] {
            let overrides = vec![Override::new("num_iterations", iterations).unwrap()];
            let options = Options { overrides, ..options(1) };
            resume(&run, &options, &Registry::default()).unwrap();
            assert_eq!(timeless(&run), expected, "{env}, {iterations} iterations");
        }
        let weights = "checkpoint_last/policy.safetensors";
        assert_eq!(
            fs::read(run.join(weights)).unwrap(),
            fs::read(whole.join(env).join(weights)).unwrap()
        );
    }
}

#[test]
fn without_evaluations_and_without_a_log_there_is_no_final_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut value = config("CartPole-v1", only(), 2).to_value();
    value["algorithm"]["learning"]["diff_metric"] = json!("rollout");
    for (name, path, given) in
        [("evals", "evals", json!({})), ("log", "logging", json!({"log_freq": 0}))]
    {
        let mut value = value.clone();
        value["algorithm"][path] = given;
        let run = folder.path().join(name);
        trained(&RunConfig::from_value(value).unwrap(), &run);
        let expected = if name == "evals" { 2 } else { 0 };
        assert_eq!(records(&run).len(), expected, "{name}");
    }
}

#[test]
fn settings_that_need_a_measure_of_success_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("diff_max", json!({"diff_metric": "greedy", "diff_max": 5})),
        ("threshold", json!({"diff_metric": "greedy", "diff_threshold": 0.5})),
    ];
    for (name, learning) in cases {
        let (_, warnings) = trained(&config("CartPole-v1", learning, 3), &folder.path().join(name));
        assert_eq!(warnings.len(), 1, "{name}: once in {warnings:?}");
        assert!(warnings[0].starts_with(
            "algorithm.learning.diff_metric: the difficulty goes up with success, but"
        ));
    }
    let fixed = json!({"diff_metric": "greedy", "diff_max": 1});
    let (_, warnings) = trained(&config("CartPole-v1", fixed, 3), &folder.path().join("fixed"));
    assert_eq!(warnings, [""; 0], "a difficulty that does not rise needs no measure");

    let es = RunConfig::from_value(json!({
        "env_cls": "CartPole-v1",
        "algorithm_cls": "ES",
        "policy": {"embedding_size": 8, "common_layers": [8]},
        "algorithm": {
            "es": {"population": 2, "num_episodes": 1, "fitness": "success"},
            "learning": {"diff_metric": "rollout"},
            "evals": {},
        },
        "num_iterations": 2,
    }));
    let (_, warnings) = trained(&es.unwrap(), &folder.path().join("es"));
    assert!(
        warnings.len() == 1 && warnings[0].starts_with("algorithm.es.fitness: "),
        "{warnings:?}"
    );
}
