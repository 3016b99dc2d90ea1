#![allow(clippy::unwrap_used, clippy::panic)]
use super::answerer::Answerer;
use crate::Result;
use crate::algorithms::spread::Engine;
use crate::config::{Override, RunConfig};
use crate::record::checkpoint::Checkpoint;
use crate::trainer::{EngineChoice, Options, resume, train};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::interrupt::Interrupt;

/// Workers in this process: each iteration has another number of them, and they answer from the last part to the first.
#[derive(Default)]
struct Crew {
    workers: Mutex<Vec<Answerer>>,
    questions: Mutex<usize>,
    /// Changes an answer: its part and its bytes.
    forge: Option<fn(usize, &mut Vec<u8>)>,
}

impl std::fmt::Debug for Crew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Crew")
    }
}

impl Engine for Crew {
    fn ask(
        &self,
        config: &str,
        question: &[u8],
        parts: usize,
        _: &Interrupt,
    ) -> Result<Vec<Vec<u8>>> {
        let (mut workers, mut questions) =
            (self.workers.lock().unwrap(), self.questions.lock().unwrap());
        *questions += 1;
        let width = 1 + *questions % 3;
        // One worker is new each time, as after a crash.
        workers.truncate(width - 1);
        while workers.len() < width {
            workers.push(Answerer::new(config, &registry())?);
        }
        let mut answers = vec![Vec::new(); parts];
        for (part, answer) in answers.iter_mut().enumerate().rev() {
            *answer = workers[part % width].answer(question, part)?;
            if let Some(forge) = self.forge {
                forge(part, answer);
            }
        }
        Ok(answers)
    }

    fn status(&self) -> String {
        format!("{} questions", self.questions.lock().unwrap())
    }
}

/// The environments of the program.
fn registry() -> Registry {
    let mut registry = Registry::default();
    twisterl_quantum::register(&mut registry);
    registry
}

fn options(engine: Option<Crew>) -> Options {
    let engine = engine.map_or_else(Default::default, |crew| EngineChoice::Given(Arc::new(crew)));
    Options { quiet: true, engine, ..Options::default() }
}

fn config(algorithm: &str, own: Value) -> RunConfig {
    RunConfig::from_value(json!({
        "env_cls": "Puzzle",
        "env": {"width": 2, "height": 2, "difficulty": 2, "depth_offset": 6},
        "policy": {"embedding_size": 8, "common_layers": [6], "symmetry": "canonical"},
        "algorithm_cls": algorithm,
        "algorithm": own,
        "num_iterations": 5,
        "seed": 3
    }))
    .unwrap()
}

/// A run of each algorithm, with parts of several sizes.
fn configs() -> Vec<(&'static str, RunConfig)> {
    let evals = json!({"every": {"num_episodes": 70, "every": 2, "num_searches": 2, "deterministic": false}});
    vec![
        (
            "PPO by steps",
            config(
                "PPO",
                json!({
                    "collecting": {"num_envs": 150, "rollout_length": 5, "normalize_rewards": true,
                        "starts": {"uniform": 0.3, "mixed": 0.3, "failures": 0.3, "probe_states": 30}},
                    "training": {"num_epochs": 2}, "learning": {"diff_threshold": 0.3, "diff_metric": "every"}, "evals": evals
                }),
            ),
        ),
        (
            "PPO by episodes",
            config(
                "PPO",
                json!({"collecting": {"num_episodes": 70}, "training": {"num_epochs": 1}}),
            ),
        ),
        (
            "AZ",
            config(
                "AZ",
                json!({"collecting": {"num_episodes": 40, "num_mcts_searches": 6, "surprise": 0.5,
                    "full_searches": 0.5, "num_fast_searches": 2, "starts": {"uniform": 0.5}}}),
            ),
        ),
        (
            "BackwardScramble",
            config(
                "BackwardScramble",
                json!({"collecting": {"num_walks": 150, "walk_length": 6,
                    "experts": {"after": 0.6, "num_problems": 8, "num_solutions": 40, "beam": 4}}}),
            ),
        ),
        (
            "BackwardScramble, problems and their inverses",
            RunConfig::from_value(json!({
                "env_cls": "LinearFunction",
                "env": {"num_qubits": 2, "basis_gates": ["CX"], "difficulty": 3, "max_depth": 8},
                "policy": {"embedding_size": 8, "common_layers": [6]},
                "algorithm_cls": "BackwardScramble",
                "algorithm": {"collecting": {"num_walks": 70, "walk_length": 4,
                    "experts": {"after": 0.4, "num_problems": 20, "num_solutions": 30, "beam": 4, "invert": "both"}}},
                "num_iterations": 5,
                "seed": 3
            }))
            .unwrap(),
        ),
        ("ES", config("ES", json!({"es": {"population": 40, "num_episodes": 2}}))),
    ]
}

