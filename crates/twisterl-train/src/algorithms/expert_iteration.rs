//! Expert iteration (Anthony et al. 2017, "Thinking Fast and Slow with Deep Learning and Tree Search"): solutions that a
//! beam search finds with the policy, for the policy to learn from.

use crate::algorithms::Iteration;
use crate::algorithms::spread::{Asked, Spread, Task, range};
use crate::config::ExpertsConfig;
use crate::data::ring_buffer::RingBuffer;
use crate::record::snapshot::Snapshot;
use crate::{Error, Result};
use rand::RngExt as _;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::Arc;
use twisterl_core::env::Start;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::env::walk::Walk;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::policy::Policy;
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::solve::{BeamScore, Invert, Method, Solution, Solver};
use twisterl_core::space::{Action, ActionSpace};

/// Problems that are solved as one part of a question.
const PART: usize = 4;
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

impl SolvedProblem {
    /// Checks that a solution from elsewhere consists of actions. Whether it solves the state is not checked.
    fn check(&self, space: &ActionSpace) -> twisterl_core::Result<()> {
        self.actions.iter().try_for_each(|&action| space.check(Action::Discrete(action as usize)))
    }
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

    /// The window of the labels of solutions, in actions.
    pub fn label_window(&self) -> usize {
        self.config.label_window
    }

    /// Solves new problems with `evaluator`, and remembers the solutions, shortened, and those of their inverses if the config
    /// says so.
    ///
    /// # Errors
    /// If the environment fails or cannot be searched.
    pub fn search(
        &mut self,
        spec: &Arc<dyn EnvSpec>,
        evaluator: &dyn Evaluator,
        iteration: &Iteration,
    ) -> Result<ExpertReport> {
        let problems = 0..self.config.num_problems;
        let found = found(&self.config, self.seed, spec, evaluator, (iteration, problems))?;
        self.remember(&**spec, found)
    }

    /// Does as [`search`](Self::search), with problems that workers solve.
    ///
    /// # Errors
    /// As for [`Spread::ask`].
    pub fn ask(
        &mut self,
        spec: &dyn EnvSpec,
        policy: &Policy,
        iteration: &Iteration,
        spread: &Spread<'_>,
    ) -> Result<ExpertReport> {
        let problems = self.config.num_problems;
        let parts = problems.div_ceil(PART);
        let answers = spread.ask(Task::Search, iteration, policy, Value::Null, parts)?;
        let mut found = Vec::new();
        for (part, answer) in answers.iter().enumerate() {
            let (solved, most) =
                (answer.state::<Vec<SolvedProblem>>()?, range(part, PART, problems)?);
            if solved.len() > most.len() {
                let text = format!("{} solutions of {} problems", solved.len(), most.len());
                return Err(answer.wrong(&text));
            }
            let space = spec.action_space();
            solved
                .iter()
                .try_for_each(|solution| solution.check(&space))
                .map_err(|error| answer.wrong(&error))?;
            found.extend(solved);
        }
        self.remember(spec, found)
    }

