#![allow(clippy::unwrap_used)]
use super::*;
use std::fs::{self, File};
use std::io::Write as _;

fn locked(folder: &tempfile::TempDir) -> LockedFolder {
    LockedFolder::begin(folder.path()).unwrap()
}

fn metrics(iteration: u64) -> Map<String, Value> {
    let fields = json!({
        "iteration": iteration,
        "difficulty": 3,
        "success": 0.5,
        "evals": {"ppo_1": {"success": 0.25, "reward": -1.0}},
        "rollout": {"length": 7},
        "losses": {"total": null, "value": 2.0},
        "time": {"update": 0.125},
    });
    fields.as_object().unwrap().clone()
}

#[test]
fn lines_hold_the_metrics_with_keys_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = RunLog::create(&locked(&folder), false).unwrap();
    log.log(0, &metrics(0)).unwrap();
    log.log(1, &metrics(1)).unwrap();
    let text = fs::read_to_string(folder.path().join(METRICS)).unwrap();
    let line = r#"{"iteration":1,"difficulty":3,"success":0.5,"evals":{"ppo_1":{"success":0.25,"reward":-1.0}},"rollout":{"length":7},"losses":{"total":null,"value":2.0},"time":{"update":0.125}}"#;
    assert_eq!(text.lines().nth(1), Some(line));
    assert_eq!(log.lengths().unwrap(), LogLengths { metrics: text.len() as u64, events: 0 });
    assert!(!folder.path().join(EVENTS).exists());
}

#[test]
fn a_resumed_log_continues_from_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let run = locked(&folder);
    let read = |name| fs::read(folder.path().join(name)).unwrap();
    let mut log = RunLog::create(&run, true).unwrap();
    log.log(0, &metrics(0)).unwrap();
    let lengths = log.lengths().unwrap();
    let before = (read(METRICS), read(EVENTS));
    assert_eq!(lengths.events, before.1.len() as u64);
    log.log(1, &metrics(1)).unwrap();
    // The remains of a process that was killed while it wrote a record.
    log.metrics.append(b"{\"iteration\":").unwrap();
    drop(log);
    let mut log = RunLog::resume(&run, &lengths, true).unwrap();
    assert_eq!((read(METRICS), read(EVENTS)), before);
    log.log(1, &metrics(1)).unwrap();
    assert_eq!(read(METRICS).iter().filter(|&&b| b == b'\n').count(), 2);
}

#[test]
fn a_run_killed_before_its_first_record_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let log = RunLog::resume(&locked(&folder), &LogLengths::default(), true).unwrap();
    assert!(log.lengths().unwrap().events > 0);
}

#[test]
fn a_truncated_log_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let run = locked(&folder);
    let lengths = LogLengths { metrics: 4, events: 0 };
    let refusal = || RunLog::resume(&run, &lengths, false).unwrap_err().to_string();
    let message = refusal();
    assert!(message.ends_with("the checkpoint names, found no file"), "{message}");
    assert!(!folder.path().join(METRICS).exists());
    fs::write(folder.path().join(METRICS), "{}\n").unwrap();
    let message = refusal();
    assert!(message.contains("at least the 4 bytes") && message.contains("found 3"), "{message}");
}

/// Resumes a log of ten records behind `harm`, with the lengths of its first nine. Returns the error; the files are as
/// they were.
fn refusal(name: &str, harm: impl FnOnce(&mut Vec<u8>)) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let run = locked(&folder);
    let mut log = RunLog::create(&run, true).unwrap();
    (0..9).for_each(|iteration| log.log(iteration, &metrics(iteration)).unwrap());
    let lengths = log.lengths().unwrap();
    log.log(9, &metrics(9)).unwrap();
    drop(log);
    let path = folder.path().join(name);
    let mut bytes = fs::read(&path).unwrap();
    harm(&mut bytes);
    fs::write(&path, &bytes).unwrap();
    let read = || [METRICS, EVENTS].map(|name| fs::read(folder.path().join(name)).unwrap());
    let before = read();
    let error = RunLog::resume(&run, &lengths, true).err().map(|e| e.to_string());
    if error.is_some() {
        assert_eq!(read(), before);
    }
    error
}

