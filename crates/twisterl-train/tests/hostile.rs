//! Whatever it is given, the trainer answers with a result or an error that says something: no panic, no hang, and never
//! more than a gigabyte of memory.
//!
//! The inputs follow from their number alone. `TWISTERL_HOSTILE_CASES` says how many there are (3,000 if not given).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use rand::RngExt;
use serde_json::{Map, Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use twisterl_core::env::Start;
use twisterl_core::registry::Registry;
use twisterl_core::rng::{Purpose, Rng, stream};
use twisterl_core::space::{Actions, Observations};
use twisterl_train::config::RunConfig;
use twisterl_train::load::{build_policy_network, convert, load_policy};
use twisterl_train::trainer::{self, Options};

/// The most bytes that a case may have in use at one time.
const MEMORY: usize = 1 << 30;
/// The longest that a case may take, on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The system's allocator, which also counts the bytes in use.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is handed on to the system's allocator as it came; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller's promise is the one asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller's promise is the one asked for.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is the one asked for.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The old block and the new one may be there at the same time.
        grow(size);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is the one asked for.
        unsafe { System.realloc(block, layout, size) }
    }
}

fn grow(size: usize) {
    let live = LIVE.fetch_add(size, Ordering::Relaxed) + size;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

/// Runs one case after the other, each with a stream of its own: one in `share` of all cases that are asked for.
fn campaign(name: &str, share: usize, mut case: impl FnMut(&mut Rng) -> Result<(), String>) {
    // One campaign at a time, so that each has the memory counter to itself.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let asked = std::env::var("TWISTERL_HOSTILE_CASES").map_or(3000, |n| n.parse().unwrap());
    let seed = u64::from(crc32c::crc32c(name.as_bytes()));
    let cases = usize::div_ceil(asked, share);
    let (started, watched) = channel::<usize>();
    let title = name.to_owned();
    let watchdog = thread::spawn(move || {
        let mut current = 0;
        loop {
            match watched.recv_timeout(PATIENCE) {
                Ok(number) => current = number,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    eprintln!("{title}: case {current} hangs");
                    std::process::abort();
                }
            }
        }
    });
    let begun = Instant::now();
    let (mut accepted, mut most) = (0, 0);
    for number in 0..cases {
        started.send(number).unwrap();
        let before = LIVE.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let mut rng = stream(seed, Purpose::Choice, 0, number as u64);
        match catch_unwind(AssertUnwindSafe(|| case(&mut rng))) {
            Ok(Ok(())) => accepted += 1,
            Ok(Err(message)) => assert!(!message.trim().is_empty(), "{name}: case {number}"),
            Err(_) => panic!("{name}: case {number} panicked"),
        }
        let used = PEAK.load(Ordering::Relaxed).saturating_sub(before);
        assert!(used < MEMORY, "{name}: case {number} had {used} bytes in use");
        most = most.max(used);
    }
    drop(started);
    watchdog.join().unwrap();
    let (seconds, megabytes) = (begun.elapsed().as_secs_f64(), most as f64 / 1e6);
    println!(
        "{name}: {cases} cases in {seconds:.1} s, {accepted} accepted, at most {megabytes:.1} MB"
    );
}

fn text<T>(result: Result<T, impl ToString>) -> Result<T, String> {
    result.map_err(|e| e.to_string())
}

fn pick<'a, T>(rng: &mut Rng, items: &'a [T]) -> &'a T {
    &items[rng.random_range(0..items.len())]
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The configs of the repository, and a tiny one.
fn configs() -> Vec<Value> {
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

/// A run of one iteration that takes some milliseconds.
fn tiny() -> Value {
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

fn hostile_value(rng: &mut Rng) -> Value {
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

fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |v, i| if i % 2 == 0 { json!([v]) } else { json!({"env": v}) })
}

/// Changes something somewhere below `value`.
fn disturb(rng: &mut Rng, value: &mut Value) {
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

/// Changes some of the bytes, or how many there are.
fn damage(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..4) {
        if bytes.is_empty() {
            return;
        }
        // Formats keep what can hurt at their beginning or their end.
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
                // Sizes in headers are decimal: one more digit is ten times as much.
                let digit = (at..bytes.len()).find(|&i| bytes[i].is_ascii_digit()).unwrap_or(at);
                drop(bytes.splice(digit..digit, vec![b'9'; rng.random_range(1..20)]));
            }
        }
    }
}

