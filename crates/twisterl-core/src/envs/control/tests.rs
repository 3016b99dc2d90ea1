#![allow(clippy::unwrap_used)]
use super::{CartPole, CartPoleParams};
use crate::env::Environment as _;
use crate::envs::registry::Registry;
use crate::rng::{Purpose, stream};
use serde_json::json;

const NAMES: [&str; 5] =
    ["Acrobot-v1", "CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"];

#[test]
fn all_keep_the_contract() {
    for name in NAMES {
        for params in [json!({}), json!({"max_episode_steps": 3})] {
            let report = Registry::default().make(name, &params).unwrap().check(1).unwrap();
            assert!(report.episodes > 0, "{name}");
        }
    }
}

#[test]
fn parameters_out_of_range_are_refused_with_their_path() {
    for (name, params, path) in [
        ("CartPole-v1", json!({"max_episode_steps": 0}), "env.max_episode_steps: expected 1 to"),
        ("Pendulum-v1", json!({"g": 1e9}), "env.g: expected -1000 to 1000, found 1000000000"),
        ("MountainCar-v0", json!({"goal_velocity": 0.1}), "env.goal_velocity"),
        ("Acrobot-v1", json!({"gravity": 1}), "env.gravity"),
    ] {
        let message = Registry::default().make(name, &params).unwrap_err().to_string();
        assert!(message.starts_with(path), "{message}");
    }
}

#[test]
fn a_step_that_terminates_at_the_time_limit_does_not_truncate() {
    let params = CartPoleParams { max_episode_steps: 1, ..CartPoleParams::default() };
    let mut env = CartPole::new(&params).unwrap();
    env.set_state(&[2.39, 5.0, 0.0, 0.0]).unwrap();
    let step = env.step(1.into());
    assert_eq!((step.terminated, step.truncated), (true, false));
    env.reset(&mut stream(0, Purpose::Start, 0, 0));
    let step = env.step(1.into());
    assert_eq!((step.terminated, step.truncated), (false, true));
}
