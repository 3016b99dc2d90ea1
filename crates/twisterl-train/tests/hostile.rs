//! The trainer answers hostile input with a result or an error message: it never panics, hangs, or uses more than a
//! gigabyte of memory.
//!
//! Each input is a function of its number. `TWISTERL_HOSTILE_CASES` sets the number of inputs, 3,000 by default.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

#[path = "hostile/campaign.rs"]
mod campaign;
#[path = "hostile/inputs.rs"]
mod inputs;
#[path = "../src/record/pt/tests/writer.rs"]
#[allow(dead_code)]
mod pt_writer;
#[path = "hostile/states.rs"]
mod states_files;
mod support;

use campaign::{MEMORY, PATIENCE, campaign};
use inputs::*;
use rand::RngExt;
use serde_json::json;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use support::until;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::rng::Rng;
use twisterl_core::space::{Actions, Observations};
use twisterl_train::config::RunConfig;
use twisterl_train::record::load::{build_policy_network, convert, load_policy, read_tensors};
use twisterl_train::system::files::states::{self, StateChecker};
use twisterl_train::trainer;

#[test]
fn configs_are_read_or_refused() {
    let (configs, registry) = (configs(), Registry::default());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    campaign("configs", 2, |rng| {
        let original = pick(rng, &configs);
        let config = if rng.random() {
            let mut value = original.clone();
            for _ in 0..rng.random_range(1..4) {
                disturb(rng, &mut value);
            }
            // The registry has to refuse invalid parameters too, even where the config already does.
            let env = value.get("env").cloned().unwrap_or_default();
            if let Err(error) = registry.make("Puzzle", &env) {
                assert!(!error.to_string().is_empty());
            }
            text(RunConfig::from_value(value))?
        } else {
            fs::write(&path, hostile_text(rng, original)).unwrap();
            text(RunConfig::load(&path, &[]))?.0
        };
        assert_eq!(RunConfig::from_value(config.to_value()).unwrap(), config);
        let spec = text(registry.make(&config.env_cls, &config.env))?;
        text(build_policy_network(&config, &*spec, &registry)).map(drop)
    });
}

#[test]
fn states_are_played_or_refused() {
    let registry = Registry::default();
    let sides = (2..=6).flat_map(|w| (2..=6).map(move |h| (w, h)));
    let specs: Vec<_> = sides
        .map(|(width, height)| {
            registry.make("Puzzle", &json!({"width": width, "height": height})).unwrap()
        })
        .collect();
    campaign("states", 4, |rng| {
        let spec = pick(rng, &specs);
        let mut batch = spec.batch(1);
        let mut state = Vec::new();
        batch.state(0, &mut state).unwrap();
        for _ in 0..rng.random_range(0..4) {
            let at = rng.random_range(0..state.len().max(1));
            match rng.random_range(0..9) {
                0 => state.truncate(at),
                1 => state.resize(rng.random_range(0..100_000), 0.0),
                2 => state.iter_mut().for_each(|v| *v = f64::from_bits(rng.random())),
                _ if state.is_empty() => {}
                3 => {
                    let found = [f64::NAN, f64::INFINITY, -0.0, 1e300, -1.0, 0.5, 9.0e15, 256.0];
                    state[at] = *pick(rng, &found);
                }
                _ => {
                    let other = rng.random_range(0..state.len());
                    state.swap(at, other);
                }
            }
        }
        let difficulty = rng.random::<bool>().then(|| rng.random::<u64>() as usize);
        text(batch.begin(0, Start::State { state: &state, difficulty }, rng))?;
        let space = spec.action_space();
        let (mut seen, mut masks, mut steps) = (Observations::new(), Vec::new(), Vec::new());
        for _ in 0..50 {
            let mut actions = Actions::new(&space);
            let any = rng.random_range(0..20) == 0;
            actions.discrete.push(if any { rng.random() } else { rng.random_range(0..4) });
            text(batch.step(&[0], &actions, &mut steps))?;
            text(batch.observe(&[0], &mut seen, &mut masks))?;
            assert!(masks.iter().rev().take(space.mask_width()).any(|&legal| legal));
        }
        assert!(steps.iter().all(|step| step.reward.is_finite()));
        text(seen.check(&spec.observation_space()))
    });
}

