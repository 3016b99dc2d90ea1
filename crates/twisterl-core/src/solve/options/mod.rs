//! Options of solving, as users give them.

mod invert;
mod symmetry_use;
#[cfg(test)]
mod tests;

pub use invert::Invert;
pub use symmetry_use::SymmetryUse;

use super::{BeamScore, Method, Objective, SolvePlan};
use crate::error::OptionError;
use crate::search::{SearchConfig, Selection};
use serde::{Deserialize, Serialize};

/// Attempts at a problem if no method is given, in commands and calls that solve single problems.
pub const SOLVE_SEARCHES: usize = 64;

/// The largest number of attempts.
pub const MAX_SEARCHES: usize = 1 << 16;
/// The largest bound on the length of a solution.
pub const MAX_STEPS: usize = 1_000_000;

/// Everything a user can ask for when problems are solved. [`resolve`](Self::resolve) checks which options go together.
///
/// The method is `search`, or follows from `greedy`, `num_searches` and `num_mcts_searches`.
/// As JSON, only the options that are given are written.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SolveOptions {
    /// The method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<Method>,
    /// Takes the most likely action, or the most visited one in tree search, instead of sampling.
    #[serde(skip_serializing_if = "is_default")]
    pub greedy: bool,
    /// Attempts at each problem, of which the best counts. Without sampling all attempts are equal, and one is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_searches: Option<usize>,
    /// Simulations per move of tree search by PUCT. 0 is no tree search, whose settings are then unused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_mcts_searches: Option<usize>,
    /// Never undoes the previous action, in methods without search.
    #[serde(skip_serializing_if = "is_default")]
    pub no_backtracking: bool,
    /// Exploration constant of PUCT, against values between 0 and 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exploration: Option<f32>,
    /// Nodes that one simulation of tree search adds, each below the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_expand_depth: Option<usize>,
    /// Discount per step in tree search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f32>,
    /// Temperature of the choice among the visit counts of tree search. 0, the most visited action, by default; 1 if
    /// there are several attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Leaves of one tree that are evaluated together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaves: Option<usize>,
    /// The ranking of the states of a beam.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<BeamScore>,
    /// The use of the problem's symmetries.
    #[serde(skip_serializing_if = "is_default")]
    pub twists: SymmetryUse,
    /// The solution that counts as the best one.
    #[serde(skip_serializing_if = "is_default")]
    pub objective: Objective,
    /// The use of inverse problems.
    #[serde(skip_serializing_if = "is_default")]
    pub invert: Invert,
    /// Maximum number of states evaluated per problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u64>,
    /// Maximum number of seconds per problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Maximum length of a solution; by default that of an episode of the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<usize>,
    /// Seed of all randomness.
    #[serde(skip_serializing_if = "is_default")]
    pub seed: u64,
}

