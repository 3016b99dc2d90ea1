//! Resolved options.

use super::{Budget, Invert, Method, Objective, Solution, Solver, SymmetryUse};
use crate::envs::registry::EnvSpec;
use crate::evaluator::Evaluator;
use crate::rng::{Purpose, StreamKey};

/// Resolved [`SolveOptions`](super::SolveOptions): everything a [`Solver`] needs except the problem, the policy and a
/// clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SolvePlan {
    /// The method, with all its settings.
    pub method: Method,
    /// Times that every start is solved; the best solution counts.
    pub tries: u64,
    /// False if the previous action is never undone.
    pub backtracking: bool,
    /// The use of the problem's symmetries.
    pub symmetry_use: SymmetryUse,
    /// The solution that counts as the best one.
    pub objective: Objective,
    /// The use of inverse problems.
    pub invert: Invert,
    /// Maximum number of states evaluated per start.
    pub nodes: Option<u64>,
    /// Maximum number of seconds per start.
    pub seconds: Option<f64>,
    /// Maximum length of a solution.
    pub max_steps: Option<usize>,
    /// Seed of all randomness.
    pub seed: u64,
}

impl SolvePlan {
    /// Builds the solver of this plan. `clock` returns the seconds since any fixed moment.
    pub fn solver<'a>(
        &self,
        spec: &'a dyn EnvSpec,
        evaluator: &'a dyn Evaluator,
        clock: &'a (dyn Fn() -> f64 + Sync),
        purpose: Purpose,
    ) -> Solver<'a> {
        Solver {
            backtracking: self.backtracking,
            budget: Budget { nodes: self.nodes, seconds: self.seconds, clock },
            symmetry_use: self.symmetry_use,
            objective: self.objective,
            invert: self.invert,
            max_steps: self.max_steps,
            ..Solver::new(spec, evaluator, self.method, self.key(0, purpose))
        }
    }

    /// Returns the default limit on the length of episodes if no other was set and an unsolved solution has reached it.
    pub fn reached_default_limit(
        &self,
        spec: &dyn EnvSpec,
        solutions: &[Solution],
    ) -> Option<usize> {
        let limits = spec.episode_limits();
        let limit = if self.method.searches() { limits.search } else { limits.play };
        let reached = |solution: &Solution| !solution.solved && solution.length >= limit;
        (self.max_steps.is_none() && solutions.iter().any(reached)).then_some(limit)
    }

    /// Returns the key of try `number`, for [`Solver::run_tries`]: each uses the next seed.
    pub fn key(&self, number: u64, purpose: Purpose) -> StreamKey {
        StreamKey::new(self.seed.wrapping_add(number), purpose)
    }
}
