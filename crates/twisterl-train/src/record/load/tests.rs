//! Policies of the peer in both formats, and all kinds of paths.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::config::Override;
use crate::record::checkpoint;
use crate::record::checkpoint::Checkpoint;
use crate::record::pt::PtFile;
use crate::record::run_folder::{BEST, LAST};
use crate::trainer::{Options, resume, train};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;
use twisterl_core::envs::registry::Trust;
use twisterl_core::evaluator::{Evaluation, Evaluator};
use twisterl_core::policy::executor::Executor;
use twisterl_core::policy::network::Network;
use twisterl_core::policy::weights::parameters_from_tensors;
use twisterl_core::space::{ActionSpace, ObservationSpace, Observations};

const NAMES: [&str; 2] = ["ppo_puzzle8_v1", "ppo_puzzle15_v1"];

fn tests_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests")
}

fn vector(file: &str) -> PathBuf {
    tests_folder().join("vectors/peer").join(file)
}

fn config(name: &str) -> PathBuf {
    tests_folder().join(format!("configs/{name}.peer.json"))
}

fn load(path: &Path) -> Result<Policy> {
    load_policy(path, None, &Registry::default())
}

fn refusal(path: &Path) -> String {
    load(path).unwrap_err().to_string()
}

fn peer_policy(name: &str, ending: &str) -> Policy {
    let path = vector(&format!("{name}.{ending}"));
    load_policy(&path, Some(&config(name)), &Registry::default()).unwrap()
}

/// Returns a folder with the peer's layout: weights in both formats, and the config under the same name.
fn peer_folder(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for ending in ["pt", "safetensors"] {
        let file = format!("{name}.{ending}");
        fs::copy(vector(&file), folder.path().join(file)).unwrap();
    }
    fs::copy(config(name), folder.path().join(format!("{name}.json"))).unwrap();
    folder
}

fn checkpoint(policy: Policy) -> Checkpoint {
    Checkpoint { policy, state: json!({}), arrays: vec![] }
}

#[test]
fn both_formats_of_the_peer_give_the_golden_numbers() {
    for name in NAMES {
        let policy = peer_policy(name, "pt");
        assert_eq!(policy, peer_policy(name, "safetensors"));
        let folder = peer_folder(name);
        assert_eq!(load(&folder.path().join(format!("{name}.pt"))).unwrap(), policy);

        let executor = Executor::new(&policy.network, &policy.parameters).unwrap();
        let text = fs::read_to_string(vector(&format!("{name}.golden.json"))).unwrap();
        let golden: Value = serde_json::from_str(&text).unwrap();
        for case in golden["cases"].as_array().unwrap() {
            let numbers = |key: &str| -> Vec<f64> {
                case[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
            };
            let ones: Vec<u32> = numbers("observation").into_iter().map(|v| v as u32).collect();
            let mut observations = Observations::new();
            observations.push_ones(&ones);
            let mut out = Evaluation::default();
            executor.evaluate(&observations, &mut out).unwrap();
            for (found, expected) in out.actions.iter().zip(numbers("logits")) {
                assert!((f64::from(*found) - expected).abs() < 1e-4, "{found} {expected}");
            }
            let value = case["value"].as_f64().unwrap();
            assert!((f64::from(out.values[0]) - value).abs() < 1e-4);
        }
    }
}

#[test]
fn a_converted_file_is_self_contained() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("policy.safetensors");
    let registry = Registry::default();
    convert(&vector("ppo_puzzle8_v1.pt"), Some(&config("ppo_puzzle8_v1")), &output, &registry)
        .unwrap();
    assert_eq!(load(&output).unwrap(), peer_policy("ppo_puzzle8_v1", "pt"));
    // Converting again changes nothing.
    let bytes = fs::read(&output).unwrap();
    convert(&output, None, &output, &registry).unwrap();
    assert_eq!(fs::read(&output).unwrap(), bytes);

    let refused = |name: &str| {
        let message = convert(&output, None, &folder.path().join(name), &registry).unwrap_err();
        message.to_string()
    };
    assert!(refused("policy.pt").contains("safetensors.torch.load_file"));
    assert!(refused("policy").contains("ends in .safetensors"));
    assert!(refused("no/policy.safetensors").contains("cannot write"));
}

