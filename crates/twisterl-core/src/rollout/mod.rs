//! Collecting transitions: many episodes in lock step, in fixed groups that threads share out.

mod group;
mod population;
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

/// How much one collection gathers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Horizon {
    /// One whole episode in each slot.
    Episodes,
    /// This many steps in each slot; episodes go on from one collection to the next.
    Steps(usize),
}

/// What all groups of one collection share.
#[derive(Clone, Copy)]
pub struct Collection<'a> {
    /// The acting policy.
    pub evaluator: &'a dyn Evaluator,
    /// Seed of the run and iteration of the collection within it; each stream has its own purpose and index.
    pub key: StreamKey,
    /// Where episodes start.
    pub starts: Starts<'a>,
    /// How much to gather.
    pub horizon: Horizon,
}

/// Collects transitions from a fixed number of slots.
pub struct Collector {
    groups: Vec<SlotGroup>,
    space: ActionSpace,
    slots: usize,
}

impl Collector {
    /// `slots` environments of `spec`.
    ///
    /// # Errors
    /// If the action space has parts that cannot be played.
    pub fn new(spec: &dyn EnvSpec, slots: usize) -> Result<Self> {
        let groups = (0..slots.div_ceil(GROUP_SLOTS))
            .map(|i| SlotGroup::new(spec, i, GROUP_SLOTS.min(slots - i * GROUP_SLOTS)))
            .collect::<Result<_>>()?;
        Ok(Self { groups, space: spec.action_space(), slots })
    }

    /// Gathers as `collection` says, on the threads of the current rayon pool. The result does not depend on
    /// their number.
    ///
    /// # Errors
    /// The first error of the first group that failed.
    pub fn collect(&mut self, collection: &Collection<'_>) -> Result<()> {
        parallel::try_for_each(&mut self.groups, |_, group| group.collect(collection))
    }

    /// What the last collection gathered, group by group.
    pub fn trajectories(&self) -> impl Iterator<Item = &Trajectory> {
        self.groups.iter().map(|g| &g.trajectory)
    }

    /// The same, to be changed in place.
    pub fn trajectories_mut(&mut self) -> impl Iterator<Item = &mut Trajectory> {
        self.groups.iter_mut().map(|g| &mut g.trajectory)
    }

    /// The episodes under way, slot by slot; none where the next collection begins anew.
    pub fn live(&self) -> Vec<LiveEpisode> {
        self.groups.iter().flat_map(|g| g.live.iter().cloned()).collect()
    }

    /// Brings the slots back to where [`live`](Self::live) found them, by playing those episodes again.
    ///
    /// # Errors
    /// If the episodes do not fit the environment or the number of slots.
    pub fn restore(&mut self, live: Vec<LiveEpisode>, seed: u64) -> Result<()> {
        if live.is_empty() {
            return Ok(());
        }
        if live.len() != self.slots {
            return Err(Error::state(format!("{} episodes under way", self.slots), live.len()));
        }
        let mut live = live.into_iter();
        for group in &mut self.groups {
            group.live.clear();
            for (slot, episode) in live.by_ref().take(group.env.len()).enumerate() {
                group.replay(slot, episode, &self.space, seed)?;
            }
        }
        Ok(())
    }
}
