//! States that the greedy policy has recently failed to solve, as starts of training episodes.

use crate::Result;
use crate::algorithms::Iteration;
use crate::config::PpoStarts;
use crate::data::ring_buffer::RingBuffer;
use serde::{Deserialize, Serialize};
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::evaluator::distribution::Choice;
use twisterl_core::rng::Purpose;
use twisterl_core::solve::Play;

/// The states that were not solved last.
pub struct FailureMemory {
    /// Uniformly random states that [`update`](Self::update) plays.
    probes: usize,
    seed: u64,
    states: RingBuffer<Vec<f64>>,
    success: f64,
}

/// A failure memory in a checkpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FailureMemoryState {
    states: Vec<Vec<f64>>,
    next: usize,
    solved: f64,
}

impl FailureMemory {
    /// Creates an empty memory, for a run with this seed.
    pub fn new(config: &PpoStarts, seed: u64) -> Self {
        let states = RingBuffer::new(config.failure_memory);
        Self { probes: config.probe_states, seed, states, success: 0.0 }
    }

    /// The states remembered.
    pub fn states(&self) -> &[Vec<f64>] {
        self.states.items()
    }

    /// The share of random states that the last update solved; 0 before the first. The shares of uniformly random and
    /// remembered starts are scaled by it: a policy that solves none of these states learns nothing from them.
    pub fn success(&self) -> f64 {
        self.success
    }

    /// Plays uniformly random states greedily and remembers those that were not solved.
    ///
    /// # Errors
    /// If the environment fails.
    pub fn update(
        &mut self,
        spec: &dyn EnvSpec,
        evaluator: &dyn Evaluator,
        iteration: &Iteration,
    ) -> Result<()> {
        let play = Play {
            spec,
            evaluator,
            choice: Choice::Greedy,
            searches: 1,
            max_steps: None,
            key: iteration.key(self.seed, Purpose::Probe),
            first: 0,
            record: true,
        };
        let starts = vec![Start::Uniform { difficulty: iteration.difficulty }; self.probes];
        let mut solved = 0;
        for solution in play.run(&starts)? {
            if solution.solved {
                solved += 1;
            } else {
                self.states.push(solution.start);
            }
        }
        self.success = f64::from(solved) / self.probes.max(1) as f64;
        Ok(())
    }

    /// Returns the memory for a checkpoint.
    pub fn state(&self) -> FailureMemoryState {
        FailureMemoryState {
            states: self.states.items().to_vec(),
            next: self.states.next(),
            solved: self.success,
        }
    }

    /// Continues from a checkpoint.
    ///
    /// # Errors
    /// If the state is inconsistent.
    pub fn restore(&mut self, state: FailureMemoryState) -> Result<()> {
        self.success = state.solved;
        self.states.restore(state.states, state.next)
    }
}