#[test]
fn runs_and_checkpoints_are_found_and_the_best_one_is_preferred() {
    let root = tempfile::tempdir().unwrap();
    let run = root.path();
    let last = peer_policy("ppo_puzzle8_v1", "pt");
    let mut best = last.clone();
    best.parameters[0] += 1.0;
    fs::write(run.join(CONFIG), "{}").unwrap();
    assert!(refusal(run).contains("checkpoint_last"));
    checkpoint(last.clone()).write(&run.join(LAST)).unwrap();
    assert_eq!(load(run).unwrap(), last);
    checkpoint(best.clone()).write(&run.join(BEST)).unwrap();
    assert_eq!(load(run).unwrap(), best);
    assert_eq!(load(&run.join(LAST)).unwrap(), last);
    assert_eq!(load(&run.join(BEST).join(checkpoint::POLICY)).unwrap(), best);
    // The state after a kill in the middle of the next write.
    fs::rename(run.join(BEST), run.join("checkpoint_best.old")).unwrap();
    assert_eq!(load(run).unwrap(), best);
    assert_eq!(load(&run.join(BEST)).unwrap(), best);
}

#[test]
fn missing_and_invalid_files_are_named() {
    let folder = peer_folder("ppo_puzzle8_v1");
    let pt = folder.path().join("ppo_puzzle8_v1.pt");
    let beside = folder.path().join("ppo_puzzle8_v1.json");
    // A config under another name is not found.
    fs::rename(&beside, folder.path().join("other.json")).unwrap();
    let message = refusal(&pt);
    assert!(
        message.contains("bare tensors") && message.contains("ppo_puzzle8_v1.json"),
        "{message}"
    );
    assert!(refusal(&pt.with_extension("safetensors")).contains("bare tensors"));
    // The config of a run folder.
    fs::rename(folder.path().join("other.json"), folder.path().join(CONFIG)).unwrap();
    load(&pt).unwrap();
    // A config that does not fit.
    fs::copy(config("ppo_puzzle15_v1"), &beside).unwrap();
    let message = refusal(&pt);
    assert!(message.contains("expected shape [512, 256], found [512, 81]"), "{message}");

    assert!(refusal(&folder.path().join("nothing.pt")).contains("found nothing"));
    let message = refusal(&beside);
    assert!(
        message.ends_with("found JSON text (is it the config beside the weights?)"),
        "{message}"
    );
    for (name, bytes) in [("bad.pt", &b"PK\x03\x04"[..]), ("bad.safetensors", b"12345678901")] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        assert!(refusal(&path).contains(name));
    }
}

