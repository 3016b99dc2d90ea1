//! Shortening of paths: parts of a path within a window are replaced by shortest paths between their ends, found by
//! bidirectional breadth-first search.
//!
//! No policy is needed. A window of `w` actions takes about `2 b^(w / 2)` states at a branching factor of `b`.

use crate::Result;
use crate::env::batch::VecEnv;
use crate::env::state_key::KeyHasher;
use crate::env::walk::slots::Slots;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

/// A path: states with the actions between them.
#[derive(Debug, Clone, Default)]
pub(super) struct StatePath {
    /// The slots of the states, `[actions + 1]`.
    pub(super) states: Vec<usize>,
    /// The action from each state to the next, `[actions]`.
    pub(super) actions: Vec<u32>,
}

/// Shortens paths of an environment whose actions can be undone. Memory is reused from path to path.
#[derive(Debug)]
pub(super) struct Shortener {
    inverses: Vec<u32>,
    sides: [Side; 2],
    branches: Branches,
}

/// The states reached from one end.
#[derive(Debug, Default)]
struct Side {
    nodes: Vec<ReachedState>,
    /// The node of each state key.
    seen: HashMap<u64, u32, BuildHasherDefault<KeyHasher>>,
    /// The first node of the last level.
    level: usize,
}

#[derive(Debug, Clone, Copy)]
struct ReachedState {
    slot: usize,
    /// The parent node and the action from it; `None` for the root.
    from: Option<(u32, u32)>,
}

/// The actions in a state and the states that they lead to.
#[derive(Debug, Default)]
struct Branches {
    mask: Vec<bool>,
    actions: Vec<u32>,
    slots: Vec<usize>,
    keys: Vec<u64>,
}

impl Side {
    fn start<V: VecEnv>(&mut self, slots: &mut Slots<V>, root: usize) -> Result<()> {
        self.clear(slots);
        let root = slots.copy_of(root)?;
        self.nodes.push(ReachedState { slot: root, from: None });
        let mut keys = Vec::with_capacity(1);
        slots.batch.keys(&[root], &mut keys)?;
        self.seen.extend(keys.into_iter().map(|key| (key, 0)));
        Ok(())
    }

    fn clear<V: VecEnv>(&mut self, slots: &mut Slots<V>) {
        slots.give_back(self.nodes.drain(..).map(|node| node.slot).rev());
        self.seen.clear();
        self.level = 0;
    }

    /// Returns the actions from the root to `node`, last first.
    fn actions_to(&self, node: u32) -> impl Iterator<Item = u32> {
        let step = |node: u32| self.nodes[node as usize].from;
        std::iter::successors(step(node), move |&(parent, _)| step(parent)).map(|(_, a)| a)
    }
}

impl Shortener {
    /// Returns a shortener; `inverses`, `[actions]`, holds the action that undoes each action.
    pub(super) fn new(inverses: &[u32]) -> Self {
        Self {
            inverses: inverses.to_vec(),
            sides: Default::default(),
            branches: Branches::default(),
        }
    }

    /// Replaces parts of `window` actions by shorter ones, until no window at a multiple of half its length can be shortened.
    ///
    /// # Errors
    /// If the environment cannot be copied, or fails.
    pub(super) fn shorten<V: VecEnv>(
        &mut self,
        slots: &mut Slots<V>,
        path: &mut StatePath,
        window: usize,
    ) -> Result<()> {
        let stride = (window / 2).max(1);
        let mut start = 0;
        while window > 1 && start + 2 <= path.actions.len() {
            let end = (start + window).min(path.actions.len());
            if self.replace(slots, path, start, end)? {
                // Back to the first window that the replaced part reaches into.
                start = start.saturating_sub((window - 1) / stride * stride);
            } else if end == path.actions.len() {
                break;
            } else {
                start += stride;
            }
        }
        Ok(())
    }

    /// Replaces the part from state `start` to state `end` by a shorter one. Returns false if there is none.
    fn replace<V: VecEnv>(
        &mut self,
        slots: &mut Slots<V>,
        path: &mut StatePath,
        start: usize,
        end: usize,
    ) -> Result<bool> {
        let (first, last) = (path.states[start], path.states[end]);
        let found = self.between(slots, first, last, end - start - 1);
        self.sides.iter_mut().for_each(|side| side.clear(slots));
        let Some(actions) = found? else { return Ok(false) };
        let mut states = Vec::with_capacity(actions.len());
        let mut at = first;
        for &action in &actions {
            at = slots.copy_of(at)?;
            slots.step(at, action)?;
            states.push(at);
        }
        // Two states may share a key; then the actions do not lead from one end to the other.
        let [mut reached, mut wanted] = [Vec::new(), Vec::new()];
        slots.batch.state(at, &mut reached)?;
        slots.batch.state(last, &mut wanted)?;
        if reached != wanted {
            slots.give_back(states);
            return Ok(false);
        }
        slots.give_back(path.states.splice(start + 1..=end, states));
        path.actions.splice(start..end, actions);
        Ok(true)
    }

    /// Returns a shortest path of at most `limit` actions from one state to another.
    fn between<V: VecEnv>(
        &mut self,
        slots: &mut Slots<V>,
        from: usize,
        to: usize,
        limit: usize,
    ) -> Result<Option<Vec<u32>>> {
        let [a, b] = &mut self.sides;
        a.start(slots, from)?;
        b.start(slots, to)?;
        if a.seen.keys().eq(b.seen.keys()) {
            return Ok(Some(Vec::new()));
        }
        for _ in 0..limit {
            let fewer = self.sides.each_ref().map(|side| side.nodes.len() - side.level);
            let [a, b] = &mut self.sides;
            let forward = fewer[0] <= fewer[1];
            let (side, other) = if forward { (a, b) } else { (b, a) };
            let met = self.branches.expand(slots, side, other, &self.inverses)?;
            let Some((x, y)) = met else { continue };
            let (x, y) = if forward { (x, y) } else { (y, x) };
            let [a, b] = &self.sides;
            let mut actions: Vec<u32> = a.actions_to(x).collect();
            actions.reverse();
            actions.extend(b.actions_to(y).map(|action| self.inverses[action as usize]));
            return Ok(Some(actions));
        }
        Ok(None)
    }
}

