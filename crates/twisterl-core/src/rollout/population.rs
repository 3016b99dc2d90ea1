//! Episodes of the members of a population, for evolution strategies.

use super::Episode;
use super::start::Starts;
use crate::envs::registry::EnvSpec;
use crate::evaluator::decision::Decision;
use crate::evaluator::distribution::Choice;
use crate::parallel;
use crate::policy::population::{PerturbationKey, Population};
use crate::rng::{Draws, Purpose, Rng};
use crate::{Error, Result};
use std::ops::Range;

/// The maximum number of episodes of a member.
const MAX_EPISODES: u64 = 1 << 20;

/// The members that share start states and the random numbers of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommonRandomNumbers {
    /// The two members of a pair.
    Pair,
    /// The whole population.
    Population,
}

/// The rollout of a population.
#[derive(Clone, Copy)]
pub struct PopulationRollout<'a> {
    /// The environment.
    pub spec: &'a dyn EnvSpec,
    /// The distribution of starts.
    pub starts: Starts<'a>,
    /// The number of episodes of each member.
    pub episodes: usize,
    /// The members with the same episodes.
    pub common: CommonRandomNumbers,
    /// The choice of actions.
    pub choice: Choice,
    /// The maximum length of an episode; `None`: that of the environment or its default limit.
    pub max_steps: Option<usize>,
}

impl PopulationRollout<'_> {
    /// Plays the episodes of these members of `population` on the threads of the current rayon pool. Returns them member after
    /// member, `[members, episodes]`. An episode depends on its number, the weights, `key` and this rollout: neither on the
    /// number of threads nor on the other members.
    ///
    /// # Errors
    /// If the environment fails, or the policy does not fit it.
    pub fn run(
        &self,
        population: &Population,
        key: PerturbationKey,
        members: Range<u64>,
    ) -> Result<Vec<Episode>> {
        if self.episodes as u64 > MAX_EPISODES || members.end > u64::from(u32::MAX) {
            let expected = format!("at most 2^32 members of {MAX_EPISODES} episodes");
            let found = format!("{} of {}", members.end, self.episodes);
            return Err(Error::config("population", expected, found));
        }
        let size = population.members_a_batch(self.episodes);
        let group = |first: u64| {
            let members = first..members.end.min(first + size as u64);
            self.group(population, key, members)
        };
        Ok(parallel::try_map(members.clone().step_by(size), group)?.concat())
    }

    /// Plays the episodes of members that step together.
    fn group(
        &self,
        population: &Population,
        key: PerturbationKey,
        members: Range<u64>,
    ) -> Result<Vec<Episode>> {
        let first = members.start;
        let slots = (members.end - first) as usize * self.episodes;
        let policies = population.members(key, members)?;
        let mut env = self.spec.play_batch(slots, population.backtracking())?;
        let mut episodes = Vec::with_capacity(slots);
        let mut rngs = Vec::with_capacity(slots);
        for slot in 0..slots {
            let (member, episode) = (slot / self.episodes, (slot % self.episodes) as u64);
            let index = match self.common {
                CommonRandomNumbers::Pair => ((first + member as u64) / 2) * MAX_EPISODES + episode,
                CommonRandomNumbers::Population => episode,
            };
            let stream_key = |attempt| key.key.at(index << 6 | attempt);
            let (start, _) = self.starts.begin_unsolved(stream_key, |start, rng| {
                env.begin(slot, start, rng)?;
                Ok(env.solved(slot))
            })?;
            rngs.push(stream_key(0).purpose(Purpose::Act).stream());
            let difficulty = start.scramble_difficulty();
            episodes.push(Episode { difficulty, length: 0, total: 0.0, solved: env.solved(slot) });
        }
        let mut active: Vec<usize> = (0..slots).filter(|&slot| !episodes[slot].solved).collect();
        let mut rows: Vec<u32> = Vec::with_capacity(slots);
        let mut decision = Decision::new(&self.spec.action_space());
        let mut steps = Vec::with_capacity(slots);
        for _ in 0..self.max_steps.unwrap_or(self.spec.episode_limits().play) {
            if active.is_empty() {
                break;
            }
            rows.clear();
            rows.extend(active.iter().map(|&slot| (slot / self.episodes) as u32));
            let mut draws = SlotStreams { rngs: &mut rngs, active: &active };
            decision.decide(&mut *env, &active, &policies.rows(&rows), self.choice, &mut draws)?;
            steps.clear();
            env.step(&active, &decision.actions, &mut steps)?;
            for (&slot, step) in active.iter().zip(&steps) {
                let episode = &mut episodes[slot];
                episode.length += 1;
                episode.total += step.reward;
                episode.solved = env.solved(slot);
            }
            let mut steps = steps.iter();
            active.retain(|_| steps.next().is_some_and(|step| !step.done()));
        }
        Ok(episodes)
    }
}

/// A generator for each slot.
struct SlotStreams<'a> {
    rngs: &'a mut [Rng],
    active: &'a [usize],
}

impl Draws for SlotStreams<'_> {
    fn row(&mut self, row: usize) -> &mut Rng {
        &mut self.rngs[self.active[row]]
    }
}
