//! Shortening of paths: parts of a path within a window are replaced by shortest paths between their ends, found by
//! bidirectional breadth-first search.
//!
//! No policy is needed. A window of `w` actions takes about `2 b^(w / 2)` states at a branching factor of `b`.

use crate::env::Environment;
use crate::env::state_key::KeyHasher;
use crate::space::Action;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

/// A path: states with the actions between them.
#[derive(Debug, Clone)]
pub struct StatePath<E> {
    /// The states, `[actions + 1]`.
    pub states: Vec<E>,
    /// The action from each state to the next, `[actions]`.
    pub actions: Vec<u32>,
}

impl<E> Default for StatePath<E> {
    fn default() -> Self {
        Self { states: Vec::new(), actions: Vec::new() }
    }
}

/// Shortens paths of an environment whose actions can be undone. Memory is reused from path to path.
#[derive(Debug, Clone)]
pub struct Shortener<E> {
    inverses: Vec<u32>,
    sides: [Side<E>; 2],
    mask: Vec<bool>,
}

/// The states reached from one end.
#[derive(Debug, Clone)]
struct Side<E> {
    nodes: Vec<ReachedState<E>>,
    /// The node of each state key.
    seen: HashMap<u64, u32, BuildHasherDefault<KeyHasher>>,
    /// The first node of the last level.
    level: usize,
    /// Working memory for keys.
    scratch: Vec<f64>,
}

#[derive(Debug, Clone)]
struct ReachedState<E> {
    env: E,
    /// The parent node and the action from it; `None` for the root.
    from: Option<(u32, u32)>,
}

impl<E: Environment> Side<E> {
    fn start(&mut self, root: &E) {
        self.nodes.clear();
        self.seen.clear();
        self.level = 0;
        let key = root.state_key(&mut self.scratch);
        self.seen.insert(key, 0);
        self.nodes.push(ReachedState { env: root.clone(), from: None });
    }

    /// Returns the actions from the root to `node`, last first.
    fn actions_to(&self, node: u32) -> impl Iterator<Item = u32> {
        let step = |node: u32| self.nodes[node as usize].from;
        std::iter::successors(step(node), move |&(parent, _)| step(parent)).map(|(_, a)| a)
    }
}

impl<E: Environment> Shortener<E> {
    /// Returns a shortener; `inverses`, `[actions]`, holds the action that undoes each action.
    pub fn new(inverses: &[u32]) -> Self {
        let side =
            || Side { nodes: Vec::new(), seen: HashMap::default(), level: 0, scratch: Vec::new() };
        Self {
            inverses: inverses.to_vec(),
            sides: [side(), side()],
            mask: vec![true; inverses.len()],
        }
    }

    /// Replaces parts of `window` actions by shorter ones, until no window at a multiple of half its length can be shortened.
    pub fn shorten(&mut self, path: &mut StatePath<E>, window: usize) {
        let stride = (window / 2).max(1);
        let mut start = 0;
        while window > 1 && start + 2 <= path.actions.len() {
            let end = (start + window).min(path.actions.len());
            if self.replace(path, start, end) {
                // Back to the first window that the replaced part reaches into.
                start = start.saturating_sub((window - 1) / stride * stride);
            } else if end == path.actions.len() {
                break;
            } else {
                start += stride;
            }
        }
    }

    /// Replaces the part from state `start` to state `end` by a shorter one. Returns false if there is none.
    fn replace(&mut self, path: &mut StatePath<E>, start: usize, end: usize) -> bool {
        let (first, last) = (&path.states[start], &path.states[end]);
        let Some(actions) = self.between(first, last, end - start - 1) else { return false };
        let mut states = Vec::with_capacity(actions.len());
        let mut env = first.clone();
        for &action in &actions {
            env.step(Action::Discrete(action as usize));
            states.push(env.clone());
        }
        // Two states may share a key; then the actions do not lead from one end to the other.
        let state = |env: &E| {
            let mut state = Vec::new();
            env.state(&mut state);
            state
        };
        if state(&env) != state(last) {
            return false;
        }
        path.states.splice(start + 1..=end, states);
        path.actions.splice(start..end, actions);
        true
    }