impl Branches {
    /// Adds the next level to `side`. Returns the nodes of a state that both sides have reached, as soon as there is one.
    fn expand<V: VecEnv>(
        &mut self,
        slots: &mut Slots<V>,
        side: &mut Side,
        other: &Side,
        inverses: &[u32],
    ) -> Result<Option<(u32, u32)>> {
        let level = side.level..side.nodes.len();
        side.level = level.end;
        for index in level {
            let ReachedState { slot, from } = side.nodes[index];
            let back = from.map(|(_, action)| inverses[action as usize]);
            self.mask.clear();
            slots.batch.masks(&[slot], &mut self.mask)?;
            let allowed = (0u32..)
                .zip(&self.mask)
                .filter(|&(action, &allowed)| allowed && Some(action) != back);
            self.actions.clear();
            self.actions.extend(allowed.map(|(action, _)| action));
            slots.branch(slot, &self.actions, &mut self.slots, &mut self.keys)?;
            for (i, (&child, &key)) in self.slots.iter().zip(&self.keys).enumerate() {
                let new = side.nodes.len() as u32;
                if *side.seen.entry(key).or_insert(new) != new {
                    slots.give_back([child]);
                    continue;
                }
                let from = Some((index as u32, self.actions[i]));
                side.nodes.push(ReachedState { slot: child, from });
                if let Some(&met) = other.seen.get(&key) {
                    slots.give_back(self.slots[i + 1..].iter().copied());
                    return Ok(Some((new, met)));
                }
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::env::batch::EnvBatch;
    use crate::env::{Environment, Start, walk};
    use crate::envs::puzzle::Puzzle;
    use crate::rng::{Purpose, stream};
    use crate::space::Action;
    use proptest::prelude::*;
    use rand::RngExt;

    fn puzzle(width: usize, height: usize) -> Puzzle {
        let params = serde_json::json!({"width": width, "height": height, "difficulty": 0});
        Puzzle::new(&serde_json::from_value(params).unwrap()).unwrap()
    }

    fn shortener(env: &Puzzle) -> Shortener {
        let inverses = walk::inverses("Puzzle", &env.action_space(), |action| env.inverse(action));
        Shortener::new(&inverses.unwrap())
    }

    /// Returns a random walk of `length` actions from the goal, with its slots.
    fn walk(env: &Puzzle, length: usize, seed: u64) -> (Slots<EnvBatch<Puzzle>>, StatePath) {
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
    fn boards(slots: &Slots<EnvBatch<Puzzle>>, path: &StatePath) -> Vec<Vec<f64>> {
        let board = |&slot: &usize| {
            let mut board = Vec::new();
            slots.batch.state(slot, &mut board).unwrap();
            board
        };
        path.states.iter().map(board).collect()
    }

    /// Returns the distance between two boards, by breadth-first search.
    fn distance(env: &Puzzle, from: &[f64], to: &[f64]) -> usize {
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

    proptest! {
        #[test]
        fn a_window_as_long_as_the_path_gives_a_shortest_one(seed in 0u64..1000, length in 0usize..40) {
            let env = puzzle(3, 2);
            let (mut slots, mut path) = walk(&env, length, seed);
            let before = boards(&slots, &path);
            shortener(&env).shorten(&mut slots, &mut path, 40).unwrap();
            prop_assert_eq!(path.actions.len(), distance(&env, &before[0], &before[length]));
        }

        #[test]
        fn ends_stay_and_actions_lead_from_state_to_state(seed in 0u64..1000, window in 0usize..14) {
            let mut env = puzzle(4, 4);
            let (mut slots, mut path) = walk(&env, 60, seed);
            let before = boards(&slots, &path);
            let mut shortener = shortener(&env);
            shortener.shorten(&mut slots, &mut path, window).unwrap();
            let after = boards(&slots, &path);
            prop_assert_eq!((after.first(), after.last()), (before.first(), before.last()));
            prop_assert_eq!(path.states.len(), path.actions.len() + 1);
            env.set_state(&after[0]).unwrap();
            for (action, board) in path.actions.iter().zip(&after[1..]) {
                env.step(Action::Discrete(*action as usize));
                let mut reached = Vec::new();
                env.state(&mut reached);
                prop_assert_eq!(&reached, board);
            }
            let len = path.actions.len();
            shortener.shorten(&mut slots, &mut path, window).unwrap();
            prop_assert_eq!(path.actions.len(), len, "a second pass finds nothing");
        }

        #[test]
        fn no_slot_is_lost(seed in 0u64..50, window in 2usize..14) {
            let env = puzzle(3, 3);
            let (mut slots, mut path) = walk(&env, 60, seed);
            shortener(&env).shorten(&mut slots, &mut path, window).unwrap();
            let mut states = path.states.clone();
            slots.give_back(path.states.drain(..));
            let count = slots.batch.len() - 1;
            let mut all: Vec<usize> = (0..count).map(|_| slots.take().unwrap()).collect();
            prop_assert_eq!(slots.batch.len() - 1, count);
            states.sort_unstable();
            all.sort_unstable();
            prop_assert!(states.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert_eq!(all, (1..=count).collect::<Vec<_>>());
        }
    }
}
