//! Episodes of a population: what ES judges its members by.

use super::Episode;
use super::start::Starts;
use crate::env::Step;
use crate::env::batch::MAX_EPISODE_STEPS;
use crate::envs::registry::EnvSpec;
use crate::evaluator::decision::Decision;
use crate::evaluator::distribution::Choice;
use crate::parallel;
use crate::policy::population::{PerturbationKey, Population};
use crate::rng::{Draws, Purpose, Rng};
use crate::{Error, Result};
use std::ops::Range;

/// The most episodes of a member.
const MAX_EPISODES: u64 = 1 << 20;

/// Who starts from the same states, and draws actions by the same random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommonRandomNumbers {
    /// The two members of a pair.
    Pair,
    /// The whole population.
    Population,
}

/// How the members of a population are tried.
#[derive(Clone, Copy)]
pub struct PopulationRollout<'a> {
    /// The problem.
    pub spec: &'a dyn EnvSpec,
    /// Where episodes start.
    pub starts: Starts<'a>,
    /// Episodes of each member.
    pub episodes: usize,
    /// Who has the same ones.
    pub common: CommonRandomNumbers,
    /// How actions are chosen.
    pub choice: Choice,
    /// The longest episode; `None`: as long as the environment allows.
    pub max_steps: Option<usize>,
}

impl PopulationRollout<'_> {
    /// The episodes of these members of `population`, member after member, on the threads of the current rayon pool.
    /// Each depends on nothing but its own number, the weights, `draw` and these trials: neither on the threads nor on
    /// which members are played together.
    ///
    /// # Errors
    /// If the environment fails, or the policy does not fit it.
    pub fn run(
        &self,
        population: &Population,
        draw: PerturbationKey,
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
            self.group(population, draw, members)
        };
        Ok(parallel::try_map(members.clone().step_by(size), group)?.concat())
    }

    /// Members that step in lock step.
    fn group(
        &self,
        population: &Population,
        draw: PerturbationKey,
        members: Range<u64>,
    ) -> Result<Vec<Episode>> {
        let first = members.start;
        let slots = (members.end - first) as usize * self.episodes;
        let policies = population.members(draw, members)?;
        let mut env = self.spec.play_batch(slots, population.backtracking())?;
        let mut episodes = Vec::with_capacity(slots);
        let mut rngs = Vec::with_capacity(slots);
        for slot in 0..slots {
            let (member, episode) = (slot / self.episodes, (slot % self.episodes) as u64);
            let index = match self.common {
                CommonRandomNumbers::Pair => ((first + member as u64) / 2) * MAX_EPISODES + episode,
                CommonRandomNumbers::Population => episode,
            };
            let key = |attempt| draw.key.at(index << 6 | attempt);
            let (start, _) = self.starts.begin_unsolved(key, |start, rng| {
                env.begin(slot, start, rng)?;
                Ok(env.solved(slot))
            })?;
            rngs.push(key(0).purpose(Purpose::Act).stream());
            let difficulty = start.scramble_difficulty();
            episodes.push(Episode { difficulty, length: 0, total: 0.0, solved: env.solved(slot) });
        }
        let mut active: Vec<usize> = (0..slots).collect();
        let mut rows: Vec<u32> = Vec::with_capacity(slots);
        let mut decision = Decision::new(&self.spec.action_space());
        let mut steps = Vec::with_capacity(slots);
        for _ in 0..self.max_steps.unwrap_or(MAX_EPISODE_STEPS) {
            if active.is_empty() {
                break;
            }
            rows.clear();
            rows.extend(active.iter().map(|&slot| (slot / self.episodes) as u32));
            let mut draws = Slots { rngs: &mut rngs, active: &active };
            decision.decide(&mut *env, &active, &policies.rows(&rows), self.choice, &mut draws)?;
            steps.clear();
            env.step(&active, &decision.actions, &mut steps)?;
            for (&slot, step) in active.iter().zip(&steps) {
                if let Some(episode) = episodes.get_mut(slot) {
                    episode.length += 1;
                    episode.total += step.reward;
                    episode.solved = env.solved(slot);
                }
            }
            let mut done = steps.iter().map(Step::done);
            active.retain(|_| !done.next().unwrap_or(true));
        }
        Ok(episodes)
    }
}

/// Each slot has a generator of its own.
struct Slots<'a> {
    rngs: &'a mut [Rng],
    active: &'a [usize],
}

impl Draws for Slots<'_> {
    fn row(&mut self, row: usize) -> &mut Rng {
        &mut self.rngs[self.active[row]]
    }
}