#[test]
fn files_are_known_by_their_content() {
    let folder = tempfile::tempdir().unwrap();
    let expected = peer_policy("ppo_puzzle8_v1", "pt");
    fs::copy(config("ppo_puzzle8_v1"), folder.path().join(CONFIG)).unwrap();
    for ending in ["pt", "safetensors"] {
        for name in ["weights", "a.bin", "b.ckpt", "c.pt", "d.safetensors", "e.PTH"] {
            let path = folder.path().join(name);
            fs::copy(vector(&format!("ppo_puzzle8_v1.{ending}")), &path).unwrap();
            assert_eq!(load(&path).unwrap(), expected, "{name}");
        }
    }
    let tar = [&[0x30; 257][..], b"ustar\0"].concat();
    for (bytes, found) in [
        (
            &b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"[..],
            "a pointer of Git LFS in place of the file (run `git lfs pull`",
        ),
        (b"\n<!DOCTYPE html><html>", "a web page in place of the file"),
        (b"<html>", "a web page in place of the file"),
        (b"\x1f\x8b\x08\0", "a gzip file (unpack it)"),
        (b"\x93NUMPY\x01\0", "a NumPy array"),
        (b"\x89HDF\r\n\x1a\n\0", "an HDF5 file"),
        (b"\x08\x07\x12\x07pytorch", "an ONNX model"),
        (b"\x80\x04\x95\x05\0", "a Python pickle that torch.save did not write"),
        (b"GGUF\x03", "a GGUF file"),
        (b"\x18\0\0\0TFL3", "a TensorFlow Lite model"),
        (&tar, "a tar archive"),
        (&[0; 100], "a file of zeros"),
        (b"", "an empty file"),
        (b"Not Found", "found text"),
        (b"\xfe\xdc\xba\x98", "a file of an unknown format"),
    ] {
        for name in ["x.pt", "x.safetensors", "x"] {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            let message = refusal(&path);
            // What claims to be safetensors and is nothing known is a damaged file of that format.
            let unknown = name == "x.safetensors" && found == "a file of an unknown format";
            assert!(message.contains(found) || unknown, "{name}: {message}");
            assert!(message.contains(name), "{message}");
        }
    }
}

#[test]
fn files_that_are_too_long_are_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(config("ppo_puzzle8_v1"), folder.path().join(CONFIG)).unwrap();
    for name in ["x.pt", "x.safetensors", "x"] {
        let path = folder.path().join(name);
        fs::File::create(&path).unwrap().set_len(2 << 40).unwrap();
        let message = refusal(&path);
        assert!(
            message.ends_with("a file of at most 1 GiB, found 2199023255552 bytes"),
            "{message}"
        );
    }
    // A safetensors file whose length its header contradicts.
    let path = folder.path().join("sparse.safetensors");
    let header = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header].concat()).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
    // The shortest of several times, since a busy machine may interrupt each of them.
    let shortest = (0..5).map(|_| {
        let started = std::time::Instant::now();
        let message = refusal(&path);
        assert!(message.contains("4 bytes of tensors, as the header says"), "{message}");
        started.elapsed()
    });
    assert!(shortest.min().unwrap().as_millis() < 500, "the file was read");
}

#[test]
fn a_policy_has_to_fit_its_environment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.safetensors");
    let mut policy = peer_policy("ppo_puzzle8_v1", "pt");
    policy.env["width"] = json!(4);
    fs::write(&path, policy.to_safetensors().unwrap()).unwrap();
    assert!(refusal(&path).contains("a network for Puzzle"), "{}", refusal(&path));
    policy.env_cls = "Nowhere".into();
    fs::write(&path, policy.to_safetensors().unwrap()).unwrap();
    assert!(refusal(&path).contains("unknown environment"));
    // It can still be opened and converted.
    let opened = open_policy(&path, None, &Registry::default()).unwrap();
    assert!(matches!(opened.env(), Err(CoreError::UnknownEnvironment { .. })));
    assert_eq!(opened.policy, policy);
    convert(&path, None, &folder.path().join("again.safetensors"), &Registry::default()).unwrap();
}