    fn remember(&mut self, spec: &dyn EnvSpec, found: Vec<SolvedProblem>) -> Result<ExpertReport> {
        let key = StreamKey::new(self.seed, Purpose::Expert);
        let mut env = spec.batch(1);
        let (solved, mut length) = (found.len() as f64, 0);
        for solution in found {
            length += solution.actions.len();
            if solution.actions.is_empty() {
                continue;
            }
            if self.config.invert == Invert::Both {
                self.solutions.push(inverse_of(&solution, &mut *env, key)?);
            }
            self.solutions.push(solution);
        }
        Ok(ExpertReport {
            success: solved / self.config.num_problems.max(1) as f64,
            length: length as f64 / solved.max(1.0),
        })
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

    /// Continues from a checkpoint of a run whose actions are those of `space`.
    ///
    /// # Errors
    /// If the state is inconsistent.
    pub fn restore(&mut self, state: ExpertIterationState, space: &ActionSpace) -> Result<()> {
        for solution in &state.solutions {
            solution.check(space).map_err(|error| {
                Error::checkpoint("state.json", "solutions of the environment", error)
            })?;
        }
        self.solutions.restore(state.solutions, state.next)
    }
}

/// Draws uniformly random problems, and returns the solutions of those of this range that are solved, shortened.
fn found(
    config: &ExpertsConfig,
    seed: u64,
    spec: &Arc<dyn EnvSpec>,
    evaluator: &dyn Evaluator,
    (iteration, problems): (&Iteration, Range<usize>),
) -> Result<Vec<SolvedProblem>> {
    let mut env = spec.batch(1);
    let problem = |index: usize| {
        let mut rng = iteration.key(seed, Purpose::Expert).at(index as u64).stream();
        env.begin(0, Start::Uniform { difficulty: iteration.difficulty }, &mut rng)?;
        let mut state = Vec::new();
        env.state(0, &mut state)?;
        Ok(state)
    };
    let first = problems.start;
    let states = problems.map(problem).collect::<Result<Vec<_>>>()?;
    let starts: Vec<Start<'_>> =
        states.iter().map(|state| Start::State { state, difficulty: None }).collect();
    let score = match config.value_weight {
        0.0 => BeamScore::Policy,
        weight => BeamScore::Blend { weight: weight as f32 },
    };
    let method = Method::Beam { width: config.beam, score };
    let key = StreamKey::new(seed, Purpose::Expert);
    let solver =
        Solver { first, invert: config.invert, ..Solver::new(&**spec, evaluator, method, key) };
    shortened(spec, solver.run(&starts)?, config.window).into_iter().collect()
}

/// Returns the answer to a part of the question about problems.
///
/// # Errors
/// If there is no such part, or the environment fails.
pub fn answer(
    config: &ExpertsConfig,
    seed: u64,
    spec: &Arc<dyn EnvSpec>,
    asked: &Asked,
    part: usize,
) -> Result<Snapshot> {
    let problems = (&asked.iteration, range(part, PART, config.num_problems)?);
    let found = found(config, seed, spec, &asked.executor, problems)?;
    Ok(Snapshot { state: json!(found), arrays: Vec::new() })
}

/// Returns the inverse problem with the solution that one of the problem gives.
fn inverse_of(
    problem: &SolvedProblem,
    env: &mut dyn VecEnv,
    key: StreamKey,
) -> Result<SolvedProblem> {
    let begin = |env: &mut dyn VecEnv, state: &[f64]| {
        env.begin(0, Start::State { state, difficulty: None }, &mut key.stream())
    };
    let none = |env: &dyn VecEnv| {
        let rule = "a problem that was solved from both ends has an inverse";
        twisterl_core::Error::contract(env.name(), rule, "none")
    };
    begin(env, &problem.start)?;
    let start = env.inverse_state(0)?.ok_or_else(|| none(env))?;
    // Seen from the inverse problem, the problem is the inverse one.
    begin(env, &start)?;
    if env.inverse_state(0)?.as_deref() != Some(&problem.start) {
        let name = env.name();
        let expected = format!("never, since the inverse of an inverse of {name} may differ");
        return Err(Error::config("algorithm.collecting.experts.invert", expected, "both"));
    }
    let actions = env.invert_solution(0, &problem.actions)?.ok_or_else(|| none(env))?;
    Ok(SolvedProblem { start, actions })
}

/// Shortens the solutions in windows of this many actions. All results are returned in order, so that the error of a run
/// does not depend on threads.
fn shortened(
    spec: &Arc<dyn EnvSpec>,
    solutions: Vec<Solution>,
    window: usize,
) -> Vec<Result<SolvedProblem>> {
    let solved: Vec<Solution> = solutions.into_iter().filter(|s| s.solved).collect();
    let shorten = |walker: &mut Option<Box<dyn Walk>>, solution: Solution| {
        let walker = match walker {
            Some(walker) => walker,
            none => none.insert(Arc::clone(spec).walker()?),
        };
        let mut problem =
            SolvedProblem { start: solution.start, actions: solution.actions.discrete };
        walker.shorten(&problem.start, &mut problem.actions, window)?;
        Ok(problem)
    };
    solved.into_par_iter().map_init(|| None, shorten).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn solutions_of_a_checkpoint_consist_of_actions() {
        let mut experts = ExpertIteration::new(&ExpertsConfig::default(), 0);
        let state = |action: u32| ExpertIterationState {
            solutions: vec![SolvedProblem { start: vec![0.0], actions: vec![0, action] }],
            next: 0,
        };
        let space = ActionSpace::discrete(4);
        let mut error = |action| experts.restore(state(action), &space).map_err(|e| e.to_string());
        assert_eq!(error(3), Ok(()));
        assert_eq!(
            error(4).unwrap_err(),
            "state.json: expected solutions of the environment, found action: expected 0 to 3, found 4"
        );
    }
}
