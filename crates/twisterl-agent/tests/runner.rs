//! A bundle that is a program: the runner with a policy behind its end.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use twisterl_agent::bundle::{payload, program};
use twisterl_core::policy::Policy;
use twisterl_core::policy::network::{Activation, MlpSizes, Network};
use twisterl_core::registry::Registry;
use twisterl_core::solve::SolveOptions;

/// Returns the payload of an untrained policy of the 2 x 2 puzzle, which a beam solves nevertheless.
fn payload_of_puzzle() -> Vec<u8> {
    let params = serde_json::json!({"width": 2, "height": 2});
    let spec = Registry::default().make("Puzzle", &params).unwrap();
    let sizes = MlpSizes {
        embedding_size: 8,
        common_layers: vec![],
        policy_layers: vec![],
        value_layers: vec![],
        activation: Activation::Relu,
    };
    let network = Network::mlp(spec.observation_space(), spec.action_space(), &sizes).unwrap();
    let policy = Policy::initial(network, "Puzzle", spec.params(), spec.twists(), 0).unwrap();
    let options =
        SolveOptions { search: Some("beam=16".parse().unwrap()), ..SolveOptions::default() };
    payload::write(&policy, Some(&*spec), &options).unwrap()
}

/// Writes a bundle and makes it executable.
#[cfg(target_os = "linux")]
fn write_bundle(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let runner = fs::read(env!("CARGO_BIN_EXE_twisterl-agent")).unwrap();
    fs::write(path, program::append(&runner, &payload_of_puzzle()).unwrap()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_program_answers_arguments_and_lines() {
    let folder = std::env::temp_dir().join(format!("twisterl-agent-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("agent");
    write_bundle(&path);
    let solved = Command::new(&path).args(["1 0 2 3"]).output().unwrap();
    let text = String::from_utf8(solved.stdout).unwrap();
    assert!(text.ends_with("solved after 1 move: left\n"), "{text}");
    assert_eq!(solved.status.code(), Some(0));
    let mut child =
        Command::new(&path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = b"1 0 2 3\n{\"call\": \"scramble\", \"difficulty\": 0}\nhello\n";
    child.stdin.take().unwrap().write_all(lines).unwrap();
    let answered = child.wait_with_output().unwrap();
    let text = String::from_utf8(answered.stdout).unwrap();
    let answers: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers[0]["moves"], serde_json::json!(["left"]));
    assert_eq!(answers[1], serde_json::json!({"state": [0, 1, 2, 3]}));
    assert!(answers[2]["error"].as_str().unwrap().starts_with("request: expected a JSON object"));
    assert_eq!(answered.status.code(), Some(1));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_runner_alone_has_no_policy() {
    let runner = Command::new(env!("CARGO_BIN_EXE_twisterl-agent")).arg("1,0").output().unwrap();
    let text = String::from_utf8(runner.stderr).unwrap();
    let expected =
        "error: bundle: trailer: expected a program with a policy behind its end, found none";
    assert!(text.starts_with(expected), "{text}");
    assert_eq!(runner.status.code(), Some(1));
    assert!(
        Command::new(env!("CARGO_BIN_EXE_twisterl-agent"))
            .arg("--help")
            .status()
            .unwrap()
            .success()
    );
}