#[test]
fn damaged_lines_before_the_checkpoint_are_refused_with_their_number() {
    let line = serde_json::to_string(&metrics(0)).unwrap().len() + 1;
    let (fourth, fifth) = (3 * line, 4 * line);
    type Harm = Box<dyn FnOnce(&mut Vec<u8>)>;
    let cases: [(&str, Harm, &str); 8] = [
        (
            "hole",
            Box::new(move |b| b[fourth + 5..fourth + 20].fill(0)),
            "a JSON object of metrics in line 4, found zero bytes",
        ),
        (
            "page",
            Box::new(move |b| b[fourth..fifth + 9].fill(0)),
            "a JSON object of metrics in line 4, found zero bytes",
        ),
        ("brace", Box::new(move |b| b[fifth - 2] = b' '), "in line 4, found another text"),
        ("end", Box::new(move |b| b[fifth - 1] = b' '), "in line 4, found another text"),
        (
            "bytes",
            Box::new(move |b| b[fourth + 2] = 0xFF),
            "in line 4, found bytes that are not UTF-8",
        ),
        (
            "list",
            Box::new(move |b| {
                b[fourth] = b'[';
                b[fifth - 2] = b']';
            }),
            "in line 4, found another text",
        ),
        (
            "again",
            Box::new(move |b| b.copy_within(fourth - line..fourth, fourth)),
            "an iteration after 2 in line 4, found 2",
        ),
        (
            "cut",
            // A digit of 0.25.
            Box::new(|b| {
                let at = b.windows(4).position(|part| part == b"0.25").unwrap();
                b.remove(at + 3);
            }),
            "in line 10, found a line without an end",
        ),
    ];
    for (name, harm, expected) in cases {
        let error = refusal(METRICS, harm).unwrap();
        assert!(error.contains(METRICS) && error.contains(expected), "{name}: {error}");
        assert!(error.contains("start a new one from the weights of its checkpoint"), "{error}");
    }
    // Behind the checkpoint, everything is cut off.
    assert_eq!(refusal(METRICS, move |b| b[9 * line..].fill(0)), None);
}

#[test]
fn damaged_events_before_the_checkpoint_are_refused_with_their_number() {
    let first = tensorboard::first_record(0.0).len();
    let end = move |bytes: &[u8]| bytes.len() - (bytes.len() - first) / 10;
    type Harm = Box<dyn FnOnce(&mut Vec<u8>)>;
    let cases: [(&str, Harm, &str); 5] = [
        ("hole", Box::new(move |b| b[first..first + 64].fill(0)), "in record 2, found"),
        (
            "length",
            Box::new(|b| b[0] ^= 1),
            "a length with its checksum in record 1, found another",
        ),
        (
            "data",
            Box::new(move |b| b[first + 20] ^= 1),
            "data with their checksum in record 2, found other data",
        ),
        (
            "last",
            Box::new(move |b| {
                let end = end(b);
                b[end - 9] ^= 1;
            }),
            "in record 10, found",
        ),
        (
            "cut",
            Box::new(|b| {
                b.splice(..1, []);
            }),
            "in record 1, found",
        ),
    ];
    for (name, harm, expected) in cases {
        let error = refusal(EVENTS, harm).unwrap();
        assert!(error.contains(EVENTS) && error.contains(expected), "{name}: {error}");
    }
    assert_eq!(
        refusal(EVENTS, move |b| {
            let end = end(b);
            b[end..].fill(0);
        }),
        None
    );
}

#[test]
fn events_are_kept_while_none_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let run = locked(&folder);
    let mut log = RunLog::create(&run, true).unwrap();
    log.log(0, &metrics(0)).unwrap();
    let before = log.lengths().unwrap();
    let mut log = RunLog::resume(&run, &before, false).unwrap();
    log.log(1, &metrics(1)).unwrap();
    let without = log.lengths().unwrap();
    assert_eq!(without.events, before.events);
    let log = RunLog::resume(&run, &without, true).unwrap();
    assert_eq!(log.lengths().unwrap(), without);
}

#[test]
fn a_log_that_is_removed_replaced_or_written_to_by_others_is_an_error() {
    type Harm = fn(&std::path::Path);
    let cases: [(Harm, &str); 4] = [
        (|path| fs::remove_file(path).unwrap(), "was removed or replaced during the run"),
        (
            |path| {
                fs::copy(path, path.with_extension("copy")).unwrap();
                fs::rename(path.with_extension("copy"), path).unwrap();
            },
            "was removed or replaced during the run",
        ),
        (|path| fs::write(path, "").unwrap(), "bytes that this run has written, and no other"),
        (
            |path| {
                let mut other = File::options().append(true).open(path).unwrap();
                other.write_all(b"{}\n").unwrap();
            },
            "bytes that this run has written, and no other writer, found",
        ),
    ];
    for name in [METRICS, EVENTS] {
        for (harm, expected) in cases {
            let folder = tempfile::tempdir().unwrap();
            let mut log = RunLog::create(&locked(&folder), true).unwrap();
            log.log(0, &metrics(0)).unwrap();
            harm(&folder.path().join(name));
            let message = log.log(1, &metrics(1)).unwrap_err().to_string();
            assert!(message.contains(name) && message.contains(expected), "{message}");
        }
    }
}

#[test]
fn tags_match_the_peer() {
    let tags: Vec<_> = scalars(&metrics(5)).into_iter().map(|s| (s.tag, s.value)).collect();
    let expected = [
        ("Benchmark/difficulty", 3.0),
        ("Benchmark/success", 0.5),
        ("Benchmark/Detail/Success/ppo_1", 0.25),
        ("Benchmark/Detail/Reward/ppo_1", -1.0),
        ("Rollout/length", 7.0),
        ("Losses/value", 2.0),
        ("Times/update", 0.125),
    ];
    assert_eq!(tags, expected.map(|(tag, value)| (tag.to_owned(), value)));
}
