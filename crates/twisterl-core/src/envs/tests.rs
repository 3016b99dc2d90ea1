//! Tests of all built-in environments: the contract, and refusals of parameters and states.
#![allow(clippy::unwrap_used)]

use super::registry::{EnvSpec, Registry, Trust};
use crate::Error;
use crate::env::Start;
use crate::rng::{Purpose, stream};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

fn make(name: &str, params: &Value) -> Arc<dyn EnvSpec> {
    Registry::default().make(name, params).unwrap()
}

#[test]
fn all_keep_the_contract_and_have_their_twists() {
    let mut cases = vec![
        ("Journey", json!({}), 0),
        ("Journey", json!({"max_episode_steps": 1}), 0),
        ("Puzzle", json!({"difficulty": 0}), 1),
    ];
    for name in
        ["Acrobot-v1", "CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"]
    {
        cases.push((name, json!({}), 0));
        cases.push((name, json!({"max_episode_steps": 3}), 0));
    }
    for (height, width, twists) in [(1, 1, 0), (1, 2, 1), (3, 5, 2), (5, 5, 3), (8, 8, 3)] {
        cases.push(("LightsOut", json!({"height": height, "width": width}), twists));
    }
    for (height, width, walls) in [(2, 2, 0.9), (3, 5, 0.0), (8, 8, 0.3), (16, 16, 0.4)] {
        cases.push(("Maze", json!({"height": height, "width": width, "walls": walls}), 2));
    }
    for (height, width) in (2..=6).flat_map(|height| (2..=6).map(move |width| (height, width))) {
        let params = json!({"height": height, "width": width, "difficulty": 20});
        cases.push(("Puzzle", params, usize::from(height == width)));
    }
    let mut untested: Vec<String> = Registry::default().names().map(str::to_owned).collect();
    for (name, params, twists) in cases {
        let report = make(name, &params).check(1).unwrap();
        assert!(report.episodes > 0 && report.twists == twists, "{name} {params} {report:?}");
        untested.retain(|other| other != name);
    }
    assert!(untested.is_empty(), "{untested:?}");
}

/// The error for an unknown parameter names all known ones.
#[test]
fn every_parameter_is_listed_with_its_default() {
    let registry = Registry::default();
    for name in registry.names() {
        let error = registry.make(name, &json!({"no such": 1})).err().unwrap().to_string();
        let known = error.split(" found ").next().unwrap().split('`').skip(1).step_by(2);
        let spec = make(name, &json!({}));
        let params = spec.params();
        let mut listed: Vec<&str> =
            params.as_object().unwrap().keys().map(String::as_str).collect();
        let unwritten = spec.unwritten_defaults().iter().map(|(key, _)| *key);
        listed.extend(unwritten.filter(|key| params.get(*key).is_none()));
        let mut known: Vec<&str> = known.collect();
        known.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, known, "{name}");
    }
    let puzzle = make("Puzzle", &json!({}));
    assert!(puzzle.unwritten_defaults().contains(&("goal", "\"blank_first\"")));
}

#[test]
fn parameters_out_of_range_are_refused_with_their_path() {
    for (name, params, message) in [
        ("Acrobot-v1", json!({"gravity": 1}), "env.gravity: "),
        ("CartPole-v1", json!({"max_episode_steps": 0}), "env.max_episode_steps: expected 1 to"),
        ("Journey", json!({"max_episode_steps": 0}), "env.max_episode_steps: expected 1 to"),
        ("LightsOut", json!({"width": 9}), "env.width: expected 1 to 8, found 9"),
        ("LightsOut", json!({"difficulty": 2_000_000}), "env.difficulty: expected 0 to 1000000"),
        ("Maze", json!({"walls": 0.95}), "env.walls: expected 0 to 0.9, found 0.95"),
        ("Maze", json!({"height": 1}), "env.height: expected 2 to 16, found 1"),
        ("Maze", json!({"max_steps": 0}), "env.max_steps: expected 1 to 1000000, found 0"),
        ("MountainCar-v0", json!({"goal_velocity": 0.1}), "env.goal_velocity: expected -0.07 to"),
        ("Pendulum-v1", json!({"g": 1e9}), "env.g: expected -1000 to 1000, found 1000000000"),
        ("Puzzle", json!({"width": 1}), "env.width: expected 2 to 6, found 1"),
        ("Puzzle", json!({"height": 7}), "env.height: expected 2 to 6, found 7"),
        ("Puzzle", json!({"max_depth": 0}), "env.max_depth: expected 1 to 1000000, found 0"),
        ("Puzzle", json!({"difficulty": 1e15 as u64}), "env.difficulty: expected 0 to 1000000"),
        (
            "Puzzle",
            json!({"move_reward": 1e300}),
            "env.move_reward: expected a number from -1e18 to 1e18",
        ),
        ("Puzzle", json!({"widht": 3}), "env.widht: expected one of the keys `width`, `height`"),
    ] {
        let error = Registry::default().make(name, &params).unwrap_err().to_string();
        assert!(error.starts_with(message), "{name}: {error}");
    }
}

