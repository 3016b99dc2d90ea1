//! Paths of the sliding puzzle, for tests.
#![allow(clippy::unwrap_used)]

use crate::env::batch::{EnvBatch, VecEnv as _};
use crate::env::walk::shorten::StatePath;
use crate::env::walk::slots::Slots;
use crate::env::{Environment, Start, walk};
use crate::envs::puzzle::Puzzle;
use crate::rng::{Purpose, stream};
use crate::space::Action;
use rand::RngExt;

pub(super) fn puzzle(width: usize, height: usize) -> Puzzle {
    let params = serde_json::json!({"width": width, "height": height, "difficulty": 0});
    Puzzle::new(&serde_json::from_value(params).unwrap()).unwrap()
}

/// Returns a random walk of `length` actions from the goal, with its slots.
pub(super) fn walk(env: &Puzzle, length: usize, seed: u64) -> (Slots<EnvBatch<Puzzle>>, StatePath) {
    let prototype = env.clone();
    let mut slots = Slots::new(4, Box::new(move |len| EnvBatch::new(&prototype, len)));
    let mut rng = stream(seed, Purpose::Walk, 0, 0);
    let mut at = slots.take().unwrap();
    slots.batch.begin(at, Start::Scramble { difficulty: 0 }, &mut rng).unwrap();
    let mut path = StatePath { states: vec![at], actions: Vec::new() };
    for _ in 0..length {
        let mut mask = Vec::new();
        slots.batch.masks(&[at], &mut mask).unwrap();
        let allowed: Vec<u32> = (0..4).filter(|&a| mask[a as usize]).collect();
        let action = allowed[rng.random_range(0..allowed.len())];
        at = slots.copy_of(at).unwrap();
        slots.step(at, action).unwrap();
        path.actions.push(action);
        path.states.push(at);
    }
    (slots, path)
}

/// Returns the boards of a path.
pub(super) fn boards(slots: &Slots<EnvBatch<Puzzle>>, path: &StatePath) -> Vec<Vec<f64>> {
    let board = |&slot: &usize| {
        let mut board = Vec::new();
        slots.batch.state(slot, &mut board).unwrap();
        board
    };
    path.states.iter().map(board).collect()
}

/// Returns the distance between two boards, by breadth-first search.
pub(super) fn distance(env: &Puzzle, from: &[f64], to: &[f64]) -> usize {
    let at = |board: &[f64]| {
        let mut env = env.clone();
        env.set_state(board).unwrap();
        env
    };
    let key = |env: &Puzzle| env.state_key(&mut Vec::new());
    let goal = key(&at(to));
    let mut level = vec![at(from)];
    let mut seen: std::collections::HashSet<u64> = level.iter().map(key).collect();
    for depth in 0.. {
        if level.iter().any(|e| key(e) == goal) {
            return depth;
        }
        let children = level.iter().flat_map(|env| {
            (0..4).map(|action| {
                let mut child = env.clone();
                child.step(Action::Discrete(action));
                child
            })
        });
        level = children.filter(|c| seen.insert(key(c))).collect();
    }
    0
}

/// Returns the action that undoes each action.
pub(super) fn inverses(env: &Puzzle) -> Vec<u32> {
    walk::inverses("Puzzle", &env.action_space(), |action| env.inverse(action)).unwrap()
}

/// Returns whether any slot is neither free nor on the path, or is both.
pub(super) fn lost_slots(mut slots: Slots<EnvBatch<Puzzle>>, mut path: StatePath) -> bool {
    let mut states = path.states.clone();
    slots.give_back(path.states.drain(..));
    let count = slots.batch.len() - 1;
    let mut all: Vec<usize> = (0..count).map(|_| slots.take().unwrap()).collect();
    states.sort_unstable();
    all.sort_unstable();
    slots.batch.len() - 1 != count
        || states.windows(2).any(|pair| pair[0] >= pair[1])
        || all != (1..=count).collect::<Vec<_>>()
}
