//! Shortening of paths: parts of a path within a window are replaced by shortest paths between their ends, found by
//! bidirectional breadth-first search.
//!
//! No policy is needed. A window of `w` actions takes about `2 b^(w / 2)` states at a branching factor of `b`.

use crate::Result;
use crate::env::batch::VecEnv;
use crate::env::state_key::KeyHasher;
use crate::env::walk::branches::Branches;
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
            let met = expand(slots, (side, other), &self.inverses, &mut self.branches)?;
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

/// Adds the next level to `side`. Returns the nodes of a state that both sides have reached, as soon as there is one.
fn expand<V: VecEnv>(
    slots: &mut Slots<V>,
    (side, other): (&mut Side, &Side),
    inverses: &[u32],
    branches: &mut Branches,
) -> Result<Option<(u32, u32)>> {
    let level = side.level..side.nodes.len();
    side.level = level.end;
    for index in level {
        let ReachedState { slot, from } = side.nodes[index];
        let back = from.map(|(_, action)| inverses[action as usize]);
        branches.make(slots, slot, back)?;
        for (i, (&child, &key)) in branches.slots.iter().zip(&branches.keys).enumerate() {
            let new = side.nodes.len() as u32;
            if *side.seen.entry(key).or_insert(new) != new {
                slots.give_back([child]);
                continue;
            }
            let from = Some((index as u32, branches.actions[i]));
            side.nodes.push(ReachedState { slot: child, from });
            if let Some(&met) = other.seen.get(&key) {
                slots.give_back(branches.slots[i + 1..].iter().copied());
                return Ok(Some((new, met)));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::env::Environment;
    use crate::env::walk::test_paths::{boards, distance, inverses, lost_slots, puzzle, walk};
    use crate::envs::puzzle::Puzzle;
    use crate::space::Action;
    use proptest::prelude::*;

    fn shortener(env: &Puzzle) -> Shortener {
        Shortener::new(&inverses(env))
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
            prop_assert!(!lost_slots(slots, path));
        }
    }
}
