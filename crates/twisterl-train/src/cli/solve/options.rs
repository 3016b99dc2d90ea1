//! The flags of commands that solve problems.

use crate::cli::{count, number, seed, whole};
use crate::config::NumCores;
use crate::system::terminal::message;
use crate::trainer::reached_limit;
use crate::{Error, Result};
use clap::Args;
use serde_json::{Map, Value};
use std::fmt::Display;
use twisterl_core::error::OptionError;
use twisterl_core::solve::{
    BeamScore, Invert, MAX_SEARCHES, MAX_STEPS, Method, Objective, SolveOptions, SolvePlan,
    SymmetryUse,
};

/// Options of solving.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct SolveFlags {
    /// Method: greedy, sample, best-of=N, mcts=N or gumbel=N (N simulations per move), beam=W, or widening=W (beams of
    /// width 1, 4, 16, ... up to W).
    #[arg(long, value_name = "METHOD", group = "method")]
    search: Option<Method>,
    /// Take the most likely action instead of sampling from the policy.
    #[arg(long, group = "method")]
    greedy: bool,
    /// Never undo the previous action, in greedy, sample and best-of. The environment has to declare the inverse of each
    /// action.
    #[arg(long, alias = "no_backtracking")]
    no_backtracking: bool,
    /// Attempts at each problem, of which the best counts.
    #[arg(long, alias = "num_searches", value_name = "N", group = "method", allow_negative_numbers = true, value_parser = count(MAX_SEARCHES as u64))]
    num_searches: Option<usize>,
    /// Simulations per move; the same as --search mcts=N.
    #[arg(long, alias = "num_mcts_searches", value_name = "N", group = "method", allow_negative_numbers = true, value_parser = count(65536))]
    num_mcts_searches: Option<usize>,
    /// Exploration constant of mcts, against values between 0 and 1.
    #[arg(long, alias = "C", value_name = "C", allow_negative_numbers = true, value_parser = number::<f32>())]
    exploration: Option<f32>,
    /// Nodes that one simulation of mcts or gumbel adds, each below the one before.
    #[arg(long, alias = "max_expand_depth", value_name = "N", allow_negative_numbers = true, value_parser = count(65_536))]
    max_expand_depth: Option<usize>,
    /// Discount per step in mcts and gumbel; 1 by default.
    #[arg(long, value_name = "G", allow_negative_numbers = true, value_parser = number::<f32>())]
    gamma: Option<f32>,
    /// Temperature of the choice among the visit counts of mcts; 0, the most visited action, by default.
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = number::<f32>())]
    temperature: Option<f32>,
    /// Leaves of one tree that mcts and gumbel evaluate together.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count(65_536))]
    leaves: Option<usize>,
    /// Ranking of the states of a beam: policy (the default), value, mixed (one half by each; the default if returns count), or
    /// a number W for policy + W * value.
    #[arg(long, value_name = "SCORE", allow_hyphen_values = true)]
    score: Option<BeamScore>,
    #[command(flatten)]
    effort: EffortFlags,
}

/// Options that go with every method.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct EffortFlags {
    /// Use of the problem's symmetries: none, average (each evaluation over all images), or each (solve all images, keep
    /// the best solution).
    #[arg(long, value_name = "USE")]
    twists: Option<SymmetryUse>,
    /// The best solution: length (the fewest actions), or return (the greatest sum of rewards).
    #[arg(long, value_name = "OBJECTIVE")]
    objective: Option<Objective>,
    /// Use of inverse problems: never, or both (solve the problem and its inverse, each with half of the budget, and keep the
    /// better solution).
    #[arg(long, value_name = "USE")]
    invert: Option<Invert>,
    /// Maximum number of states evaluated per problem.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole(1, u64::MAX))]
    nodes: Option<u64>,
    /// Maximum number of seconds per problem; the best solution so far counts.
    #[arg(long, value_name = "S", allow_negative_numbers = true, value_parser = number::<f64>())]
    seconds: Option<f64>,
    /// Maximum length of an episode; as long as the environment allows by default.
    #[arg(long, alias = "max_steps", value_name = "N", allow_negative_numbers = true, value_parser = count(MAX_STEPS as u64))]
    max_steps: Option<usize>,
    /// Seed of all randomness; 0 by default.
    #[arg(long, value_name = "S", allow_negative_numbers = true, value_parser = seed())]
    seed: Option<u64>,
    /// Maximum number of threads; 0 or -1, as without it: as many as there are processors. Results do not depend on it.
    #[arg(long, alias = "num_cores", value_name = "N", allow_negative_numbers = true)]
    num_cores: Option<NumCores>,
}

