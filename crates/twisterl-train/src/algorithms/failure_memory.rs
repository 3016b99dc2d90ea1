//! States that the greedy policy has recently failed to solve, as starts of training episodes.

use crate::Result;
use crate::algorithms::Iteration;
use crate::algorithms::spread::{Asked, Spread, Task, range};
use crate::config::PpoStarts;
use crate::data::ring_buffer::RingBuffer;
use crate::record::snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::ops::Range;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::evaluator::distribution::Choice;
use twisterl_core::policy::Policy;
use twisterl_core::rng::Purpose;
use twisterl_core::solve::{Play, Solution};

/// Random states that are played as one part of a question.
const PART: usize = 64;

/// True for a random state that was solved; the state if it was not and is known.
type Probed = (bool, Option<Vec<f64>>);

/// Plays the random states of this range greedily.
fn probe(
    states: Range<usize>,
    seed: u64,
    spec: &dyn EnvSpec,
    evaluator: &dyn Evaluator,
    iteration: &Iteration,
) -> Result<Vec<Probed>> {
    let play = Play {
        spec,
        evaluator,
        choice: Choice::Greedy,
        searches: 1,
        max_steps: None,
        key: iteration.key(seed, Purpose::Probe),
        first: states.start,
        record: spec.tells_states(),
    };
    let starts = vec![Start::Uniform { difficulty: iteration.difficulty }; states.len()];
    let known = |solution: Solution| {
        (solution.solved, (!solution.solved && spec.tells_states()).then_some(solution.start))
    };
    Ok(play.run(&starts)?.into_iter().map(known).collect())
}

/// Returns the answer to a part of the question about random states.
///
/// # Errors
/// If there is no such part, or the environment fails.
pub fn answer(
    config: &PpoStarts,
    seed: u64,
    spec: &dyn EnvSpec,
    asked: &Asked,
    part: usize,
) -> Result<Snapshot> {
    let states = range(part, PART, config.probe_states)?;
    let probed = probe(states, seed, spec, &asked.executor, &asked.iteration)?;
    Ok(Snapshot { state: json!(probed), arrays: Vec::new() })
}

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
        self.remember(probe(0..self.probes, self.seed, spec, evaluator, iteration)?);
        Ok(())
    }

    /// Does as [`update`](Self::update), with states that workers play.
    ///
    /// # Errors
    /// As for [`Spread::ask`].
    pub fn ask(
        &mut self,
        policy: &Policy,
        iteration: &Iteration,
        spread: &Spread<'_>,
    ) -> Result<()> {
        let parts = self.probes.div_ceil(PART);
        let answers = spread.ask(Task::Search, iteration, policy, Value::Null, parts)?;
        let mut probed = Vec::new();
        for (part, answer) in answers.iter().enumerate() {
            let (played, expected) =
                (answer.state::<Vec<Probed>>()?, range(part, PART, self.probes)?);
            if played.len() != expected.len() {
                return Err(answer.wrong(&format!(
                    "{} states of {}",
                    played.len(),
                    expected.len()
                )));
            }
            probed.extend(played);
        }
        self.remember(probed);
        Ok(())
    }

    fn remember(&mut self, probed: Vec<Probed>) {
        let solved = probed.iter().filter(|(solved, _)| *solved).count();
        self.success = solved as f64 / self.probes.max(1) as f64;
        probed.into_iter().filter_map(|(_, state)| state).for_each(|state| self.states.push(state));
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