#[test]
fn states_files_are_read_as_they_were_written() {
    let registry = Registry::default();
    let sides = (2..=5).flat_map(|w| (2..=5).map(move |h| (w, h)));
    let specs: Vec<_> = sides
        .map(|(width, height)| {
            let goal = if width == 3 { "blank_last" } else { "blank_first" };
            let params = json!({"width": width, "height": height, "goal": goal});
            (registry.make("Puzzle", &params).unwrap(), width)
        })
        .collect();
    let path = Path::new("states");
    campaign("states files by format", 1, |rng| {
        let (spec, width) = pick(rng, &specs);
        let boards = states_files::boards(rng, &**spec);
        let (written, expected) = states_files::file(rng, boards, *width);
        let mut checker = StateChecker::new(&**spec, &Interrupt::default()).unwrap();
        let read = states::parse(path, written.as_bytes(), &mut checker);
        let read =
            read.map(|all| all.into_iter().map(|i| (i.state, i.optimal)).collect::<Vec<_>>());
        assert_eq!(read.map_err(|error| error.to_string()), Ok(expected), "{written}");
        let mut damaged = written.into_bytes();
        damage(rng, &mut damaged);
        let read = text(states::parse(path, &damaged, &mut checker))?;
        assert!(read.iter().all(|instance| checker.check(&instance.state).is_ok()));
        Ok(())
    });
}

#[test]
fn checkpoints_are_loaded_or_refused() {
    let (folder, run) = finished_run();
    let (target, registry) = (folder.path().join("target"), Registry::default());
    let names = ["policy.safetensors", "train.safetensors", "state.json", "manifest.json"];
    copy(&run.join("checkpoint_last"), &target);
    let files = names.map(|name| fs::read(target.join(name)).unwrap());
    campaign("checkpoints", 4, |rng| {
        let chosen = rng.random_range(0..names.len());
        for (name, bytes) in names.iter().zip(&files) {
            fs::write(target.join(name), bytes).unwrap();
        }
        let mut bytes = files[chosen].clone();
        damage(rng, &mut bytes);
        fs::write(target.join(names[chosen]), bytes).unwrap();
        // Half of the cases have matching checksums, so that the damage gets past the manifest.
        if names[chosen] != "manifest.json" && rng.random() {
            update_manifest(&target);
        }
        let file = if rng.random() { target.clone() } else { target.join(names[0]) };
        text(load_policy(&file, None, &registry)).map(drop)
    });
}

#[test]
fn checkpoints_of_the_peer_are_loaded_or_refused() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::default());
    let config = repository().join("tests/configs/ppo_puzzle8_v1.peer.json");
    let files = ["pt", "safetensors"].map(|ending| {
        let name = format!("ppo_puzzle8_v1.{ending}");
        (
            folder.path().join(&name),
            fs::read(repository().join("tests/vectors/peer").join(name)).unwrap(),
        )
    });
    campaign("checkpoints of the peer", 25, |rng| {
        let (path, bytes) = pick(rng, &files);
        let mut bytes = bytes.clone();
        damage(rng, &mut bytes);
        fs::write(path, bytes).unwrap();
        text(convert(path, Some(&config), &folder.path().join("out.safetensors"), &registry))
    });
}

#[test]
fn pt_files_are_read_or_refused() {
    use pt_writer::{archive, call, dict, legacy, pickle, storage, tensor};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    let numbers = [-1, 0, 1, 2, 3, 4, 64, 1 << 16, i32::MAX, i32::MIN];
    let classes = ["FloatStorage", "HalfStorage", "LongStorage", "BoolStorage", "x"];
    campaign("pt files", 1, |rng| {
        let one = |rng: &mut Rng| {
            let axes = rng.random_range(0..4);
            let mut some =
                |count: usize| -> Vec<i32> { (0..count).map(|_| *pick(rng, &numbers)).collect() };
            let (size, stride, place) = (some(axes), some(axes), some(2));
            let claimed = storage(pick::<&str>(rng, &classes), "0", place[0]);
            tensor(claimed, place[1], &size, &stride)
        };
        let weights = dict([("w", one(rng)), ("module.b", one(rng))]);
        let state = match rng.random_range(0..4) {
            0 => weights,
            1 => dict([("state_dict", weights), ("other", one(rng))]),
            2 => dict([("w", call("torch._utils", "_rebuild_parameter", vec![one(rng)]))]),
            _ => dict([("a", dict([("model", weights)])), ("b", call("os", "system", vec![]))]),
        };
        let values = vec![rng.random(); *pick(rng, &[0, 4, 64, 1 << 16])];
        let mut bytes = match rng.random_range(0..3) {
            0 => legacy(&state, &[("0", *pick(rng, &[0, 1, 16, u64::MAX]), &values)]),
            _ => {
                let mut pickled = pickle(&state);
                if rng.random() {
                    damage(rng, &mut pickled);
                }
                archive(&[("a/data.pkl", &pickled), ("a/data/0", &values), ("a/byteorder", b"big")])
            }
        };
        if rng.random_range(0..3) == 0 {
            damage(rng, &mut bytes);
        }
        fs::write(&path, bytes).unwrap();
        text(read_tensors(&path)).map(drop)
    });
}

