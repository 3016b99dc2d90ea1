//! Rollouts: collection of transitions from many environments in lock step. Environments form fixed groups, which are spread
//! over threads.

mod group;
mod population;
pub mod repeat;
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

/// The share of one group in a collection.
#[derive(Debug, Clone)]
pub struct Fragment {
    /// Its transitions.
    pub trajectory: Trajectory,
    /// The unfinished episode of each of its slots, `[slots]`; empty if no episode continues in the next collection.
    pub live: Vec<LiveEpisode>,
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

    /// Returns the number of groups of `slots` environments.
    pub fn parts(slots: usize) -> usize {
        slots.div_ceil(GROUP_SLOTS)
    }

    /// Collects the transitions of group `part` of `slots` environments, whose unfinished episodes are `live`, empty before
    /// the first collection. A [`Collector`] that [accepts](Self::accept) the fragments of all groups is in the state in
    /// which [`collect`](Self::collect) would have left it.
    ///
    /// # Errors
    /// If there is no such group, as for [`collect`](Self::collect), or as for [`restore`](Self::restore).
    pub fn collect_part(
        spec: &dyn EnvSpec,
        (slots, part): (usize, usize),
        live: Vec<LiveEpisode>,
        collection: &Collection<'_>,
    ) -> Result<Fragment> {
        if part >= Self::parts(slots) {
            return Err(Error::config("part", format!("one of {}", Self::parts(slots)), part));
        }
        let len = GROUP_SLOTS.min(slots - part * GROUP_SLOTS);
        let mut group = SlotGroup::new(spec, part, len);
        if !live.is_empty() && collection.horizon != Horizon::Episodes {
            if live.len() != len {
                return Err(Error::state(format!("{len} unfinished episodes"), live.len()));
            }
            let space = spec.action_space();
            for (slot, episode) in live.into_iter().enumerate() {
                group.restore(slot, episode, &space, collection.key.seed)?;
            }
        }
        group.collect(collection)?;
        let SlotGroup { trajectory, live, .. } = group;
        let continues = collection.horizon != Horizon::Episodes;
        Ok(Fragment { trajectory, live: if continues { live } else { Vec::new() } })
    }

    /// Takes the fragment of group `part` as the result of the last collection. The environments of the group stay where
    /// they are.
    ///
    /// # Errors
    /// If there is no such group, or the fragment is of another number of slots.
    pub fn accept(&mut self, part: usize, fragment: Fragment) -> Result<()> {
        let Fragment { trajectory, live } = fragment;
        let groups = self.groups.len();
        let Some(group) = self.groups.get_mut(part) else {
            return Err(Error::config("part", format!("one of {groups}"), part));
        };
        let found = trajectory.last_values.len();
        if found != group.env.len() || ![0, found].contains(&live.len()) {
            let found = format!("{found} and {}", live.len());
            return Err(Error::state(format!("last values of {} slots", group.env.len()), found));
        }
        (group.trajectory, group.live) = (trajectory, live);
        Ok(())
    }

    /// Returns the number of slots of each group, `[groups]`.
    pub fn slots_by_part(&self) -> impl Iterator<Item = usize> {
        self.groups.iter().map(|group| group.env.len())
    }

    /// Returns the unfinished episodes of each group, `[groups][slots]`.
    pub fn live_by_part(&self) -> impl Iterator<Item = &[LiveEpisode]> {
        self.groups.iter().map(|group| &group.live[..])
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
