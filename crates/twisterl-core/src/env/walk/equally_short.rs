//! All actions that begin a shortest path from a state of a path to one further on.
//!
//! The states around each state of the path are found by breadth-first search. Shortest paths between two states of the path
//! go through the states that their neighbourhoods share. Where actions commute, most of the actions on shortest paths to a
//! distant goal are found within few steps.

use crate::Result;
use crate::env::batch::VecEnv;
use crate::env::state_key::KeyHasher;
use crate::env::walk::branches::Branches;
use crate::env::walk::shorten::StatePath;
use crate::env::walk::slots::Slots;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;

/// Finds the actions that are as good as those of a path. Memory is reused from path to path.
#[derive(Debug)]
pub(super) struct EquallyShort {
    inverses: Vec<u32>,
    window: usize,
    /// The states around each state of the path.
    neighbourhoods: Vec<Neighbourhood>,
    branches: Branches,
    /// The states of a neighbourhood that are on a shortest path.
    marked: Vec<bool>,
}

/// The states within some steps of a state, the centre. Two states with the same key are taken for one.
#[derive(Debug, Default)]
struct Neighbourhood {
    /// The node of each state key.
    nodes: HashMap<u64, usize, BuildHasherDefault<KeyHasher>>,
    /// The steps from the centre to each node.
    depths: Vec<usize>,
    /// All steps to a greater depth, by depth.
    edges: Vec<Edge>,
}

/// A step to a greater depth.
#[derive(Debug, Clone, Copy)]
struct Edge {
    from: usize,
    to: usize,
    action: u32,
}

/// A node whose steps are not known yet.
struct OpenNode {
    node: usize,
    slot: usize,
    /// The action that undoes the step to it.
    back: Option<u32>,
}

/// The node of the centre.
const CENTRE: usize = 0;

impl Neighbourhood {
    /// Finds the states within `radius` steps of the state of `slot`.
    fn find<V: VecEnv>(
        &mut self,
        slots: &mut Slots<V>,
        (slot, radius): (usize, usize),
        inverses: &[u32],
        branches: &mut Branches,
    ) -> Result<()> {
        self.nodes.clear();
        self.edges.clear();
        self.depths.clear();
        let mut keys = Vec::with_capacity(1);
        slots.batch.keys(&[slot], &mut keys)?;
        self.nodes.extend(keys.into_iter().map(|key| (key, CENTRE)));
        self.depths.push(0);
        let mut level = vec![OpenNode { node: CENTRE, slot: slots.copy_of(slot)?, back: None }];
        for depth in 1..=radius {
            let mut next = Vec::new();
            for open in level {
                branches.make(slots, open.slot, open.back)?;
                slots.give_back([open.slot]);
                for (i, &slot) in branches.slots.iter().enumerate() {
                    let action = branches.actions[i];
                    let node = match self.nodes.entry(branches.keys[i]) {
                        Entry::Occupied(place) => {
                            slots.give_back([slot]);
                            *place.get()
                        }
                        Entry::Vacant(place) => {
                            let node = *place.insert(self.depths.len());
                            self.depths.push(depth);
                            let back = Some(inverses[action as usize]);
                            next.push(OpenNode { node, slot, back });
                            node
                        }
                    };
                    if self.depths[node] == depth {
                        self.edges.push(Edge { from: open.node, to: node, action });
                    }
                }
            }
            level = next;
        }
        slots.give_back(level.into_iter().map(|open| open.slot));
        Ok(())
    }

    /// Returns each node that `other` has, too, with the steps to it from either centre.
    fn shared<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
        self.nodes.iter().filter_map(|(key, &node)| {
            other.nodes.get(key).map(|&there| (node, self.depths[node], other.depths[there]))
        })
    }
}

impl EquallyShort {
    /// Returns a finder; `inverses`, `[actions]`, holds the action that undoes each action.
    pub(super) fn new(inverses: &[u32]) -> Self {
        Self {
            inverses: inverses.to_vec(),
            window: 0,
            neighbourhoods: Vec::new(),
            branches: Branches::default(),
            marked: Vec::new(),
        }
    }