#[test]
fn convolutions_of_the_peer_give_the_golden_numbers() {
    let text = fs::read_to_string(vector("conv1d.golden.json")).unwrap();
    let golden: Vec<Value> = serde_json::from_str(&text).unwrap();
    for conv_dim in [0, 1] {
        // The peer's own layout. The network only depends on the sizes of the environment's spaces.
        let config = RunConfig::from_value(json!({
            "env_cls": "twisterl.envs.Puzzle",
            "policy_cls": "twisterl.nn.Conv1dPolicy",
            "policy": {
                "embedding_size": 36, "conv_dim": conv_dim, "common_layers": [16],
                "policy_layers": [8], "value_layers": []
            }
        }));
        let config = config.unwrap();
        let observation = ObservationSpace::SparseBinary { shape: vec![4, 9] };
        let network = Network::conv1d(
            observation,
            ActionSpace::discrete(4),
            config.policy.conv_dim,
            &config.policy.sizes(),
        );
        let file = PtFile::read(&vector(&format!("conv1d_{conv_dim}.pt"))).unwrap();
        let network = network.unwrap();
        let parameters = parameters_from_tensors(&network, &file.tensors().unwrap()).unwrap();
        let executor = Executor::new(&network, &parameters).unwrap();
        for case in golden.iter().filter(|case| case["conv_dim"] == conv_dim) {
            let ones: Vec<u32> = serde_json::from_value(case["ones"].clone()).unwrap();
            let mut observations = Observations::new();
            observations.push_ones(&ones);
            let mut out = Evaluation::default();
            executor.evaluate(&observations, &mut out).unwrap();
            let logits: Vec<f32> = serde_json::from_value(case["logits"].clone()).unwrap();
            assert!(out.actions.iter().zip(logits).all(|(a, b)| (a - b).abs() < 1e-5));
            assert!((f64::from(out.values[0]) - case["value"].as_f64().unwrap()).abs() < 1e-5);
        }
    }
}

#[test]
fn layers_that_do_not_fit_are_refused_with_both_shapes() {
    let refused = |policy: Value| {
        let config = json!({"env_cls": "Puzzle", "policy": policy});
        let config = RunConfig::from_value(config).unwrap();
        let spec = Registry::default().make("Puzzle", &json!({})).unwrap();
        initial_policy(&config, &*spec, &Registry::default()).unwrap_err().to_string()
    };
    for (layers, message) in [
        (
            json!([{"type": "reshape", "shape": [3, 3, 8]}]),
            "policy.layers.common[0].shape: expected a shape of 81 values, as [9, 9] has, found [3, 3, 8]",
        ),
        (
            json!([{"type": "linear", "outputs": 8}, {"type": "embedding", "outputs": 8}]),
            "policy.layers.common[1]: expected an embedding first, and only there, on sparse observations, found one on values of shape [9, 8]",
        ),
        (
            json!([{"type": "conv2d", "channels": 4, "kernel": 3}]),
            "policy.layers.common[0]: expected an input of three axes, [height, width, channels], found shape [9, 9]",
        ),
        (
            json!([{"type": "attention", "heads": 2}]),
            "policy.layers.common[0].heads: expected a number that divides the width of the tokens, 9, found 2",
        ),
        (
            json!([{"type": "residual", "layers": [{"type": "linear", "outputs": 8}]}]),
            "policy.layers.common[0]: expected layers that give the shape [9, 9] they read, found shape [9, 8]",
        ),
    ] {
        assert_eq!(refused(json!({"layers": {"common": layers}})), message);
    }
}

#[test]
fn a_run_starts_only_from_weights_of_its_own_network() {
    let registry = Registry::default();
    let start = |name: &str, weights: &Path| {
        let (config, _) = RunConfig::load(&config(name), &[]).unwrap();
        let spec = registry.make(&config.env_cls, &config.env).unwrap();
        weights_for(&config, &*spec, weights, &registry)
            .map(|policy| (policy, initial_policy(&config, &*spec, &registry)))
    };
    let (policy, initial) = start("ppo_puzzle8_v1", &vector("ppo_puzzle8_v1.pt")).unwrap();
    assert_eq!(policy, peer_policy("ppo_puzzle8_v1", "pt"));
    let initial = initial.unwrap();
    assert_eq!((&initial.network, &initial.env), (&policy.network, &policy.env));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.safetensors");
    fs::write(&path, policy.to_safetensors().unwrap()).unwrap();
    assert_eq!(start("ppo_puzzle8_v1", &path).unwrap().0, policy);
    let message = start("ppo_puzzle15_v1", &path).unwrap_err().to_string();
    assert!(message.contains("embeddings 256-512 embedding activation=relu"), "{message}");
    let message = start("ppo_puzzle15_v1", &vector("ppo_puzzle8_v1.pt")).unwrap_err().to_string();
    assert!(message.contains("embeddings.weight"), "{message}");
}