/// Returns true for an option that is not given.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl SolveOptions {
    /// Checks the options and resolves them. If they name no method, it is the best of `default_searches` samples.
    ///
    /// # Errors
    /// For the first option that is out of range, or does not go with the method.
    pub fn resolve(&self, default_searches: usize) -> Result<SolvePlan, OptionError> {
        self.check_ranges()?;
        let mut method = self.method(default_searches)?;
        self.check_use(method)?;
        let mut tries = 1;
        match &mut method {
            Method::Tree(config) => tries = self.configure_tree(config)?,
            Method::Beam { score, .. } | Method::Widening { score, .. } => {
                let by_default = match self.objective {
                    Objective::Length => *score,
                    Objective::Return => BeamScore::Mixed,
                };
                *score = self.score.unwrap_or(by_default);
            }
            Method::Greedy | Method::Sample | Method::BestOf(_) => {}
        }
        Ok(SolvePlan {
            method,
            tries,
            backtracking: !self.no_backtracking,
            symmetry_use: self.twists,
            objective: self.objective,
            invert: self.invert,
            nodes: self.nodes,
            seconds: self.seconds,
            max_steps: self.max_steps,
            seed: self.seed,
        })
    }

    /// Checks the values that are not settings of a method; methods check theirs.
    fn check_ranges(&self) -> Result<(), OptionError> {
        let whole = |option, value: Option<usize>, low: usize, high: usize| match value {
            Some(value) if !(low..=high).contains(&value) => {
                let expected = format!("a whole number from {low} to {high}");
                Err(OptionError::new(option, expected, value))
            }
            _ => Ok(()),
        };
        whole("num_searches", self.num_searches, 1, MAX_SEARCHES)?;
        whole("max_steps", self.max_steps, 1, MAX_STEPS)?;
        if self.nodes == Some(0) {
            return Err(OptionError::new("nodes", "a whole number from 1 on", 0));
        }
        if let Some(BeamScore::Blend { weight }) = self.score
            && !weight.is_finite()
        {
            return Err(OptionError::new(
                "score",
                "policy, value, mixed, or a finite number",
                weight,
            ));
        }
        match self.seconds {
            Some(seconds) if !(seconds > 0.0 && seconds.is_finite()) => {
                Err(OptionError::new("seconds", "a number above 0", seconds))
            }
            _ => Ok(()),
        }
    }

    /// The method with its default settings.
    fn method(&self, default_searches: usize) -> Result<Method, OptionError> {
        let simulations = self.num_mcts_searches.filter(|&n| n > 0);
        if let Some(method) = self.search {
            let others = [
                ("greedy", self.greedy),
                ("num_searches", self.num_searches.is_some()),
                ("num_mcts_searches", simulations.is_some()),
            ];
            return match others.into_iter().find(|(_, given)| *given) {
                Some((option, _)) => Err(OptionError::new(option, "no search with it", method)),
                None => Ok(method),
            };
        }
        Ok(match (simulations, self.num_searches) {
            (Some(simulations), _) => Method::mcts(simulations),
            _ if self.greedy => Method::Greedy,
            (None, searches) => Method::BestOf(searches.unwrap_or(default_searches)),
        })
    }

    /// Checks that every option that is given is one of `method`.
    fn check_use(&self, method: Method) -> Result<(), OptionError> {
        let beam = matches!(method, Method::Beam { .. } | Method::Widening { .. });
        let (tree, puct) = match method {
            Method::Tree(config) => (true, matches!(config.selection, Selection::Puct(_))),
            _ => (false, false),
        };
        // Tree search that is switched off by name may leave its settings behind.
        let unused = self.search.is_none() && self.num_mcts_searches == Some(0);
        let (tree, puct) = (tree || unused, puct || unused);
        let uses = [
            ("score", self.score.is_some(), beam, "beam=W or widening=W"),
            (
                "no_backtracking",
                self.no_backtracking,
                !method.searches(),
                "greedy, sample or best-of=N",
            ),
            ("max_expand_depth", self.max_expand_depth.is_some(), tree, "mcts=N or gumbel=N"),
            ("leaves", self.leaves.is_some(), tree, "mcts=N or gumbel=N"),
            ("gamma", self.gamma.is_some(), tree, "mcts=N or gumbel=N"),
            ("temperature", self.temperature.is_some(), tree, "mcts=N or gumbel=N"),
            ("exploration", self.exploration.is_some(), puct, "mcts=N"),
        ];
        match uses.into_iter().find(|(_, given, fits, _)| *given && !fits) {
            Some((option, .., methods)) => {
                Err(OptionError::new(option, format!("search {methods} with it"), method))
            }
            None => Ok(()),
        }
    }

    /// Sets the options of tree search in `config`, and returns the number of tries.
    fn configure_tree(&self, config: &mut SearchConfig) -> Result<u64, OptionError> {
        let tries = self.num_searches.unwrap_or(1);
        let sampled = tries > 1 && !self.greedy;
        config.max_expand_depth = self.max_expand_depth.unwrap_or(config.max_expand_depth);
        config.leaves = self.leaves.unwrap_or(config.leaves);
        config.gamma = self.gamma.unwrap_or(config.gamma);
        let by_default = if sampled { 1.0 } else { config.temperature };
        config.temperature = self.temperature.unwrap_or(by_default);
        if let Selection::Puct(puct) = &mut config.selection {
            puct.exploration = self.exploration.unwrap_or(puct.exploration);
        }
        config.check().map_err(|error| match error.option {
            "simulations" if self.search.is_none() => {
                OptionError { option: "num_mcts_searches", ..error }
            }
            "simulations" => OptionError { option: "search", ..error },
            _ => error,
        })?;
        // Without a draw every try is the same.
        Ok(if config.temperature > 0.0 { tries as u64 } else { 1 })
    }
}