    /// Looks around the states of a path, as far as half of a window of this many actions; below 2, not at all.
    ///
    /// # Errors
    /// If the environment cannot be copied, or fails.
    pub(super) fn look<V: VecEnv>(
        &mut self,
        slots: &mut Slots<V>,
        path: &StatePath,
        window: usize,
    ) -> Result<()> {
        self.window = window;
        if window < 2 {
            return Ok(());
        }
        if self.neighbourhoods.len() < path.states.len() {
            self.neighbourhoods.resize_with(path.states.len(), Neighbourhood::default);
        }
        let radius = window.div_ceil(2);
        for (neighbourhood, &slot) in self.neighbourhoods.iter_mut().zip(&path.states) {
            let place = (slot, radius);
            neighbourhood.find(slots, place, &self.inverses, &mut self.branches)?;
        }
        Ok(())
    }

    /// Appends to `out`, for each action, whether it begins a shortest path from state `place` of the path to the state that is
    /// the window nearer to its beginning. Without a window, only `known` does, the action of the path.
    pub(super) fn append(&mut self, place: usize, known: u32, out: &mut Vec<bool>) {
        let first = out.len();
        out.resize(first + self.inverses.len(), false);
        let out = &mut out[first..];
        let aim = place.saturating_sub(self.window);
        let shortest = if self.window < 2 {
            None
        } else {
            let (from, to) = (&self.neighbourhoods[place], &self.neighbourhoods[aim]);
            from.shared(to).map(|(_, here, there)| here + there).min()
        };
        match shortest {
            // A path that comes to the same state again has no shortest path there.
            None | Some(0) => out[known as usize] = true,
            Some(shortest) => self.mark(place, aim, shortest, out),
        }
    }

    /// Sets the actions that begin a path of `shortest` actions between two states.
    fn mark(&mut self, place: usize, aim: usize, shortest: usize, out: &mut [bool]) {
        let (from, to) = (&self.neighbourhoods[place], &self.neighbourhoods[aim]);
        // Any depth does at which all shortest paths are in both neighbourhoods.
        let depth = shortest.min(self.window.div_ceil(2));
        self.marked.clear();
        self.marked.resize(from.depths.len(), false);
        for (node, here, there) in from.shared(to) {
            self.marked[node] = here == depth && there == shortest - depth;
        }
        for edge in from.edges.iter().rev() {
            if self.marked[edge.to] {
                self.marked[edge.from] = true;
                if edge.from == CENTRE {
                    out[edge.action as usize] = true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::env::Environment as _;
    use crate::env::walk::test_paths::{boards, distance, inverses, lost_slots, puzzle, walk};
    use crate::space::Action;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn labels_are_the_actions_that_begin_shortest_paths(
            seed in 0u64..1000,
            length in 1usize..12,
            window in 0usize..9,
        ) {
            let env = puzzle(3, 2);
            let (mut slots, path) = walk(&env, length, seed);
            let boards = boards(&slots, &path);
            let inverses = inverses(&env);
            let mut finder = EquallyShort::new(&inverses);
            finder.look(&mut slots, &path, window).unwrap();
            for place in 1..=length {
                let known = inverses[path.actions[place - 1] as usize];
                let mut labels = Vec::new();
                finder.append(place, known, &mut labels);
                let aim = &boards[place.saturating_sub(window)];
                let steps = distance(&env, &boards[place], aim);
                let nearer = |action: u32| {
                    let mut env = env.clone();
                    env.set_state(&boards[place]).unwrap();
                    env.step(Action::Discrete(action as usize));
                    let mut board = Vec::new();
                    env.state(&mut board);
                    distance(&env, &board, aim) < steps
                };
                let given = |action| if window < 2 || steps == 0 { action == known } else { nearer(action) };
                prop_assert_eq!(labels, (0..4).map(given).collect::<Vec<_>>());
            }
        }

        #[test]
        fn no_slot_is_lost(seed in 0u64..50, window in 2usize..9) {
            let env = puzzle(3, 3);
            let (mut slots, path) = walk(&env, 60, seed);
            EquallyShort::new(&inverses(&env)).look(&mut slots, &path, window).unwrap();
            prop_assert!(!lost_slots(slots, path));
        }
    }
}