/// JSON text that is like that of `value`, or was.
fn hostile_text(rng: &mut Rng, value: &Value) -> Vec<u8> {
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

/// A finished run of [`tiny`] in a folder of its own.
fn finished_run() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = RunConfig::from_value(tiny()).unwrap();
    let options = Options { quiet: true, ..Options::default() };
    trainer::train(&config, &run, &options, &Registry::default()).unwrap();
    (folder, run)
}

/// Writes the sums of a checkpoint's files as they are now.
fn sum_up(checkpoint: &Path) {
    let mut files = Map::new();
    for name in ["policy.safetensors", "state.json", "train.safetensors"] {
        let bytes = fs::read(checkpoint.join(name)).unwrap();
        let sum = json!({"length": bytes.len(), "crc32c": crc32c::crc32c(&bytes)});
        files.insert(name.to_owned(), sum);
    }
    let manifest = json!({"format": 1, "files": files});
    fs::write(checkpoint.join("manifest.json"), manifest.to_string()).unwrap();
}

fn copy(from: &Path, to: &Path) {
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
            // A config may refuse what the registry would have to refuse, too.
            let env = value.get("env").cloned().unwrap_or_default();
            if let Err(error) = registry.make("Puzzle", &env) {
                assert!(!error.to_string().is_empty());
            }
            text(RunConfig::from_value(value))?
        } else {
            fs::write(&path, hostile_text(rng, original)).unwrap();
            text(RunConfig::load(&path, &[]))?
        };
        assert_eq!(RunConfig::from_value(config.to_value()).unwrap(), config);
        let spec = text(registry.make(&config.env_cls, &config.env))?;
        text(build_policy_network(&config, &*spec)).map(drop)
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
        batch.state(0, &mut state);
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
        // Half of them with sums that are right, so that the damage gets beyond the manifest.
        if names[chosen] != "manifest.json" && rng.random() {
            sum_up(&target);
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
fn runs_are_resumed_or_refused() {
    let (folder, run) = finished_run();
    let (target, registry) = (folder.path().join("target"), Registry::default());
    let options = Options { quiet: true, threads: Some(1), ..Options::default() };
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
        sum_up(&last);
        text(trainer::resume(&target, Some(2), &options, &registry)).map(drop)
    });
}

/// Calls the trainer in `folder`; its answer, or the error that it printed.
fn call(folder: &Path, args: &[String]) -> Result<(), String> {
    let errors = folder.join("stderr");
    // Addresses that are only reserved count as well, hence the half more.
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
        other => panic!("{args:?}: ended with {other:?}: {message}"),
    }
}

#[test]
#[cfg(unix)]
fn command_lines_are_obeyed_or_refused() {
    const WORDS: [&str; 44] = [
        "evaluate",
        "solve",
        "convert",
        "schema",
        "envs",
        "help",
        "run",
        "absent",
        "absent.json",
        "out.pt",
        "out.safetensors",
        "--config",
        "--run-path",
        "--run_path",
        "--num-steps",
        "--num_steps",
        "--seed",
        "--num-cores",
        "--resume",
        "--load-checkpoint",
        "--set",
        "--quiet",
        "--states",
        "--state",
        "--num-episodes",
        "--difficulty",
        "--greedy",
        "--json",
        "--help",
        "-h",
        "--version",
        "--",
        "-",
        "",
        "0",
        "1",
        "3",
        "-1",
        "NaN",
        "99999999999999999999",
        "0,1,2,3",
        "1,0,2,3",
        "env.width=7",
        "a..b=[",
    ];
    let (folder, _) = finished_run();
    campaign("command lines", 100, |rng| {
        let words = (0..rng.random_range(0..7)).map(|_| {
            let mut word = pick(rng, &WORDS).as_bytes().to_vec();
            if rng.random_range(0..10) == 0 {
                damage(rng, &mut word);
            }
            // No argument of a process holds a zero byte.
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