    /// Returns a shortest path of at most `limit` actions from one state to another.
    fn between(&mut self, from: &E, to: &E, limit: usize) -> Option<Vec<u32>> {
        let [a, b] = &mut self.sides;
        a.start(from);
        b.start(to);
        if a.seen.keys().eq(b.seen.keys()) {
            return Some(Vec::new());
        }
        for _ in 0..limit {
            let fewer = self.sides.each_ref().map(|side| side.nodes.len() - side.level);
            let [a, b] = &mut self.sides;
            let forward = fewer[0] <= fewer[1];
            let (side, other) = if forward { (a, b) } else { (b, a) };
            let Some((x, y)) = expand(side, other, &self.inverses, &mut self.mask) else {
                continue;
            };
            let (x, y) = if forward { (x, y) } else { (y, x) };
            let [a, b] = &self.sides;
            let mut actions: Vec<u32> = a.actions_to(x).collect();
            actions.reverse();
            actions.extend(b.actions_to(y).map(|action| self.inverses[action as usize]));
            return Some(actions);
        }
        None
    }
}

/// Adds the next level to `side`. Returns the nodes of a state that both sides have reached, as soon as there is one.
fn expand<E: Environment>(
    side: &mut Side<E>,
    other: &Side<E>,
    inverses: &[u32],
    mask: &mut [bool],
) -> Option<(u32, u32)> {
    let level = side.level..side.nodes.len();
    side.level = level.end;
    for index in level {
        let node = &side.nodes[index];
        let back = node.from.map(|(_, action)| inverses[action as usize]);
        mask.fill(true);
        node.env.action_mask(mask);
        for (action, _) in (0u32..).zip(&*mask).filter(|&(_, &allowed)| allowed) {
            if Some(action) == back {
                continue;
            }
            let mut env = side.nodes[index].env.clone();
            env.step(Action::Discrete(action as usize));
            let (key, new) = (env.state_key(&mut side.scratch), side.nodes.len() as u32);
            if *side.seen.entry(key).or_insert(new) != new {
                continue;
            }
            side.nodes.push(ReachedState { env, from: Some((index as u32, action)) });
            if let Some(&met) = other.seen.get(&key) {
                return Some((new, met));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::env::walk::inverses;
    use crate::envs::puzzle::Puzzle;
    use crate::rng::{Purpose, stream};
    use proptest::prelude::*;
    use rand::RngExt;

    fn puzzle(width: usize, height: usize) -> Puzzle {
        let params = serde_json::json!({"width": width, "height": height, "difficulty": 0});
        Puzzle::new(&serde_json::from_value(params).unwrap()).unwrap()
    }

    fn key(env: &Puzzle) -> u64 {
        env.state_key(&mut Vec::new())
    }

    /// Returns a random walk from the goal.
    fn walk(mut env: Puzzle, length: usize, seed: u64) -> StatePath<Puzzle> {
        let mut rng = stream(seed, Purpose::Walk, 0, 0);
        env.reset(&mut rng);
        let mut path = StatePath { states: vec![env.clone()], actions: Vec::new() };
        for _ in 0..length {
            let mut mask = [true; 4];
            env.action_mask(&mut mask);
            let allowed: Vec<u32> = (0..4).filter(|&a| mask[a as usize]).collect();
            let action = allowed[rng.random_range(0..allowed.len())];
            env.step(Action::Discrete(action as usize));
            path.actions.push(action);
            path.states.push(env.clone());
        }
        path
    }

    /// Returns the distance from the goal to the end of the path, by breadth-first search.
    fn distance(path: &StatePath<Puzzle>) -> usize {
        let goal = key(&path.states[0]);
        let mut level = vec![path.states.last().unwrap().clone()];
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

    proptest! {
        #[test]
        fn a_window_as_long_as_the_path_gives_a_shortest_one(seed in 0u64..1000, length in 0usize..40) {
            let mut path = walk(puzzle(3, 2), length, seed);
            let shortest = distance(&path);
            let mut shortener = Shortener::new(&inverses(&path.states[0]).unwrap());
            shortener.shorten(&mut path, 40);
            prop_assert_eq!(path.actions.len(), shortest);
        }

        #[test]
        fn ends_stay_and_actions_lead_from_state_to_state(seed in 0u64..1000, window in 0usize..14) {
            let mut path = walk(puzzle(4, 4), 60, seed);
            let ends = |path: &StatePath<Puzzle>| [key(&path.states[0]), key(path.states.last().unwrap())];
            let before = ends(&path);
            let mut shortener = Shortener::new(&inverses(&path.states[0]).unwrap());
            shortener.shorten(&mut path, window);
            prop_assert_eq!(ends(&path), before);
            prop_assert_eq!(path.states.len(), path.actions.len() + 1);
            let mut env = path.states[0].clone();
            for (action, state) in path.actions.iter().zip(&path.states[1..]) {
                env.step(Action::Discrete(*action as usize));
                prop_assert_eq!(key(&env), key(state));
            }
            let len = path.actions.len();
            shortener.shorten(&mut path, window);
            prop_assert_eq!(path.actions.len(), len, "a second pass finds nothing");
        }
    }
}