/// The checkpoint and the metrics of a run, without times.
fn result(path: &Path) -> (Checkpoint, Vec<Value>) {
    let mut checkpoint = Checkpoint::read(&path.join("checkpoint_last")).unwrap();
    checkpoint.state["elapsed"] = Value::Null;
    checkpoint.state["log"] = Value::Null;
    checkpoint.state["config"] = Value::Null;
    let metrics = std::fs::read_to_string(path.join("metrics.jsonl")).unwrap();
    let metrics = metrics.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().remove("time");
        line
    });
    (checkpoint, metrics.collect())
}

#[test]
fn runs_of_workers_are_the_local_run_and_resume() {
    for (name, config) in configs() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let registry = registry();
        train(&config, at("local").as_path(), &options(None), &registry).unwrap();
        let spread = || options(Some(Crew::default()));
        train(&config, at("spread").as_path(), &spread(), &registry).unwrap();
        assert_eq!(result(&at("spread")), result(&at("local")), "{name}");

        let shorter = RunConfig { num_iterations: Some(2), ..config.clone() };
        train(&shorter, at("resumed").as_path(), &spread(), &registry).unwrap();
        let overrides = vec![Override::parse("num_iterations=5").unwrap()];
        resume(&at("resumed"), &Options { overrides, ..spread() }, &registry).unwrap();
        let local = Options { overrides: vec![], ..options(None) };
        train(&shorter, at("mixed").as_path(), &local, &registry).unwrap();
        let overrides = vec![Override::parse("num_iterations=5").unwrap()];
        resume(&at("mixed"), &Options { overrides, ..spread() }, &registry).unwrap();
        // Progress, on which schedules depend, differs in the first iterations of a shorter run.
        assert_eq!(result(&at("resumed")), result(&at("mixed")), "{name}");
    }
}

/// Returns the error of a run whose answers are forged.
fn refused(algorithm: &str, forge: fn(usize, &mut Vec<u8>)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let crew = Crew { forge: Some(forge), ..Crew::default() };
    let (_, config) = configs().into_iter().find(|(name, _)| *name == algorithm).unwrap();
    let run = train(
        &config,
        folder.path().join("run").as_path(),
        &options(Some(crew)),
        &Registry::default(),
    );
    run.unwrap_err().to_string()
}

#[test]
fn forged_answers_are_refused_by_their_part() {
    let error = refused("PPO by steps", |part, answer| {
        if part == 1 {
            answer.truncate(40)
        }
    });
    assert!(error.starts_with("answer of part 1: expected a message with the checksum"), "{error}");
    let error = refused("PPO by steps", |part, answer| {
        if part == 2 {
            *answer = Vec::new()
        }
    });
    assert!(
        error.starts_with("answer of part 2: expected a message of at least 24 bytes"),
        "{error}"
    );
    // An answer that is right, to another part.
    let error = refused("PPO by steps", |part, answer| {
        thread_local!(static LAST: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) });
        LAST.with_borrow_mut(|last| {
            if part == 1 {
                std::mem::swap(last, answer);
            } else {
                last.clone_from(answer);
            }
        });
    });
    assert!(error.starts_with("answer of part 1: expected part 1 of question "), "{error}");
    assert!(error.contains("found part 2 of question "), "{error}");
}

#[test]
fn solutions_of_workers_consist_of_actions() {
    let error = refused("BackwardScramble", |part, answer| {
        // The first action of a solution, in the JSON behind a header with the checksum of all from byte 16 on.
        let key: &[u8] = b"\"actions\":[";
        let place = answer.windows(key.len()).position(|bytes| bytes == key);
        if let Some(place) = place.filter(|_| part == 1) {
            answer[place + key.len()] = b'9';
            let checksum = crc32c::crc32c(&answer[16..]);
            answer[12..16].copy_from_slice(&checksum.to_le_bytes());
        }
    });
    let expected = "answer of part 1: expected an answer that fits the run, found action: expected 0 to 3, found 9";
    assert_eq!(error, expected);
}
