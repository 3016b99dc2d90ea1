//! Rollouts: collection of transitions from many environments in lock step. Environments form fixed groups, which are spread
//! over threads.

mod group;
mod population;
mod replay;
mod start;
#[cfg(test)]
mod tests;
mod trajectory;

pub use group::LiveEpisode;
pub use population::{CommonRandomNumbers, PopulationRollout};
pub use start::{OwnedStart, Starts};
pub use trajectory::{Episode, Trajectory};

use crate::env::batch::GROUP_SLOTS;
use crate::envs::registry::EnvSpec;
use crate::evaluator::Evaluator;
use crate::parallel;
use crate::rng::StreamKey;
use crate::space::ActionSpace;
use crate::{Error, Result};
use group::SlotGroup;

/// The amount of transitions of one collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Horizon {
    /// One whole episode in each slot.
    Episodes,
    /// This many steps in each slot; episodes continue from one collection to the next.
    Steps(usize),
}

/// The parameters of one collection.
#[derive(Clone, Copy)]
pub struct Collection<'a> {
    /// The acting policy.
    pub evaluator: &'a dyn Evaluator,
    /// Seed of the run and iteration of the collection; each stream has its own purpose and index.
    pub key: StreamKey,
    /// The distribution of starts.
    pub starts: Starts<'a>,
    /// The amount of transitions.
    pub horizon: Horizon,
    /// Longer episodes are truncated.
    pub max_steps: usize,
}

/// Collects transitions from a fixed number of slots.
pub struct Collector {
    groups: Vec<SlotGroup>,
    space: ActionSpace,
    slots: usize,
}

impl Collector {
    /// Returns a collector with `slots` environments of `spec`.
    pub fn new(spec: &dyn EnvSpec, slots: usize) -> Self {
        let group =
            |index| SlotGroup::new(spec, index, GROUP_SLOTS.min(slots - index * GROUP_SLOTS));
        let groups = (0..slots.div_ceil(GROUP_SLOTS)).map(group).collect();
        Self { groups, space: spec.action_space(), slots }
    }

    /// Collects transitions on the threads of the current rayon pool. The result does not depend on the number of threads.
    ///
    /// # Errors
    /// If an environment fails, or the policy does not fit it: the error of the first group that fails.
    pub fn collect(&mut self, collection: &Collection<'_>) -> Result<()> {
        parallel::try_for_each(&mut self.groups, |_, group| group.collect(collection))
    }

    /// Returns the transitions of the last collection, one trajectory a group.
    pub fn trajectories(&self) -> impl Iterator<Item = &Trajectory> {
        self.groups.iter().map(|g| &g.trajectory)
    }

    /// Returns the transitions of the last collection, to be changed in place.
    pub fn trajectories_mut(&mut self) -> impl Iterator<Item = &mut Trajectory> {
        self.groups.iter_mut().map(|g| &mut g.trajectory)
    }

    /// Returns the unfinished episode of each slot, `[slots]`; empty before the first collection.
    pub fn live(&self) -> Vec<LiveEpisode> {
        self.groups.iter().flat_map(|g| g.live.iter().cloned()).collect()
    }

    /// Restores the slots to the episodes that [`live`](Self::live) returned, by playing them again. Returns the number of
    /// those that the environment does not repeat: their slots begin others in the next collection. An empty `live` changes
    /// nothing.
    ///
    /// # Errors
    /// If the episodes do not fit the environment or the number of slots.
    pub fn restore(&mut self, live: Vec<LiveEpisode>, seed: u64) -> Result<usize> {
        if live.is_empty() {
            return Ok(0);
        }
        if live.len() != self.slots {
            return Err(Error::state(format!("{} unfinished episodes", self.slots), live.len()));
        }
        let (mut live, mut lost) = (live.into_iter(), 0);
        for group in &mut self.groups {
            group.live.clear();
            group.anew.clear();
            for (slot, episode) in live.by_ref().take(group.env.len()).enumerate() {
                lost += usize::from(!group.restore(slot, episode, &self.space, seed)?);
            }
        }
        Ok(lost)
    }
}
