//! An environment plays alike in this crate and behind the interface.

use super::{module_of, plugin};
use crate::abi::VERSION;
use crate::guest::table;
use serde_json::{Value, json};
use std::sync::Arc;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::env::walk::{WalkConfig, Walks};
use twisterl_core::env::{Environment, Start};
use twisterl_core::envs::control::{CartPole, Pendulum};
use twisterl_core::envs::lights_out::LightsOut;
use twisterl_core::envs::puzzle::Puzzle;
use twisterl_core::registry::{EnvSpec, Registry};
use twisterl_core::rng::{Purpose, Rng, RngExt, stream};
use twisterl_core::space::{Action, ActionSpace, Actions, Observations};

const SLOTS: usize = 5;

fn native<E: Environment>(params: &Value) -> Arc<dyn EnvSpec> {
    Registry::empty().register::<E>().make(E::NAME, params).unwrap()
}

/// Draws an action of each slot.
fn draw(space: &ActionSpace, rng: &mut Rng) -> Actions {
    let mut actions = Actions::new(space);
    for _ in 0..SLOTS {
        let discrete: Vec<u32> = space.choices().map(|n| rng.random_range(0..n as u32)).collect();
        let continuous: Vec<f32> =
            space.bounds().map(|(low, high)| low + (high - low) * rng.random::<f32>()).collect();
        actions.push(Action::Parts { discrete: &discrete, continuous: &continuous });
    }
    actions
}

/// Observations, masks, keys, texts and bounds on returns.
type Seen = (Observations, Vec<bool>, Vec<u64>, Vec<String>, Vec<Option<f32>>);

/// Returns everything that can be seen of a batch.
fn seen(env: &mut dyn VecEnv) -> Seen {
    let slots: Vec<usize> = (0..SLOTS).collect();
    let (mut observations, mut masks, mut keys) = (Observations::new(), Vec::new(), Vec::new());
    env.observe(&slots, &mut observations, &mut masks).unwrap();
    env.keys(&slots, &mut keys).unwrap();
    let texts = slots.iter().map(|&slot| {
        let mut state = Vec::new();
        env.state(slot, &mut state).unwrap();
        format!("{} {state:?} {}", env.render(slot).unwrap(), env.solved(slot))
    });
    let texts = texts.collect();
    (observations, masks, keys, texts, slots.iter().map(|&slot| env.best_return(slot)).collect())
}

fn plays_alike<E: Environment>(params: Value) {
    let (native, plugin) = (native::<E>(&params), plugin::<E>(&params).unwrap());
    assert_eq!(native.params(), plugin.params());
    assert_eq!(native.observation_space(), plugin.observation_space());
    assert_eq!(native.action_space(), plugin.action_space());
    assert_eq!(native.starts(), plugin.starts());
    assert_eq!(native.difficulty(), plugin.difficulty());
    assert_eq!(native.measures_success(), plugin.measures_success());
    assert_eq!(native.inverses().ok(), plugin.inverses().ok());
    let twists = |spec: &dyn EnvSpec| format!("{:?}", spec.twists());
    assert_eq!(twists(&*native), twists(&plugin));

    let mut pair = [native.batch(SLOTS), plugin.batch(SLOTS)];
    let mut rng = stream(3, Purpose::Act, 0, 0);
    for slot in 0..SLOTS {
        let starts =
            [Start::Scramble { difficulty: slot + 2 }, Start::Uniform { difficulty: slot + 2 }];
        for env in &mut pair {
            let mut key = stream(1, Purpose::Start, 0, slot as u64);
            env.begin(slot, starts[slot % 2], &mut key).unwrap();
        }
    }
    for round in 0..20 {
        let [a, b] = pair.each_mut().map(|env| seen(&mut **env));
        assert_eq!(format!("{a:?}"), format!("{b:?}"), "{} in round {round}", E::NAME);
        let actions = draw(&native.action_space(), &mut rng);
        assert_eq!(pair[0].action_name(actions.row(1)), pair[1].action_name(actions.row(1)));
        let slots: Vec<usize> = (0..SLOTS).rev().collect();
        let steps = pair.each_mut().map(|env| {
            let mut steps = Vec::new();
            env.step(&slots, &actions, &mut steps).unwrap();
            steps
        });
        assert_eq!(steps[0], steps[1]);
        pair.iter_mut().for_each(|env| env.copy(&[(0, 1), (1, 2), (4, 4)]).unwrap());
        if round == 10 {
            pair = pair.map(|env| env.duplicate().unwrap());
        }
        let mut state = Vec::new();
        pair[0].state(3, &mut state).unwrap();
        let start = Start::State { state: &state, difficulty: [None, Some(4)][round % 2] };
        pair.iter_mut().for_each(|env| env.begin(0, start, &mut rng.clone()).unwrap());
    }
}

