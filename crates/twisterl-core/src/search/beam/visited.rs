//! The states that a beam has reached.

use crate::env::state_key::KeyHasher;
use crate::search::objective::{Objective, exceeds};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;

/// The states that a beam has reached, by key.
#[derive(Debug, Default)]
pub(super) struct Visited {
    objective: Objective,
    depth: u32,
    states: HashMap<u64, Visit, BuildHasherDefault<KeyHasher>>,
}

/// The best visit of a state.
#[derive(Debug, Clone, Copy)]
struct Visit {
    /// Sum of rewards.
    total: f32,
    depth: u32,
    /// Its index among the children of this depth.
    child: u32,
}

/// The news of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// The state, or a better return in it than at lesser depths.
    Child,
    /// A better return than that of this child of the same depth.
    Replaces(usize),
    /// Nothing.
    None,
}

impl Visited {
    pub(super) fn new(objective: Objective) -> Self {
        Self { objective, ..Self::default() }
    }

    /// Forgets everything, and begins with the state `key` at depth 0.
    pub(super) fn begin(&mut self, key: u64) {
        self.states.clear();
        self.depth = 0;
        self.states.insert(key, Visit { total: 0.0, depth: 0, child: 0 });
    }

    /// Continues with the next depth.
    pub(super) fn descend(&mut self) {
        self.depth += 1;
    }

    /// Visits a state, as child number `child` if that is news. By the number of actions, no second visit is better.
    pub(super) fn visit(&mut self, key: u64, total: f32, child: usize) -> News {
        // No beam has 2^32 slots.
        let visit = Visit { total, depth: self.depth, child: child as u32 };
        match self.states.entry(key) {
            Entry::Vacant(place) => {
                place.insert(visit);
                News::Child
            }
            Entry::Occupied(mut place) => {
                let before = *place.get();
                if self.objective == Objective::Length || !exceeds(total, before.total) {
                    News::None
                } else if before.depth == self.depth {
                    place.insert(Visit { child: before.child, ..visit });
                    News::Replaces(before.child as usize)
                } else {
                    place.insert(visit);
                    News::Child
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_better_return_is_news_if_returns_count() {
        for (objective, better, later) in [
            (Objective::Length, News::None, News::None),
            (Objective::Return, News::Replaces(4), News::Child),
        ] {
            let mut visited = Visited::new(objective);
            visited.begin(7);
            visited.descend();
            assert_eq!(visited.visit(7, -1.0, 0), News::None);
            assert_eq!(visited.visit(8, -2.0, 4), News::Child);
            assert_eq!(visited.visit(8, -2.0, 5), News::None);
            assert_eq!(visited.visit(8, -1.5, 5), better);
            assert_eq!(visited.visit(8, -1.75, 6), News::None);
            visited.descend();
            assert_eq!(visited.visit(8, -1.5, 0), News::None);
            assert_eq!(visited.visit(8, -1.25, 0), later);
        }
    }
}