#[test]
fn impossible_states_are_refused_with_the_reason() {
    let mut one_light = [0.0; 25];
    one_light[0] = 1.0;
    let maze = json!({"height": 2, "width": 2});
    let none = json!({});
    for (name, params, state, message) in [
        ("CartPole-v1", &none, &[0.0][..], "expected 4 numbers: position, speed"),
        ("CartPole-v1", &none, &[0.0, 0.0, 8.0, 0.0], "expected angle from -7 to 7, found 8"),
        ("Journey", &none, &[], "expected distance, bike, car, found nothing"),
        ("Journey", &none, &[1.0], "expected distance, bike, car, found 1 number"),
        ("Journey", &none, &[11.0, 0.0, 0.0], "expected a distance from -10 to 10, found 11"),
        ("Journey", &none, &[f64::NAN, 0.0, 0.0], "expected a distance from -10 to 10, found NaN"),
        ("Journey", &none, &[1.0, 2.0, 0.0], "expected whole numbers from 0 to 1, found 2"),
        ("LightsOut", &none, &one_light, "expected a board that presses can solve"),
        ("LightsOut", &none, &[0.0], "expected 25 lights of a 5 x 5 board, found 1"),
        ("LightsOut", &none, &[2.0; 25], "expected whole numbers from 0 to 1, found 2"),
        ("Maze", &maze, &[0.0, 3.0, 0.0, 1.0, 1.0, 0.0], "expected a maze with a way to the goal"),
        ("Maze", &maze, &[0.0, 0.0, 1.0, 0.0, 0.0, 0.0], "expected a maze with a way to the goal"),
        ("Maze", &maze, &[0.0, 3.0, 0.0, 2.0, 0.0, 0.0], "expected whole numbers from 0 to 1"),
        ("Maze", &maze, &[0.0, 4.0, 0.0, 0.0, 0.0, 0.0], "expected whole numbers from 0 to 3"),
        ("Maze", &maze, &[0.0, 3.0], "expected walker, goal, and 4 cells"),
    ] {
        let start = Start::State { state, difficulty: None };
        let begun =
            make(name, params).batch(1).begin(0, start, &mut stream(0, Purpose::Start, 0, 0));
        let error = begun.unwrap_err().to_string();
        assert!(error.starts_with(&format!("state: {message}")), "{name}: {error}");
    }
}

#[test]
fn a_step_that_terminates_at_the_time_limit_does_not_truncate() {
    use super::control::{CartPole, CartPoleParams};
    use crate::env::Environment as _;
    let params = CartPoleParams { max_episode_steps: 1, ..CartPoleParams::default() };
    let mut env = CartPole::new(&params).unwrap();
    env.set_state(&[2.39, 5.0, 0.0, 0.0]).unwrap();
    let step = env.step(1.into());
    assert_eq!((step.terminated, step.truncated), (true, false));
    env.reset(&mut stream(0, Purpose::Start, 0, 0));
    let step = env.step(1.into());
    assert_eq!((step.terminated, step.truncated), (false, true));
}

#[test]
fn the_resolver_is_told_what_names_may_lead_to() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut registry = Registry::default();
    let seen = Arc::clone(&asked);
    registry.add_resolver(move |name, _, trust| {
        seen.lock().unwrap().push((name.to_owned(), trust));
        None
    });
    let unknown = |registry: &Registry| registry.make("a.B", &json!({})).unwrap_err();
    assert!(matches!(unknown(&registry), Error::UnknownEnvironment { .. }));
    unknown(&registry.with_trust(Trust::Code));
    unknown(&registry);
    registry.make("Puzzle", &json!({})).unwrap();
    let expected = [Trust::Registered, Trust::Code, Trust::Registered];
    assert_eq!(*asked.lock().unwrap(), expected.map(|trust| ("a.B".to_owned(), trust)));
}

#[test]
fn a_replacement_makes_every_environment_of_the_parameters() {
    let registry = Registry::default();
    let replaced = registry.replacing_envs({
        let registry = registry.clone();
        move |params| registry.make("Maze", params)
    });
    for name in ["Puzzle", "a.B"] {
        let spec = replaced.make(name, &json!({"width": 5})).unwrap();
        assert_eq!((spec.name(), &spec.params()["width"]), ("Maze", &json!(5)));
    }
    assert_eq!(registry.make("Puzzle", &json!({})).unwrap().name(), "Puzzle");
}
