#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::fs;
use twisterl_core::policy::network::{Activation, MlpSizes, Network};
use twisterl_core::space::{ActionSpace, ObservationSpace};

/// Returns a small checkpoint. Different seeds give different checkpoints.
fn checkpoint(seed: u32) -> Checkpoint {
    let sizes = MlpSizes {
        embedding_size: 3,
        common_layers: vec![2],
        policy_layers: vec![],
        value_layers: vec![],
        activation: Activation::Relu,
    };
    let bits = ObservationSpace::SparseBinary { shape: vec![2, 2] };
    let network = Network::mlp(bits, ActionSpace::discrete(2), &sizes).unwrap();
    Checkpoint {
        policy: Policy::initial(network, "Puzzle", json!({}), vec![], seed.into()).unwrap(),
        state: json!({"iteration": seed, "nested": [1, null, "text"]}),
        arrays: vec![
            ("a".into(), ArrayData::F32(vec![seed as f32, -0.0, f32::INFINITY])),
            ("b".into(), ArrayData::U32(vec![seed, u32::MAX])),
            ("c".into(), ArrayData::F64(vec![0.1])),
            ("d".into(), ArrayData::F32(vec![])),
        ],
    }
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect()
}

#[test]
fn a_checkpoint_round_trips_bit_identically() {
    let root = tempfile::tempdir().unwrap();
    let (one, two) = (root.path().join("one"), root.path().join("two"));
    checkpoint(1).write(&one).unwrap();
    let again = Checkpoint::read(&one).unwrap();
    assert_eq!(again, checkpoint(1));
    again.write(&two).unwrap();
    assert_eq!(files(&one), files(&two));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2, "no temporary file is left");
    // The policy file can be used alone.
    let alone = fs::read(one.join(POLICY)).unwrap();
    assert_eq!(Policy::from_safetensors(&alone, None).unwrap(), checkpoint(1).policy);
    assert_eq!(Checkpoint::read_policy(&one).unwrap(), checkpoint(1).policy);
}

/// Kills a write after each of its changes to the disk, reads the checkpoint, and writes again.
#[test]
fn a_write_that_stops_anywhere_leaves_the_old_or_the_new_checkpoint() {
    for stops in [vec![], vec![3], vec![9], vec![10], vec![11], vec![12], vec![13]] {
        let mut finished = false;
        for stop in 0.. {
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().join("checkpoint");
            checkpoint(0).write(&folder).unwrap();
            let mut newest = 0;
            // Earlier writes are killed as well, so that each one starts from the remains of the one before.
            for (seed, changes) in (1..).zip(stops.iter().copied().chain([stop])) {
                let disk = &mut Disk { changes_left: Some(changes) };
                let inside = Folder::open(root.path(), Links::Refuse).unwrap();
                let name = OsStr::new("checkpoint");
                finished = checkpoint(seed).write_on(disk, &inside, name).is_ok();
                let read = Checkpoint::read(&folder).unwrap();
                let found = [newest, seed].into_iter().find(|&s| read == checkpoint(s));
                newest = found.expect("the last readable checkpoint or the new one");
                assert!(!finished || newest == seed);
            }
            checkpoint(99).write(&folder).unwrap();
            assert_eq!(Checkpoint::read(&folder).unwrap(), checkpoint(99));
            assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
            if finished {
                assert!(stop > 10, "a write makes more than ten changes");
                break;
            }
        }
        assert!(finished);
    }
}

#[test]
fn corruption_of_any_byte_is_detected() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("checkpoint");
    checkpoint(1).write(&folder).unwrap();
    for (name, bytes) in files(&folder) {
        let path = folder.join(&name);
        for at in (0..bytes.len()).step_by(7) {
            let mut corrupt = bytes.clone();
            corrupt[at] ^= 1 << (at % 8);
            fs::write(&path, &corrupt).unwrap();
            // Only white space of the manifest may change.
            if let Ok(read) = Checkpoint::read(&folder) {
                assert_eq!((read, name.as_str()), (checkpoint(1), MANIFEST));
            }
            fs::write(&path, &bytes[..at]).unwrap();
            let message = Checkpoint::read(&folder).unwrap_err().to_string();
            assert!(message.contains(&name), "{message}");
        }
        fs::remove_file(&path).unwrap();
        let message = Checkpoint::read(&folder).unwrap_err().to_string();
        assert!(message.contains(&name), "{message}");
        fs::write(&path, &bytes).unwrap();
    }
    assert_eq!(Checkpoint::read(&folder).unwrap(), checkpoint(1));
}

