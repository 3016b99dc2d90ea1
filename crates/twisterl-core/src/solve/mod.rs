//! Solving problems: with the policy alone, by the best of many attempts, or by search, within a budget.
//!
//! [`SolveOptions`] are what a user asks for. They resolve into a [`SolvePlan`], whose [`Solver`] solves problems.
//! [`Play`] is the part that plays many episodes in lock step.

mod beams;
mod both_ends;
mod method;
mod options;
mod plan;
mod play;
mod record;
mod replay;
#[cfg(test)]
mod tests;
mod trees;
mod verification;

pub use crate::search::{BeamScore, Budget, Objective};
pub use method::Method;
pub use options::{Invert, MAX_SEARCHES, MAX_STEPS, SOLVE_SEARCHES, SolveOptions, SymmetryUse};
pub use plan::SolvePlan;
pub use play::{Play, Solution, start_stream};
pub use record::{Record, action, number, shortest};
pub use replay::{Replay, indices, replay};
pub use verification::Verification;

use crate::env::Start;
use crate::envs::registry::EnvSpec;
use crate::evaluator::distribution::Choice;
use crate::evaluator::{Evaluator, Twisted, WithoutBacktracking};
use crate::rng::StreamKey;
use crate::search::ActionPath;
use crate::space::Actions;
use crate::{Error, Result};

/// A problem, a policy and a method with its settings.
#[derive(Clone, Copy)]
pub struct Solver<'a> {
    /// The problem.
    pub spec: &'a dyn EnvSpec,
    /// The policy.
    pub evaluator: &'a dyn Evaluator,
    /// The method.
    pub method: Method,
    /// False if methods without search never undo the previous action, whatever the policy asks for.
    pub backtracking: bool,
    /// Bounds for each problem.
    pub budget: Budget<'a>,
    /// The use of the problem's symmetries.
    pub symmetry_use: SymmetryUse,
    /// The solution that counts as the best one.
    pub objective: Objective,
    /// The use of inverse problems.
    pub invert: Invert,
    /// Maximum length of a solution; `None`: that of an episode of the environment or its default limit.
    pub max_steps: Option<usize>,
    /// Key of the streams of the starts and of the actions, which have indices of their own.
    pub key: StreamKey,
    /// Number of the first start, where the starts are part of a longer list. A multiple of
    /// [`Method::together`] gives the solutions of one run over the whole list.
    pub first: usize,
    /// If true, solutions carry their start state and actions, and are verified. Those of searches always are.
    pub record: bool,
    /// The treatment of solutions that their replay does not confirm.
    pub verification: Verification,
}

impl<'a> Solver<'a> {
    /// Creates a solver without bounds that ignores symmetries, and records its solutions.
    pub fn new(
        spec: &'a dyn EnvSpec,
        evaluator: &'a dyn Evaluator,
        method: Method,
        key: StreamKey,
    ) -> Self {
        Self {
            spec,
            evaluator,
            method,
            backtracking: true,
            budget: Budget::unlimited(),
            symmetry_use: SymmetryUse::None,
            objective: Objective::Length,
            invert: Invert::Never,
            max_steps: None,
            key,
            first: 0,
            record: true,
            verification: Verification::Strict,
        }
    }
}