impl SolveFlags {
    /// Writes a warning to standard error if an episode has reached the default limit.
    pub(in crate::cli) fn warn_of_limit(reached: Option<usize>) {
        if let Some(limit) = reached {
            message(format_args!("warning: {}", reached_limit("--max-steps", limit)));
        }
    }

    /// Returns the maximum number of threads.
    pub(in crate::cli) fn num_cores(&self) -> Option<NumCores> {
        self.effort.num_cores
    }

    /// Resolves the options; the best of `default_searches` samples is the default method.
    ///
    /// # Errors
    /// [`Error::Usage`] if a value is out of range or two options do not go together.
    pub(in crate::cli) fn plan(&self, default_searches: usize) -> Result<SolvePlan> {
        self.options().resolve(default_searches).map_err(
            |OptionError { option, expected, found }| {
                Error::usage(format!("--{}", option.replace('_', "-")), expected, found)
            },
        )
    }

    /// Returns whether a method is given by name, so that its cost is of interest.
    pub(in crate::cli) fn is_search(&self) -> bool {
        self.search.is_some() || self.num_mcts_searches.is_some()
    }

    /// Resolves the options of a method given by name. `score` is the ranking of beams, if the method is one.
    ///
    /// # Errors
    /// As for [`plan`](Self::plan).
    pub(in crate::cli) fn plan_of(
        method: Method,
        score: Option<BeamScore>,
        effort: &EffortFlags,
    ) -> Result<SolvePlan> {
        let beam = matches!(method, Method::Beam { .. } | Method::Widening { .. });
        let (search, score) = (Some(method), score.filter(|_| beam));
        Self { search, score, effort: effort.clone(), ..Self::default() }.plan(1)
    }

    /// Returns the options that are given, as fields of a request. Those that were not given are left to the bundle.
    pub(in crate::cli) fn given(&self) -> Result<Map<String, Value>> {
        let unwritten =
            |what: &dyn Display| twisterl_core::Error::internal(format!("options: {what}"));
        match serde_json::to_value(self.options()).map_err(|e| unwritten(&e))? {
            Value::Object(mut options) => {
                self.effort.write_defaults(&mut options).map_err(|e| unwritten(&e))?;
                Ok(options)
            }
            other => Err(unwritten(&other).into()),
        }
    }

    pub(in crate::cli) fn options(&self) -> SolveOptions {
        SolveOptions {
            search: self.search,
            greedy: self.greedy,
            num_searches: self.num_searches,
            num_mcts_searches: self.num_mcts_searches,
            no_backtracking: self.no_backtracking,
            exploration: self.exploration,
            max_expand_depth: self.max_expand_depth,
            gamma: self.gamma,
            temperature: self.temperature,
            leaves: self.leaves,
            score: self.score,
            ..self.effort.options()
        }
    }
}

impl EffortFlags {
    /// Returns the maximum number of threads.
    pub(in crate::cli) fn num_cores(&self) -> Option<NumCores> {
        self.num_cores
    }

    /// Returns the seed of all randomness.
    pub(in crate::cli) fn seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }

    /// Adds the options that are given although they have their defaults, which options as JSON leave out.
    fn write_defaults(&self, options: &mut Map<String, Value>) -> serde_json::Result<()> {
        let given = [
            ("twists", self.twists.map(serde_json::to_value)),
            ("objective", self.objective.map(serde_json::to_value)),
            ("invert", self.invert.map(serde_json::to_value)),
            ("seed", self.seed.map(serde_json::to_value)),
        ];
        for (name, value) in given {
            if let Some(value) = value {
                options.insert(name.to_owned(), value?);
            }
        }
        Ok(())
    }

    fn options(&self) -> SolveOptions {
        SolveOptions {
            twists: self.twists.unwrap_or_default(),
            objective: self.objective.unwrap_or_default(),
            invert: self.invert.unwrap_or_default(),
            nodes: self.nodes,
            seconds: self.seconds,
            max_steps: self.max_steps,
            seed: self.seed(),
            ..SolveOptions::default()
        }
    }
}