// long function: one setting, many loaders
#[test]
fn names_in_files_do_not_lead_to_code_and_names_in_configs_do() {
    let folder = peer_folder("ppo_puzzle8_v1");
    let native = Registry::default();
    let mut registry = native.clone();
    registry.add_resolver(move |name, params, trust| {
        let found = match trust {
            Trust::Registered => Err(CoreError::UntrustedEnvironment { name: name.to_owned() }),
            Trust::Code => native.make("Puzzle", params),
        };
        name.starts_with("code.").then_some(found)
    });
    let trusting = registry.with_trust(Trust::Code);
    let replacing = registry.replacing_envs({
        let native = Registry::default();
        move |params| native.make("Puzzle", params)
    });

    // A self-contained file, and bare tensors with a config next to them.
    let mut policy = peer_policy("ppo_puzzle8_v1", "pt");
    policy.env_cls = "code.Puzzle".into();
    let whole = folder.path().join("whole.safetensors");
    fs::write(&whole, policy.to_safetensors().unwrap()).unwrap();
    let beside = folder.path().join("ppo_puzzle8_v1.json");
    let mut described: Value = serde_json::from_slice(&fs::read(&beside).unwrap()).unwrap();
    described["env_cls"] = json!("code.Puzzle");
    fs::write(&beside, described.to_string()).unwrap();
    let untrusted = |error: Error| matches!(error, Error::Core(CoreError::UntrustedEnvironment { name }) if name == "code.Puzzle");
    for file in [whole.clone(), beside.with_extension("pt"), beside.with_extension("safetensors")] {
        assert!(untrusted(load_policy(&file, None, &registry).unwrap_err()));
        assert!(untrusted(load_policy(&file, Some(&beside), &registry).unwrap_err()));
        for registry in [&trusting, &replacing] {
            load_policy(&file, None, registry).unwrap();
        }
    }
    let opened = open_policy(&whole, None, &registry).unwrap();
    assert!(untrusted(opened.env().unwrap_err().into()));
    let bytes = fs::read(&whole).unwrap();
    assert!(untrusted(
        LoadedPolicy::from_bytes(&bytes, &registry).unwrap().env().unwrap_err().into()
    ));
    LoadedPolicy::from_bytes(&bytes, &trusting).unwrap().env().unwrap();
    let again = folder.path().join("again.safetensors");
    convert(&whole, None, &again, &registry).unwrap();
    assert_eq!(fs::read(&again).unwrap(), bytes);
    assert!(untrusted(convert(&beside.with_extension("pt"), None, &again, &registry).unwrap_err()));

    // A run: its config is the user's when it begins, and a file when it is resumed.
    let config = json!({
        "env_cls": "code.Puzzle",
        "env": {"width": 2, "height": 2},
        "policy": {"embedding_size": 8, "common_layers": []},
        "algorithm": {"collecting": {"num_episodes": 4}, "training": {"num_epochs": 1}},
        "num_iterations": 1
    });
    let config = RunConfig::from_value(config).unwrap();
    let run = folder.path().join("run");
    let quiet = Options { quiet: true, ..Options::default() };
    let summary = train(&config, &run, &quiet, &registry).unwrap();
    assert_eq!(summary.env.name(), "Puzzle");
    fs::write(run.join(CONFIG), config.to_pretty()).unwrap();
    let until = |end: u64| Options {
        overrides: vec![Override::new("num_iterations", end).unwrap()],
        ..quiet.clone()
    };
    assert!(untrusted(resume(&run, &until(2), &registry).unwrap_err()));
    for (i, registry) in [&trusting, &replacing].into_iter().enumerate() {
        let end = 2 + i as u64;
        assert_eq!(resume(&run, &until(end), registry).unwrap().iterations, end);
    }
}
