//! Walks and followed solutions.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::env::Start;
use crate::envs::registry::{EnvSpec, Registry};
use crate::rng::{Purpose, stream};
use serde_json::json;
use std::sync::Arc;

fn puzzle(width: usize, height: usize) -> Arc<dyn EnvSpec> {
    let params = json!({
        "width": width, "height": height, "difficulty": 5, "max_depth": 500,
        "move_reward": -0.25, "solved_reward": 2.0
    });
    Registry::default().make("Puzzle", &params).unwrap()
}

fn config(twists: &[Twist]) -> WalkConfig<'_> {
    WalkConfig { length: 30, window: 0, label_window: 4, gamma: 0.5, twists }
}

#[test]
fn labels_lead_back_to_the_goal_and_returns_are_those_of_the_way_back() {
    let spec = puzzle(3, 2);
    let mut walker = Arc::clone(&spec).walker().unwrap();
    for index in 0..50 {
        let mut walks = Walks::default();
        let mut rng = stream(0, Purpose::Walk, 0, index);
        walker.walk(&config(&[]), &mut rng, &mut walks).unwrap();
        let rows = walks.actions.len();
        assert_eq!(walks.distances, (1..=rows as u32).collect::<Vec<_>>());
        assert_eq!(walks.masks.len(), 4 * rows);
        // From the state of each row, its label and those of the rows before it lead to the goal.
        for row in [0, rows / 2, rows - 1] {
            let mut state = vec![0.0; 6];
            for &one in walks.observations.ones(row) {
                state[one as usize / 6] = f64::from(one % 6);
            }
            let mut env = spec.batch(1);
            let start = Start::State { state: &state, difficulty: None };
            env.begin(0, start, &mut rng).unwrap();
            let (mut back, mut steps) = (0.0, Vec::new());
            for &action in walks.actions[..=row].iter().rev() {
                let mut one = crate::space::Actions::new(&spec.action_space());
                one.push((action as usize).into());
                env.step(&[0], &one, &mut steps).unwrap();
            }
            assert!(env.solved(0), "walk {index}, row {row}");
            for step in steps.iter().rev() {
                back = step.reward + 0.5 * back;
            }
            assert_eq!(walks.returns[row], back);
        }
    }
}

#[test]
fn walks_over_batches_of_any_kind_are_those_over_the_concrete_environment() {
    for (width, length, window) in [(3, 20, 0), (3, 90, 12), (4, 70, 16)] {
        let spec = puzzle(width, width);
        let boxed = Arc::clone(&spec);
        let mut boxed_walker =
            over(&spec.action_space(), spec.inverses(), move |len| boxed.batch(len)).unwrap();
        let mut walker = spec.walker().unwrap();
        for index in 0..5 {
            let [a, b] = [&mut walker, &mut boxed_walker].map(|walker| {
                let mut walks = Walks::default();
                let mut rng = stream(1, Purpose::Walk, 0, index);
                let config =
                    WalkConfig { length, window, label_window: 4, gamma: 0.9, twists: &[] };
                walker.walk(&config, &mut rng, &mut walks).unwrap();
                walks
            });
            assert!(a.actions.len() > 5 && a.actions.len() <= length);
            assert_eq!(
                (a.observations, a.masks, a.actions, a.labels, a.returns, a.distances),
                (b.observations, b.masks, b.actions, b.labels, b.returns, b.distances)
            );
        }
    }
}

#[test]
fn canonical_walks_are_images_of_plain_walks() {
    let spec = puzzle(3, 3);
    let (mut walker, twists) = (Arc::clone(&spec).walker().unwrap(), spec.twists());
    let mut walk = |twists: &[Twist]| {
        let mut walks = Walks::default();
        let mut rng = stream(3, Purpose::Walk, 0, 0);
        walker.walk(&config(twists), &mut rng, &mut walks).unwrap();
        walks
    };
    let (plain, canonical) = (walk(&[]), walk(&twists));
    let mut turned = 0;
    for row in 0..plain.actions.len() {
        let ones = |walks: &Walks| {
            let mut ones = walks.observations.ones(row).to_vec();
            ones.sort_unstable();
            ones
        };
        let image = |one: &u32| twists[0].observation[*one as usize];
        let mut images: Vec<u32> = ones(&plain).iter().map(image).collect();
        images.sort_unstable();
        let (action, image) = (plain.actions[row], twists[0].action[plain.actions[row] as usize]);
        let labels = |walks: &Walks| walks.labels[4 * row..][..4].to_vec();
        let image_of_labels = |action: u32| labels(&canonical)[action as usize];
        if images < ones(&plain) {
            let turned_back: Vec<bool> =
                twists[0].action.iter().copied().map(image_of_labels).collect();
            assert_eq!(turned_back, labels(&plain));
            assert_eq!((ones(&canonical), canonical.actions[row]), (images, image));
            turned += 1;
        } else {
            assert_eq!((ones(&canonical), canonical.actions[row]), (ones(&plain), action));
            assert_eq!(labels(&canonical), labels(&plain));
        }
    }
    assert!(turned > 5);
}

#[test]
fn solutions_are_followed_backwards_and_shortened() {
    let spec = puzzle(3, 2);
    let mut walker = Arc::clone(&spec).walker().unwrap();
    // The blank is at 1, and left solves the board. Right and back first is a detour.
    let (state, mut detour) = ([1.0, 0.0, 2.0, 3.0, 4.0, 5.0], vec![2, 0, 0]);
    let mut walks = Walks::default();
    walker.follow(&config(&[]), &state, &detour, &mut walks).unwrap();
    assert_eq!((&walks.actions[..], &walks.distances[..]), (&[0, 0, 2][..], &[1, 2, 3][..]));
    walker.shorten(&state, &mut detour, 3).unwrap();
    assert_eq!(detour, [0]);
    let error = walker.follow(&config(&[]), &state, &[2], &mut walks).unwrap_err();
    assert!(error.to_string().contains("actions that solve it"), "{error}");
    let error = walker.follow(&config(&[]), &state, &[4], &mut walks).unwrap_err();
    assert_eq!(error, Error::action("0 to 3", 4));
}