impl Solver<'_> {
    /// Solves every start, on the threads of the current rayon pool. The solutions, seconds aside, depend neither on
    /// the number of threads nor on the other starts, unless time runs out. Recorded solutions have been replayed from
    /// their start.
    ///
    /// # Errors
    /// If a start is refused, the environment fails, or the method cannot search its actions.
    pub fn run(&self, starts: &[Start<'_>]) -> Result<Vec<Solution>> {
        match self.invert {
            Invert::Never => self.run_each(starts, &[]),
            Invert::Both => self.run_both(starts),
        }
    }

    /// Solves every start itself. Beams look for solutions better than `incumbents`, `[start]` or empty, and find none otherwise.
    fn run_each(&self, starts: &[Start<'_>], incumbents: &[ActionPath]) -> Result<Vec<Solution>> {
        let without_backtracking = WithoutBacktracking(self.evaluator);
        let evaluator: &dyn Evaluator =
            if self.backtracking { self.evaluator } else { &without_backtracking };
        let solver = Solver { evaluator, ..*self };
        let twists = self.spec.twists();
        let symmetric = twists.is_empty() || !evaluator.twists().is_empty();
        let mut solutions = match self.symmetry_use {
            SymmetryUse::Average if !symmetric => {
                let evaluator = Twisted::average(evaluator, &twists);
                Solver { evaluator: &evaluator, ..solver }.solve(starts, incumbents)?
            }
            SymmetryUse::Each if !symmetric => {
                let solver = Solver { budget: self.budget.share(1 + twists.len()), ..solver };
                let mut best = solver.solve(starts, incumbents)?;
                for twist in &twists {
                    let evaluator = Twisted::image(evaluator, twist);
                    let solver = Solver { evaluator: &evaluator, ..solver };
                    let solutions = solver.solve(starts, incumbents)?;
                    for (best, other) in best.iter_mut().zip(solutions) {
                        let nodes = best.nodes + other.nodes;
                        let simulations = best.simulations + other.simulations;
                        let seconds = best.seconds + other.seconds;
                        best.keep_better(other);
                        *best = Solution { nodes, simulations, seconds, ..std::mem::take(best) };
                    }
                }
                best
            }
            _ => solver.solve(starts, incumbents)?,
        };
        if self.record || self.method.searches() {
            self.verify(starts, &mut solutions)?;
        }
        Ok(solutions)
    }

    /// Solves every start `tries` times and returns the best solution of each. Try `n` uses the key `key(n)`; every try
    /// begins in the state of the first.
    ///
    /// # Errors
    /// As for [`run`](Self::run), and if other starts than given states have to be repeated in an environment that does not
    /// tell its states.
    pub fn run_tries(
        &self,
        starts: &[Start<'_>],
        tries: u64,
        key: impl Fn(u64) -> StreamKey,
    ) -> Result<Vec<Solution>> {
        let given = starts.iter().all(|start| matches!(start, Start::State { .. }));
        if tries > 1 && !given && !self.spec.tells_states() {
            let expected =
                "1 for a search from scrambles of an environment that does not tell its states";
            return Err(Error::config("num_searches", expected, tries));
        }
        let record = self.record || tries > 1;
        let mut best = Solver { key: key(0), record, ..*self }.run(starts)?;
        if tries <= 1 {
            return Ok(best);
        }
        let states: Vec<Vec<f64>> = best.iter().map(|solution| solution.start.clone()).collect();
        let again: Vec<Start<'_>> = starts
            .iter()
            .zip(&states)
            .map(|(start, state)| match *start {
                Start::Scramble { difficulty } | Start::Uniform { difficulty } => {
                    Start::State { state, difficulty: Some(difficulty) }
                }
                Start::State { .. } => *start,
            })
            .collect();
        for number in 1..tries {
            let solutions = Solver { key: key(number), record, ..*self }.run(&again)?;
            best.iter_mut().zip(solutions).for_each(|(best, other)| best.keep_better(other));
        }
        Ok(best)
    }

    fn solve(&self, starts: &[Start<'_>], incumbents: &[ActionPath]) -> Result<Vec<Solution>> {
        match self.method {
            Method::Greedy => self.play(Choice::Greedy, 1).run_within(starts, &self.budget),
            Method::Sample => self.play(Choice::Sample, 1).run_within(starts, &self.budget),
            Method::BestOf(n) => self.play(Choice::Sample, n).run_within(starts, &self.budget),
            Method::Tree(config) => self.trees(config, starts),
            Method::Beam { width, score } => self.beams((width..=width, score), starts, incumbents),
            Method::Widening { width, score } => self.beams((1..=width, score), starts, incumbents),
        }
    }

    fn play(&self, choice: Choice, searches: usize) -> Play<'_> {
        Play {
            spec: self.spec,
            evaluator: self.evaluator,
            choice,
            searches,
            max_steps: self.max_steps,
            key: self.key,
            first: self.first,
            record: self.record,
        }
    }

    /// Returns the solution of a path that a search has found.
    fn solution(&self, path: ActionPath, nodes: u64, seconds: f64) -> Solution {
        let mut actions = Actions::new(&self.spec.action_space());
        let length = path.actions.len();
        actions.discrete = path.actions;
        let ActionPath { solved, total, .. } = path;
        Solution { solved, length, total, actions, nodes, seconds, ..Solution::default() }
    }
}
