#![allow(clippy::unwrap_used, clippy::panic)]
use super::locked::{LockedFolder, RunPath};
use super::*;
use crate::record::checkpoint::Checkpoint;
use crate::record::disk::Disk;
use crate::record::load;
use crate::record::metrics::{METRICS, RunLog};
use serde_json::{Map, json};
use std::fs;
use tempfile::{TempDir, tempdir};
use twisterl_core::envs::registry::Registry;

fn config() -> RunConfig {
    let value = json!({
        "env_cls": "Puzzle",
        "env": {"width": 2, "height": 2},
        "policy": {"embedding_size": 4, "common_layers": [4]},
    });
    RunConfig::from_value(value).unwrap()
}

fn first() -> Checkpoint {
    let registry = Registry::default();
    let spec = registry.make("Puzzle", &json!({"width": 2, "height": 2})).unwrap();
    let policy = load::initial_policy(&config(), &*spec, &registry).unwrap();
    Checkpoint { policy, state: json!({"iteration": 0}), arrays: vec![] }
}

fn create(path: &Path) -> Result<LockedFolder> {
    LockedFolder::create(RunPath::At(path), &config(), &first())
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

const WHOLE: [&str; 2] = [LAST, CONFIG];

#[test]
fn new_and_empty_folders_are_filled() {
    let root = tempdir().unwrap();
    fs::create_dir(root.path().join("empty")).unwrap();
    fs::create_dir_all(root.path().join("mounted/lost+found")).unwrap();
    for name in ["new", "deep/er/new", "empty", "mounted", "empty2/."] {
        let path = root.path().join(name);
        drop(create(&path).unwrap_or_else(|e| panic!("{name}: {e}")));
        let mut found = names(&path);
        found.retain(|name| name != "lost+found");
        assert_eq!(found, WHOLE);
        assert_eq!(Checkpoint::read(&path.join(LAST)).unwrap(), first());
        let again = create(&path).unwrap_err();
        assert!(matches!(again, Error::Occupied { .. }), "{again}");
        drop(LockedFolder::resume(&path).unwrap());
        assert!(!path.join(RUN_LOCK).exists());
    }
}

#[test]
fn a_folder_with_events_of_other_writers_only_is_filled() {
    let root = tempdir().unwrap();
    let event = root.path().join("events.out.tfevents.1700000000.host.1.0");
    fs::write(&event, "of a script").unwrap();
    drop(create(root.path()).unwrap());
    assert_eq!(fs::read_to_string(event).unwrap(), "of a script");
    let other = tempdir().unwrap();
    fs::write(other.path().join(EVENTS), "of a run").unwrap();
    assert!(matches!(create(other.path()).unwrap_err(), Error::Occupied { .. }));
}

#[test]
fn weights_are_written_under_both_names_once_a_run_has_those_of_the_peer() {
    let root = tempdir().unwrap();
    let run = create(&root.path().join("run")).unwrap();
    let file = |name: &str| root.path().join("run").join(name);
    run.write_best(&first()).unwrap();
    assert!(!file("checkpoint_best.safetensors").exists());
    run.add_peer_names(&config(), &first()).unwrap();
    let read = |name| load::load_policy(&file(name), None, &Registry::default()).unwrap();
    assert_eq!(read("checkpoint_last.safetensors"), first().policy);
    let mut changed = first();
    changed.policy.parameters[0] += 1.0;
    run.write_last(&changed).unwrap();
    run.write_best(&first()).unwrap();
    assert_eq!(read("checkpoint_last.safetensors"), changed.policy);
    assert_eq!(read("checkpoint_best.safetensors"), first().policy);
    let (whole, _) = RunConfig::load(&file("base_config.json"), &[]).unwrap();
    assert_eq!(whole, config());
    let algorithm: serde_json::Value =
        serde_json::from_slice(&fs::read(file("full_algorithm_config.json")).unwrap()).unwrap();
    assert_eq!(algorithm, config().to_value()["algorithm"]);
    // Also after it was resumed.
    drop(run);
    let run = LockedFolder::resume(&root.path().join("run")).unwrap();
    run.write_best(&changed).unwrap();
    assert_eq!(read("checkpoint_best.safetensors"), changed.policy);
}

#[cfg(unix)]
#[test]
fn an_empty_folder_keeps_its_mode_and_links_to_it_are_followed() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    let root = tempdir().unwrap();
    let (folder, link) = (root.path().join("folder"), root.path().join("link"));
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o2750)).unwrap();
    symlink(&folder, &link).unwrap();
    let before = fs::metadata(&folder).unwrap();
    drop(create(&link).unwrap());
    let after = fs::metadata(&folder).unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!((after.ino(), after.mode()), (before.ino(), before.mode()));
    assert_eq!(names(&folder), WHOLE);
    symlink(root.path().join("nowhere"), root.path().join("dangling")).unwrap();
    let message = create(&root.path().join("dangling")).unwrap_err().to_string();
    assert!(
        message.ends_with("expected a new or empty folder, found a symbolic link to nothing"),
        "{message}"
    );
}

