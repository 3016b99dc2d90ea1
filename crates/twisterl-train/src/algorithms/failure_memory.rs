//! States on which the greedy policy failed lately, as starts for training.

use crate::Result;
use crate::config::StartsConfig;
use serde::{Deserialize, Serialize};
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::evaluator::distribution::Choice;
use twisterl_core::rng::StreamKey;
use twisterl_core::solve::Play;

/// A ring of states: new failures replace the oldest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Failures {
    states: Vec<Vec<f64>>,
    next: usize,
    solved: f64,
}

impl Failures {
    /// The states remembered.
    pub fn states(&self) -> &[Vec<f64>] {
        &self.states
    }

    /// The share of random states that was solved greedily by the last probe; 0 before the first. Starts from random and
    /// remembered states are scaled by it: while the policy solves none, they would be a waste.
    pub fn solved(&self) -> f64 {
        self.solved
    }

    /// Plays uniformly random states greedily and remembers those that were not solved.
    ///
    /// # Errors
    /// If the environment fails.
    pub fn probe(
        &mut self,
        config: &StartsConfig,
        spec: &dyn EnvSpec,
        evaluator: &dyn Evaluator,
        difficulty: usize,
        key: StreamKey,
    ) -> Result<()> {
        let play = Play {
            spec,
            evaluator,
            choice: Choice::Greedy,
            searches: 1,
            max_steps: None,
            key,
            record: true,
        };
        let starts = vec![Start::Uniform { difficulty }; config.probe_states];
        let mut solved = 0;
        for outcome in play.run(&starts)? {
            if outcome.solved {
                solved += 1;
            } else {
                self.remember(outcome.start, config.failure_memory);
            }
        }
        self.solved = f64::from(solved) / config.probe_states.max(1) as f64;
        Ok(())
    }

    fn remember(&mut self, state: Vec<f64>, capacity: usize) {
        if self.states.len() < capacity {
            self.states.push(state);
        } else if let Some(old) = self.states.get_mut(self.next) {
            *old = state;
            self.next = (self.next + 1) % capacity;
        }
    }
}