#[test]
fn runs_are_resumed_or_refused() {
    let (folder, run) = finished_run();
    let (target, registry) = (folder.path().join("target"), Registry::default());
    campaign("resumed runs", 60, |rng| {
        let _ = fs::remove_dir_all(&target);
        copy(&run, &target);
        let last = target.join("checkpoint_last");
        let state = last.join("state.json");
        let mut value = serde_json::from_slice(&fs::read(&state).unwrap()).unwrap();
        disturb(rng, &mut value);
        fs::write(&state, value.to_string()).unwrap();
        if rng.random_range(0..4) == 0 {
            let arrays = last.join("train.safetensors");
            let mut bytes = fs::read(&arrays).unwrap();
            damage(rng, &mut bytes);
            fs::write(arrays, bytes).unwrap();
        }
        update_manifest(&last);
        text(trainer::resume(&target, &until(2, 1), &registry)).map(drop)
    });
}

/// Runs the trainer in `folder`. Returns the error that it prints, if it fails.
fn call(folder: &Path, args: &[String]) -> Result<(), String> {
    let errors = folder.join("stderr");
    // The limit counts reserved addresses as well, so it is half as large again.
    let limited = format!("ulimit -v {}; exec \"$0\" \"$@\"", 3 * MEMORY / 2 / 1024);
    let mut command = Command::new("sh");
    command.args(["-c", &limited, env!("CARGO_BIN_EXE_twisterl-train")]).args(args);
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(File::create(&errors).unwrap()).spawn().unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > PATIENCE / 2 {
            child.kill().unwrap();
            panic!("hangs: {args:?}");
        }
        thread::sleep(Duration::from_millis(1));
    };
    let message = String::from_utf8_lossy(&fs::read(errors).unwrap()).into_owned();
    assert!(!message.contains("panicked"), "{args:?}: {message}");
    match status.code() {
        Some(0) => Ok(()),
        Some(1 | 2) => Err(message),
        other => panic!("{args:?}: exit code {other:?}: {message}"),
    }
}

/// The words of generated command lines. The double space stands for an empty word.
const WORDS: &str = "evaluate solve convert schema envs help run absent absent.json out.pt out.safetensors --config \
    --run-path --run_path --num-steps --num_steps --seed --num-cores --resume --load-checkpoint --set --quiet --states \
    --state --num-episodes --difficulty --greedy --json --help -h --version -- -  0 1 3 -1 NaN 99999999999999999999 \
    0,1,2,3 1,0,2,3 env.width=7 a..b=[";

#[test]
#[cfg(unix)]
fn command_lines_are_executed_or_refused() {
    let vocabulary: Vec<&str> = WORDS.split(' ').collect();
    let (folder, _) = finished_run();
    campaign("command lines", 100, |rng| {
        let words = (0..rng.random_range(0..7)).map(|_| {
            let mut word = pick(rng, &vocabulary).as_bytes().to_vec();
            if rng.random_range(0..10) == 0 {
                damage(rng, &mut word);
            }
            // Arguments of a process cannot contain a zero byte.
            String::from_utf8_lossy(&word).replace('\0', "?")
        });
        let args: Vec<String> = words.collect();
        call(folder.path(), &args)
    });
}

#[test]
#[cfg(unix)]
fn states_files_are_solved_or_refused() {
    let states = json!({"width": 2, "height": 2, "instances": [
        {"state": [0, 1, 2, 3], "optimal": 0}, {"state": [1, 0, 2, 3], "optimal": 1}, [2, 1, 0, 3],
    ]});
    let (folder, _) = finished_run();
    let args = ["evaluate", "run", "--states", "states.json", "--json"].map(str::to_owned);
    campaign("states files", 100, |rng| {
        fs::write(folder.path().join("states.json"), hostile_text(rng, &states)).unwrap();
        call(folder.path(), &args)
    });
}