#[test]
fn folders_with_anything_in_them_and_files_are_refused_and_left_alone() {
    let root = tempdir().unwrap();
    for left in ["notes.txt", "metrics.jsonl", "checkpoint_last", ".hidden", "config.json.new-1"] {
        let path = root.path().join(left).join("run");
        fs::create_dir_all(path.join(left)).unwrap();
        let refused = create(&path).unwrap_err();
        assert!(matches!(refused, Error::Occupied { .. }), "{refused}");
        assert_eq!(names(&path), [left]);
    }
    let file = root.path().join("file");
    fs::write(&file, "text").unwrap();
    let message = create(&file).unwrap_err().to_string();
    assert!(message.ends_with("expected a new or empty folder, found a file"), "{message}");
    assert_eq!(fs::read(&file).unwrap(), b"text");
}

/// Kills a start after each of its changes to the disk.
#[test]
fn a_start_that_is_killed_anywhere_can_be_repeated_or_resumed() {
    for stop in 0.. {
        let root = tempdir().unwrap();
        let path = root.path().join("run");
        fs::create_dir(&path).unwrap();
        let run = LockedFolder::begin(&path).unwrap();
        let disk = &mut Disk { changes_left: Some(stop) };
        let finished = run.fill(disk, &config(), &first()).is_ok();
        run.abandon();
        match path.join(CONFIG).exists() {
            true => LockedFolder::resume(&path).unwrap().keep_lock(),
            false => {
                let message = RunFolder::open(&path).unwrap_err().to_string();
                assert!(message.contains("start was not finished"), "{message}");
                drop(create(&path).unwrap());
            }
        }
        assert_eq!(names(&path), WHOLE);
        assert_eq!(Checkpoint::read(&path.join(LAST)).unwrap(), first());
        if finished {
            assert!(stop > 10, "a start makes more than ten changes");
            break;
        }
    }
}

#[test]
fn what_killed_starts_leave_is_removed_by_the_next_one() {
    let root = tempdir().unwrap();
    let path = root.path().join("run");
    // A start that was killed, one that goes on, one that has only begun, and something else.
    for name in [".run.new-1-0", ".run.new-2-0"] {
        fs::create_dir(root.path().join(name)).unwrap();
    }
    let killed = LockedFolder::begin(&root.path().join(".run.new-1-0")).unwrap();
    killed.fill(&mut Disk::default(), &config(), &first()).unwrap();
    killed.abandon();
    let alive = LockedFolder::begin(&root.path().join(".run.new-2-0")).unwrap();
    for other in [".run.new-3-0", ".run.new-mine/file"] {
        fs::create_dir_all(root.path().join(other)).unwrap();
    }
    drop(create(&path).unwrap());
    assert_eq!(names(root.path()), [".run.new-2-0", ".run.new-3-0", ".run.new-mine", "run"]);
    alive.fill(&mut Disk::default(), &config(), &first()).unwrap();
}

#[test]
fn a_start_that_fails_leaves_nothing() {
    let root = tempdir().unwrap();
    let mut broken = first();
    broken.policy.parameters[0] = f32::NAN;
    let path = root.path().join("run");
    LockedFolder::create(RunPath::At(&path), &config(), &broken).unwrap_err();
    assert_eq!(names(root.path()), [""; 0]);
    fs::create_dir(&path).unwrap();
    LockedFolder::create(RunPath::At(&path), &config(), &broken).unwrap_err();
    assert_eq!(names(&path), [""; 0]);
}

#[test]
fn starts_at_one_time_get_different_folders() {
    let root = tempdir().unwrap();
    let base = root.path().join("runs/name");
    let start = || LockedFolder::create(RunPath::Numbered(&base), &config(), &first()).unwrap();
    let runs: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut paths: Vec<_> = runs.iter().map(LockedFolder::path).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 16);
    assert_eq!(names(&root.path().join("runs")).len(), 16);
    assert!(base.is_dir() && base.with_file_name("name-16").is_dir());
}

#[test]
fn one_folder_has_one_run_at_a_time() {
    let root = tempdir().unwrap();
    let path = root.path().join("run");
    let run = create(&path).unwrap();
    let pid = format!("process {} on ", std::process::id());
    for refused in [create(&path).unwrap_err(), LockedFolder::resume(&path).unwrap_err()] {
        assert!(matches!(refused, Error::InUse { .. }), "{refused}");
        assert!(refused.to_string().contains(&pid), "{refused}");
    }
    run.write_last(&first()).unwrap();
    run.abandon();
    LockedFolder::resume(&path).unwrap();
}

/// A run that has logged an iteration.
fn under_way(root: &TempDir) -> (PathBuf, LockedFolder, RunLog) {
    let path = root.path().join("run");
    let run = create(&path).unwrap();
    let mut log = RunLog::create(&run, true).unwrap();
    log.log(0, &json!({"iteration": 0}).as_object().unwrap().clone()).unwrap();
    (path, run, log)
}

