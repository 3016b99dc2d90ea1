//! States on which the greedy policy failed lately, as starts for training.

use crate::Result;
use crate::config::StartsConfig;
use serde::{Deserialize, Serialize};
use twisterl_core::act::Choice;
use twisterl_core::env::Start;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::registry::EnvSpec;
use twisterl_core::rng::Purpose;
use twisterl_core::solve::Play;

/// A ring of states: new failures replace the oldest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Failures {
    states: Vec<Vec<f64>>,
    next: usize,
}

impl Failures {
    /// The states remembered.
    pub fn states(&self) -> &[Vec<f64>] {
        &self.states
    }

    /// Plays uniformly random states greedily and remembers those that were not solved. Returns the share solved.
    ///
    /// # Errors
    /// If the environment fails.
    pub fn probe(
        &mut self,
        config: &StartsConfig,
        spec: &dyn EnvSpec,
        evaluator: &dyn Evaluator,
        difficulty: usize,
        seed: u64,
        iteration: u64,
    ) -> Result<f64> {
        let play = Play {
            spec,
            evaluator,
            choice: Choice::Greedy,
            searches: 1,
            max_steps: None,
            seed,
            purpose: Purpose::Probe,
            iteration,
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
        Ok(f64::from(solved) / config.probe_states.max(1) as f64)
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
