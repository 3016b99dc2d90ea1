//! Expert iteration (Anthony et al. 2017, "Thinking Fast and Slow with Deep Learning and Tree Search"): solutions that a
//! beam search finds with the policy, for the policy to learn from.

use crate::Result;
use crate::algorithms::Iteration;
use crate::config::ExpertsConfig;
use crate::data::ring_buffer::RingBuffer;
use rand::RngExt as _;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use twisterl_core::env::Start;
use twisterl_core::env::walk::Walk;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::solve::{BeamScore, Method, Solution, Solver};

/// Set in the index of the streams that draw solutions; the streams of problems are numbered from 0.
const DRAW: u64 = 1 << 63;

/// A state and the actions that solve it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SolvedProblem {
    /// The state.
    pub start: Vec<f64>,
    /// The actions, `[steps]`.
    pub actions: Vec<u32>,
}

/// Searches for solutions, and the newest ones found.
pub struct ExpertIteration {
    config: ExpertsConfig,
    seed: u64,
    solutions: RingBuffer<SolvedProblem>,
}

/// The solutions in a checkpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ExpertIterationState {
    solutions: Vec<SolvedProblem>,
    next: usize,
}

/// The result of the searches of one iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpertReport {
    /// Share of the problems solved.
    pub success: f64,
    /// Mean length of the solutions, 0 where there is none.
    pub length: f64,
}

impl ExpertIteration {
    /// Starts without solutions, for a run with this seed.
    pub fn new(config: &ExpertsConfig, seed: u64) -> Self {
        Self { config: config.clone(), seed, solutions: RingBuffer::new(config.memory) }
    }

    /// Returns `true` if an iteration is one of those that learn from solutions.
    pub fn is_due(&self, iteration: &Iteration) -> bool {
        iteration.progress >= self.config.after
    }

    /// The number of solutions that an iteration draws.
    pub fn num_solutions(&self) -> usize {
        self.config.num_solutions
    }

    /// Solves new problems with `evaluator`, and remembers the solutions, shortened.
    ///
    /// # Errors
    /// If the environment fails or cannot be searched.
    pub fn search(
        &mut self,
        spec: &dyn EnvSpec,
        evaluator: &dyn Evaluator,
        iteration: &Iteration,
    ) -> Result<ExpertReport> {
        let states = self.problems(spec, iteration)?;
        let starts: Vec<Start<'_>> =
            states.iter().map(|state| Start::State { state, difficulty: None }).collect();
        let score = match self.config.value_weight {
            0.0 => BeamScore::Policy,
            weight => BeamScore::Blend { weight: weight as f32 },
        };
        let method = Method::Beam { width: self.config.beam, score };
        let key = StreamKey::new(self.seed, Purpose::Expert);
        let solver = Solver::new(spec, evaluator, method, key);
        let (mut solved, mut length) = (0, 0);
        for solution in shortened(spec, solver.run(&starts)?, self.config.window) {
            let solution = solution?;
            solved += 1;
            length += solution.actions.len();
            if !solution.actions.is_empty() {
                self.solutions.push(solution);
            }
        }
        Ok(ExpertReport {
            success: f64::from(solved) / states.len().max(1) as f64,
            length: length as f64 / f64::from(solved.max(1)),
        })
    }

    /// Draws uniformly random problems.
    fn problems(&self, spec: &dyn EnvSpec, iteration: &Iteration) -> Result<Vec<Vec<f64>>> {
        let mut env = spec.batch(1);
        let problem = |index: usize| {
            let mut rng = iteration.key(self.seed, Purpose::Expert).at(index as u64).stream();
            env.begin(0, Start::Uniform { difficulty: iteration.difficulty }, &mut rng)?;
            let mut state = Vec::new();
            env.state(0, &mut state)?;
            Ok(state)
        };
        (0..self.config.num_problems).map(problem).collect()
    }

    /// Draws the solution that walk `index` of an iteration follows; `None` where there are none.
    pub fn draw(&self, iteration: &Iteration, index: u64) -> Option<&SolvedProblem> {
        let solutions = self.solutions.items();
        if solutions.is_empty() {
            return None;
        }
        let mut rng = iteration.key(self.seed, Purpose::Expert).at(DRAW | index).stream();
        let place = rng.random_range(0..solutions.len() as u32);
        Some(&solutions[place as usize])
    }

    /// Returns the solutions for a checkpoint.
    pub fn state(&self) -> ExpertIterationState {
        let solutions = self.solutions.items().to_vec();
        ExpertIterationState { solutions, next: self.solutions.next() }
    }

    /// Continues from a checkpoint.
    ///
    /// # Errors
    /// If the state is inconsistent.
    pub fn restore(&mut self, state: ExpertIterationState) -> Result<()> {
        self.solutions.restore(state.solutions, state.next)
    }
}

/// Shortens the solutions in windows of this many actions. All results are returned in order, so that the error of a run
/// does not depend on threads.
fn shortened(
    spec: &dyn EnvSpec,
    solutions: Vec<Solution>,
    window: usize,
) -> Vec<Result<SolvedProblem>> {
    let solved: Vec<Solution> = solutions.into_iter().filter(|s| s.solved).collect();
    let shorten = |walker: &mut Option<Box<dyn Walk>>, solution: Solution| {
        let walker = match walker {
            Some(walker) => walker,
            none => none.insert(spec.walker()?),
        };
        let mut problem =
            SolvedProblem { start: solution.start, actions: solution.actions.discrete };
        walker.shorten(&problem.start, &mut problem.actions, window)?;
        Ok(problem)
    };
    solved.into_par_iter().map_init(|| None, shorten).collect()
}