#[test]
fn a_folder_that_is_removed_is_not_made_again() {
    let root = tempdir().unwrap();
    let (path, run, mut log) = under_way(&root);
    fs::remove_dir_all(&path).unwrap();
    for result in [log.log(1, &Map::new()), run.write_last(&first()), run.write_best(&first())] {
        let message = result.unwrap_err().to_string();
        assert!(
            message.contains("removed") && message.contains(path.to_str().unwrap()),
            "{message}"
        );
    }
    assert!(!path.exists());
    fs::create_dir(&path).unwrap();
    run.write_last(&first()).unwrap_err();
    drop(run);
    assert_eq!(names(&path), [""; 0], "another folder of this name is left alone");
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_moved_stays_in_one_piece() {
    let root = tempdir().unwrap();
    let (path, run, mut log) = under_way(&root);
    let moved = root.path().join("moved");
    fs::rename(&path, &moved).unwrap();
    log.log(1, &Map::new()).unwrap();
    run.write_last(&first()).unwrap();
    run.write_best(&first()).unwrap();
    assert_eq!(run.read_best().unwrap(), first());
    assert!(!path.exists());
    let lines = fs::read_to_string(moved.join(METRICS)).unwrap();
    assert_eq!(lines.lines().count(), 2);
    assert!(moved.join(BEST).is_dir());
    #[cfg(target_os = "linux")]
    assert_eq!(run.path(), moved.canonicalize().unwrap());
    drop(run);
    assert!(!moved.join(RUN_LOCK).exists());
    LockedFolder::resume(&moved).unwrap();
}

/// Puts each kind of trap in place of each entry of a run folder, and resumes the run.
#[cfg(unix)]
#[test]
fn links_pipes_and_folders_in_place_of_files_are_refused_and_left_alone() {
    use std::os::unix::fs::symlink;
    let root = tempdir().unwrap();
    let (path, run, log) = under_way(&root);
    let lengths = log.lengths().unwrap();
    drop((run, log));
    let victim = root.path().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("file"), "precious").unwrap();
    type Trap<'a> = (&'a str, Box<dyn Fn(&Path) + 'a>);
    let traps: [Trap<'_>; 5] = [
        ("a symbolic link", Box::new(|at| symlink(victim.join("file"), at).unwrap())),
        ("a symbolic link", Box::new(|at| symlink(&victim, at).unwrap())),
        ("a symbolic link", Box::new(|at| symlink(victim.join("absent"), at).unwrap())),
        (
            "a named pipe",
            Box::new(|at| {
                assert!(std::process::Command::new("mkfifo").arg(at).status().unwrap().success());
            }),
        ),
        ("hard links", Box::new(|at| fs::hard_link(victim.join("file"), at).unwrap())),
    ];
    let folders = [LAST, BEST, "checkpoint_last.new", "checkpoint_last.old", "checkpoint_best.new"];
    for name in [METRICS, EVENTS, RUN_LOCK, CONFIG].into_iter().chain(folders) {
        for (kind, trap) in &traps {
            let (at, saved) = (path.join(name), root.path().join("saved"));
            let existed = fs::rename(&at, &saved).is_ok();
            trap(&at);
            let resumed =
                LockedFolder::resume(&path).and_then(|run| RunLog::resume(&run, &lengths, true));
            match resumed {
                Err(error) => {
                    let message = error.to_string();
                    let folder = folders.contains(&name) && *kind == "hard links";
                    let kind = if folder { "found a file" } else { kind };
                    let known =
                        message.contains(kind) || message.contains("with config.json in it");
                    assert!(message.contains(name) && known, "{name}: {message}");
                }
                // The config is only read.
                Ok(_) => assert!((name, *kind) == (CONFIG, "hard links"), "{name}: {kind}"),
            }
            fs::remove_file(&at).unwrap();
            if existed {
                fs::rename(&saved, &at).unwrap();
            }
            assert_eq!(fs::read(victim.join("file")).unwrap(), b"precious");
            assert_eq!(names(&victim), ["file"], "{name}: {kind}");
        }
    }
    let run = LockedFolder::resume(&path).unwrap();
    RunLog::resume(&run, &lengths, true).unwrap();
}

/// Links in place of checkpoints appear while the run goes on.
#[cfg(unix)]
#[test]
fn links_that_appear_during_a_run_are_not_followed() {
    use std::os::unix::fs::symlink;
    let root = tempdir().unwrap();
    let (path, run, _log) = under_way(&root);
    let victim = root.path().join("victim");
    fs::create_dir(&victim).unwrap();
    for name in ["checkpoint_best", "checkpoint_best.new", "checkpoint_best.old"] {
        symlink(&victim, path.join(name)).unwrap();
        let message = run.write_best(&first()).unwrap_err().to_string();
        assert!(message.contains(name) && message.contains("found a symbolic link"), "{message}");
        fs::remove_file(path.join(name)).unwrap();
    }
    // What lies in a folder to be replaced is removed, not followed.
    fs::create_dir(path.join("checkpoint_best.new")).unwrap();
    symlink(&victim, path.join("checkpoint_best.new/policy.safetensors")).unwrap();
    run.write_best(&first()).unwrap();
    assert_eq!(run.read_best().unwrap(), first());
    assert_eq!(names(&victim), [""; 0]);
}
