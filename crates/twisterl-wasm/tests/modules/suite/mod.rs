//! Modules on the engine [`Tested`]: one that keeps the interface, hostile ones, and ten thousand that are damaged.

pub(crate) mod hostile;
pub(crate) mod mutated;

use crate::Tested;
use serde_json::json;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::rng::{Purpose, stream};
use twisterl_core::space::{Action, Actions, Observations};
use twisterl_core::{Error, Result};
use twisterl_plugin::host::PluginSpec;
use twisterl_wasm::{Engine, Sandbox, load};

/// The text of a module that keeps the interface.
pub(crate) const LINE: &str = include_str!("../line.wat");

/// Returns the environment of a module on an engine.
pub(crate) fn open_on<E: Engine>(bytes: &[u8], sandbox: Sandbox) -> Result<PluginSpec> {
    PluginSpec::new("line", load::<E>("line", bytes, sandbox)?, &json!({}))
}

/// Returns the environment of a module.
fn open(bytes: &[u8], sandbox: Sandbox) -> Result<PluginSpec> {
    open_on::<Tested>(bytes, sandbox)
}

/// Plays with two slots, in every way that a host does. Returns the rewards and states.
pub(crate) fn play(spec: &PluginSpec) -> Result<(Vec<f32>, Vec<f64>)> {
    let mut env = spec.batch(2);
    let mut rng = stream(1, Purpose::Start, 0, 0);
    env.begin(0, Start::Scramble { difficulty: 2 }, &mut rng)?;
    env.begin(1, Start::State { state: &[5.0], difficulty: None }, &mut rng)?;
    let (mut observations, mut masks, mut steps) = (Observations::new(), Vec::new(), Vec::new());
    let mut actions = Actions::new(&spec.action_space());
    for round in 0..2 {
        observations.clear();
        env.observe(&[0, 1], &mut observations, &mut masks)?;
        actions.clear();
        actions.push(Action::Discrete(0));
        actions.push(Action::Discrete(round));
        env.step(&[0, 1], &actions, &mut steps)?;
    }
    let mut states = Vec::new();
    env.copy(&[(1, 0)])?;
    env.state(0, &mut states)?;
    env.state(1, &mut states)?;
    let mut keys = Vec::new();
    env.keys(&[0, 1], &mut keys)?;
    let _ = (env.render(0), env.action_name(Action::Discrete(1)));
    Ok((steps.iter().map(|step| step.reward).collect(), states))
}

#[test]
fn a_module_plays_by_its_rules() {
    let spec = open(&wat::parse_str(LINE).unwrap(), Sandbox::default()).unwrap();
    assert_eq!(spec.name(), "line");
    assert_eq!(spec.description().name, "Line");
    assert_eq!(spec.difficulty(), 3);
    // Slot 0 goes from 2 to 0, slot 1 from 5 to 4 and back.
    let expected = (vec![-0.25, -0.25, 1.0, -0.25], vec![5.0, 5.0]);
    assert_eq!(play(&spec).unwrap(), expected);
    assert_eq!(play(&spec).unwrap(), expected, "instances share nothing");
    let _: Error = spec
        .batch(65)
        .begin(0, Start::Scramble { difficulty: 1 }, &mut stream(1, Purpose::Start, 0, 0))
        .unwrap_err();
}

/// A start function that changes the description, in a module in which the name `start` is taken.
#[test]
fn a_start_function_runs_first() {
    let (_, after) = LINE.split_once("(data (i32.const 1024)").unwrap();
    let (data, _) = after.split_once("(func").unwrap();
    let description = data.split('"').skip(1).step_by(2).collect::<String>().replace("\\22", "\"");
    let key = "\"difficulty\": ";
    let at = 1024 + description.find(key).unwrap() + key.len();
    let start =
        format!("(func $first (i32.store8 (i32.const {at}) (i32.const 52))) (start $first)");
    let taken = "(func (export \"start\"))";
    let text = LINE.replacen("(memory", &format!("{start} {taken} (memory"), 1);
    let spec = open(&wat::parse_str(text).unwrap(), Sandbox::default()).unwrap();
    assert_eq!(spec.difficulty(), 4);
    play(&spec).unwrap();
}