#[test]
fn folders_without_a_valid_checkpoint_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let refusal = |folder: &Path| Checkpoint::read(folder).unwrap_err().to_string();
    assert!(refusal(&root.path().join("none")).contains("no such folder"));
    assert!(refusal(root.path()).contains("no manifest.json"));
    let manifest = |text: &str| {
        fs::write(root.path().join(MANIFEST), text).unwrap();
        refusal(root.path())
    };
    assert!(manifest("{}").contains("format 1"));
    assert!(manifest(r#"{"format": 2, "files": {}}"#).contains("found 2"));
    assert!(manifest(r#"{"format": 1, "files": {}}"#).contains("an entry for policy.safetensors"));
    let huge =
        r#"{"format": 1, "files": {"policy.safetensors": {"length": 10737418240, "crc32c": 0}}}"#;
    assert!(manifest(huge).contains("found 10737418240"));
    let twice =
        r#"{"format": 1, "files": {"state.json": {"length": 1, "crc32c": 0, "length": 2}}}"#;
    assert!(manifest(twice).ends_with("each key once, found `files.state.json.length` twice"));
}

#[test]
fn manifests_lead_to_no_other_files() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("checkpoint");
    checkpoint(1).write(&folder).unwrap();
    let original = fs::read_to_string(folder.join(MANIFEST)).unwrap();
    for name in ["/dev/zero", "../secret", "policy.safetensors/", "./state.json", "other", ""] {
        let mut manifest: Value = serde_json::from_str(&original).unwrap();
        manifest["files"][name] = json!({"length": 1 << 20, "crc32c": 0});
        fs::write(folder.join(MANIFEST), manifest.to_string()).unwrap();
        for read in
            [Checkpoint::read(&folder).map(drop), Checkpoint::read_policy(&folder).map(drop)]
        {
            let message = read.unwrap_err().to_string();
            let expected = "no files other than policy.safetensors, train.safetensors, state.json";
            assert!(message.contains(&format!("{expected}, found {name:?}")), "{message}");
        }
        // Nor while the newest one is looked for.
        fs::rename(&folder, folder.with_extension("new")).unwrap();
        assert!(!Checkpoint::exists(&folder));
        fs::rename(folder.with_extension("new"), &folder).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn files_of_other_kinds_and_lengths_are_not_read() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("checkpoint");
    checkpoint(1).write(&folder).unwrap();
    let written = files(&folder);
    for (name, bytes) in &written {
        let path = folder.join(name);
        let refusal = || Checkpoint::read(&folder).unwrap_err().to_string();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(!refusal().is_empty(), "{name}");
        fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(!refusal().is_empty(), "{name}");
        fs::remove_file(&path).unwrap();
        fs::File::create(&path).unwrap().set_len(1 << 42).unwrap();
        assert!(refusal().contains("4398046511104 bytes"), "{name}: {}", refusal());
        fs::write(&path, bytes).unwrap();
    }
    // One byte more than the manifest says is refused by the length alone.
    fs::write(folder.join(ARRAYS), [&written[ARRAYS][..], b"x"].concat()).unwrap();
    let message = Checkpoint::read(&folder).unwrap_err().to_string();
    assert!(message.ends_with(&format!("found {} bytes", written[ARRAYS].len() + 1)), "{message}");
}

#[test]
fn invalid_content_is_refused_and_keeps_the_previous_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("checkpoint");
    checkpoint(1).write(&folder).unwrap();
    let mut diverged = checkpoint(2);
    diverged.policy.parameters[0] = f32::NAN;
    assert!(diverged.write(&folder).unwrap_err().to_string().contains("finite"));
    let mut doubled = checkpoint(2);
    doubled.arrays.push(("a".into(), ArrayData::U32(vec![])));
    assert!(doubled.write(&folder).unwrap_err().to_string().contains("twice"));
    assert_eq!(Checkpoint::read(&folder).unwrap(), checkpoint(1));
}

fn arrays() -> impl Strategy<Value = BTreeMap<String, ArrayData>> {
    let data = prop_oneof![
        prop::collection::vec(any::<u32>(), 0..9).prop_map(ArrayData::U32),
        prop::collection::vec(-1e30f32..1e30, 0..9).prop_map(ArrayData::F32),
        prop::collection::vec(-1e300..1e300, 0..9).prop_map(ArrayData::F64),
    ];
    prop::collection::btree_map("[a-z._ \"é]{1,9}", data, 0..6)
}

proptest! {
    #[test]
    fn arrays_round_trip(arrays in arrays()) {
        let arrays: Vec<_> = arrays.into_iter().collect();
        let bytes = write_arrays(Path::new("x"), &arrays).unwrap();
        prop_assert_eq!(read_arrays(Path::new("x"), &bytes).unwrap(), arrays);
    }

    #[test]
    fn corrupt_arrays_never_panic(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        keep in any::<prop::sample::Index>(),
    ) {
        let mut bytes = write_arrays(Path::new("x"), &checkpoint(1).arrays).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = read_arrays(Path::new("x"), &bytes);
        bytes.truncate(keep.index(bytes.len()));
        prop_assert!(read_arrays(Path::new("x"), &bytes).is_err());
    }
}