#[test]
fn environments_play_as_they_do_without_the_interface() {
    plays_alike::<Puzzle>(json!({"width": 3, "height": 4, "difficulty": 3}));
    plays_alike::<LightsOut>(json!({}));
    plays_alike::<CartPole>(json!({}));
    plays_alike::<Pendulum>(json!({}));
}

#[test]
fn walks_lead_back_step_by_step_behind_the_interface() {
    let walk = |spec: Arc<dyn EnvSpec>, window| {
        let mut walks = Walks::default();
        let config =
            WalkConfig { length: 12, window, label_window: window, gamma: 1.0, twists: &[] };
        let mut walker = spec.walker().unwrap();
        walker.walk(&config, &mut stream(5, Purpose::Walk, 0, 1), &mut walks).unwrap();
        walks
    };
    let (native, plugin) = (native::<Puzzle>(&json!({})), plugin::<Puzzle>(&json!({})).unwrap());
    let plugin: Arc<dyn EnvSpec> = Arc::new(plugin);
    let (ours, theirs) = (walk(native, 0), walk(Arc::clone(&plugin), 0));
    assert_eq!((ours.distances, ours.returns), (theirs.distances, theirs.returns));
    let shortened = walk(plugin, 4);
    let steps: Vec<u32> = (1..=shortened.actions.len() as u32).collect();
    assert_eq!(shortened.distances, steps);
    assert_eq!(shortened.observations.len(), steps.len());
}

#[test]
fn errors_are_those_of_the_environment() {
    for params in [json!({"width": 99}), json!({"widht": 3}), json!({"width": "3"})] {
        let error = Registry::default().make("Puzzle", &params).unwrap_err().to_string();
        assert_eq!(plugin::<Puzzle>(&params).err().unwrap().to_string(), error);
    }
    let spec = plugin::<Puzzle>(&json!({"width": 2, "height": 2})).unwrap();
    let (mut ours, mut theirs) =
        (native::<Puzzle>(&json!({"width": 2, "height": 2})).batch(1), spec.batch(1));
    let mut rng = stream(0, Purpose::Start, 0, 0);
    for state in [&[0.0, 1.0, 2.0, 2.0][..], &[0.0, 1.0, 2.0], &[f64::NAN; 4], &[0.5; 4]] {
        let start = Start::State { state, difficulty: None };
        let refused = theirs.begin(0, start, &mut rng).unwrap_err().to_string();
        assert_eq!(refused, ours.begin(0, start, &mut rng).unwrap_err().to_string());
    }
    let mut choices = Actions::new(&spec.action_space());
    choices.push(Action::Discrete(4));
    theirs.begin(0, Start::Scramble { difficulty: 1 }, &mut rng).unwrap();
    let error = theirs.step(&[0], &choices, &mut Vec::new()).unwrap_err().to_string();
    assert_eq!(error, "action: expected a choice below 4, found 4");
    let long = [0.0; 100];
    let start = Start::State { state: &long, difficulty: None };
    let error = theirs.begin(0, start, &mut rng).unwrap_err().to_string();
    assert_eq!(error, "state: expected at most 24 numbers, found 100");
}

#[test]
fn other_versions_are_refused() {
    let table = table::<super::Exported<Puzzle>>();
    let of =
        |abi, size| module_of(crate::abi::Table { abi, size, ..table }).err().unwrap().to_string();
    let text = "environment ./lib.so: a plugin has version 1 of the interface: build it with the twisterl.h or \
                twisterl-plugin of this release: version";
    assert_eq!(of(2 << 16, table.size), format!("{text} 2.0 of {} bytes", table.size));
    assert_eq!(of(VERSION, 40), format!("{text} 1.1 of 40 bytes"));
    assert!(
        module_of(crate::abi::Table { abi: VERSION + 1, size: table.size + 8, ..table }).is_ok()
    );
}
