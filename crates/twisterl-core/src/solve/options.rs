//! Options of solving, as users give them.

use super::{BeamScore, Method, SolvePlan, SymmetryUse};
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
                *score = self.score.unwrap_or(*score);
            }
            Method::Greedy | Method::Sample | Method::BestOf(_) => {}
        }
        Ok(SolvePlan {
            method,
            tries,
            backtracking: !self.no_backtracking,
            symmetry_use: self.twists,
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
            return Err(OptionError::new("score", "policy, value, or a finite number", weight));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::search::Gumbel;
    use proptest::prelude::*;
    use serde_json::json;

    fn options(value: serde_json::Value) -> SolveOptions {
        serde_json::from_value(value).unwrap()
    }

    fn refused(value: serde_json::Value) -> String {
        options(value).resolve(64).unwrap_err().to_string()
    }

    #[test]
    fn the_method_follows_from_the_options() {
        let method = |value| options(value).resolve(64).unwrap().method.to_string();
        assert_eq!(method(json!({})), "best-of=64");
        assert_eq!(method(json!({"num_searches": 3})), "best-of=3");
        assert_eq!(method(json!({"greedy": true, "num_searches": 3})), "greedy");
        assert_eq!(method(json!({"num_mcts_searches": 20, "greedy": true})), "mcts=20");
        assert_eq!(method(json!({"num_mcts_searches": 0, "num_searches": 2})), "best-of=2");
        assert_eq!(method(json!({"search": "gumbel=8", "num_mcts_searches": 0})), "gumbel=8");
    }

    #[test]
    fn options_reach_the_parts_of_the_solver() {
        let plan = options(json!({
            "search": "mcts=10", "exploration": 3.0, "max_expand_depth": 2, "gamma": 0.5, "temperature": 0.25,
            "leaves": 4, "twists": "each", "nodes": 100, "seconds": 1.5, "max_steps": 20, "seed": 7,
        }));
        let plan = plan.resolve(64).unwrap();
        let Method::Tree(config) = plan.method else { panic!("{plan:?}") };
        let Selection::Puct(puct) = config.selection else { panic!("{config:?}") };
        assert_eq!((puct.exploration, config.max_expand_depth, config.gamma), (3.0, 2, 0.5));
        assert_eq!((config.temperature, config.leaves), (0.25, 4));
        assert_eq!(
            (plan.symmetry_use, plan.nodes, plan.seconds),
            (SymmetryUse::Each, Some(100), Some(1.5))
        );
        assert_eq!((plan.max_steps, plan.seed, plan.tries), (Some(20), 7, 1));
        let plan = options(json!({"no_backtracking": true})).resolve(1).unwrap();
        assert!(!plan.backtracking);
        for (score, expected) in
            [(json!("value"), BeamScore::Value), (json!(2.5), BeamScore::Blend { weight: 2.5 })]
        {
            let plan = options(json!({"search": "beam=8", "score": score})).resolve(1).unwrap();
            assert_eq!(plan.method, Method::Beam { width: 8, score: expected });
        }
    }

    #[test]
    fn tree_searches_are_repeated_only_if_they_sample() {
        let tries = |value| {
            let plan = options(value).resolve(64).unwrap();
            let Method::Tree(config) = plan.method else { panic!("{plan:?}") };
            (plan.tries, config.temperature)
        };
        let mcts = |more: serde_json::Value| {
            let mut value = json!({"num_mcts_searches": 10, "num_searches": 3});
            value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            tries(value)
        };
        assert_eq!(tries(json!({"num_mcts_searches": 10})), (1, 0.0));
        assert_eq!(tries(json!({"num_mcts_searches": 10, "num_searches": 1})), (1, 0.0));
        assert_eq!(mcts(json!({})), (3, 1.0));
        assert_eq!(mcts(json!({"greedy": true})), (1, 0.0));
        assert_eq!(mcts(json!({"temperature": 0.5})), (3, 0.5));
        assert_eq!(mcts(json!({"temperature": 0.0})), (1, 0.0));
    }

    #[test]
    fn options_that_do_not_go_together_are_refused_by_name() {
        for (value, message) in [
            (
                json!({"search": "beam=16", "greedy": true}),
                "greedy: expected no search with it, found beam=16",
            ),
            (
                json!({"search": "beam=16", "num_searches": 3}),
                "num_searches: expected no search with it",
            ),
            (
                json!({"search": "beam=16", "num_mcts_searches": 3}),
                "num_mcts_searches: expected no search with it",
            ),
            (
                json!({"greedy": true, "score": "value"}),
                "score: expected search beam=W or widening=W with it, found greedy",
            ),
            (
                json!({"search": "beam=4", "no_backtracking": true}),
                "no_backtracking: expected search greedy, sample or best-of=N with it, found beam=4",
            ),
            (
                json!({"leaves": 2}),
                "leaves: expected search mcts=N or gumbel=N with it, found best-of=64",
            ),
            (
                json!({"max_expand_depth": 1}),
                "max_expand_depth: expected search mcts=N or gumbel=N with it",
            ),
            (
                json!({"search": "beam=4", "gamma": 1.0}),
                "gamma: expected search mcts=N or gumbel=N with it",
            ),
            (
                json!({"greedy": true, "temperature": 1.0}),
                "temperature: expected search mcts=N or gumbel=N",
            ),
            (
                json!({"search": "gumbel=4", "exploration": 1.0}),
                "exploration: expected search mcts=N with it",
            ),
        ] {
            let found = refused(value);
            assert!(found.starts_with(message), "{found}");
        }
        // The peer's default of 0 simulations leaves the other arguments of its tree search without use.
        let unused = json!({"num_mcts_searches": 0, "exploration": 1.4, "max_expand_depth": 1});
        assert_eq!(options(unused).resolve(2).unwrap().method, Method::BestOf(2));
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        for (value, message) in [
            (
                json!({"num_searches": 0}),
                "num_searches: expected a whole number from 1 to 65536, found 0",
            ),
            (
                json!({"max_steps": 0}),
                "max_steps: expected a whole number from 1 to 1000000, found 0",
            ),
            (json!({"nodes": 0}), "nodes: expected a whole number from 1 on, found 0"),
            (json!({"seconds": 0.0}), "seconds: expected a number above 0, found 0"),
            (
                json!({"num_mcts_searches": 65537}),
                "num_mcts_searches: expected a whole number from 1 to 65536",
            ),
            (
                json!({"search": "mcts=70000"}),
                "search: expected a whole number from 1 to 65536, found 70000",
            ),
            (
                json!({"search": "mcts=4", "leaves": 0}),
                "leaves: expected a whole number from 1 to 1024, found 0",
            ),
            (
                json!({"search": "mcts=4", "gamma": 1.5}),
                "gamma: expected a number above 0, at most 1, found 1.5",
            ),
            (
                json!({"search": "mcts=4", "exploration": -1.0}),
                "exploration: expected a number from 0 to 1000000",
            ),
            (
                json!({"search": "mcts=4", "temperature": -1.0}),
                "temperature: expected a number from 0 to 1000",
            ),
            (
                json!({"search": "mcts=60000", "max_expand_depth": 2}),
                "max_expand_depth: expected a whole number from 1 to 1, found 2",
            ),
        ] {
            let found = refused(value);
            assert!(found.starts_with(message), "{found}");
        }
        let score = Some(BeamScore::Blend { weight: f32::INFINITY });
        let infinite =
            SolveOptions { score, search: "beam=4".parse().ok(), ..SolveOptions::default() };
        assert_eq!(infinite.resolve(1).unwrap_err().option, "score");
        let seconds = SolveOptions { seconds: Some(f64::NAN), ..SolveOptions::default() };
        assert_eq!(seconds.resolve(1).unwrap_err().option, "seconds");
    }

    #[test]
    fn unknown_options_are_refused() {
        for (value, expected) in [
            (json!({"nonsense": 1}), "unknown field `nonsense`"),
            (json!({"search": "astar"}), "expected greedy, sample, best-of=N"),
            (json!({"score": "both"}), "expected policy, value, or a finite number"),
            (json!({"twists": "some"}), "unknown variant `some`"),
        ] {
            let error = serde_json::from_value::<SolveOptions>(value).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn options_resolve_or_are_refused(
            search in prop::option::of(prop::sample::select(vec![
                Method::Greedy, Method::Sample, Method::BestOf(3), Method::mcts(5), Method::gumbel(70_000),
                Method::Beam { width: 4, score: BeamScore::Policy },
            ])),
            counts in prop::array::uniform4(prop::option::of(0usize..70_000)),
            numbers in prop::array::uniform3(prop::option::of(any::<f32>())),
            greedy: bool,
            no_backtracking: bool,
        ) {
            let [num_searches, num_mcts_searches, max_expand_depth, leaves] = counts;
            let [exploration, gamma, temperature] = numbers;
            let options = SolveOptions {
                search, greedy, num_searches, num_mcts_searches, no_backtracking, exploration, max_expand_depth, gamma,
                temperature, leaves, ..SolveOptions::default()
            };
            if let Ok(plan) = options.resolve(64) {
                prop_assert!(plan.tries >= 1 && plan.backtracking != no_backtracking);
                if let Method::Tree(config) = plan.method {
                    prop_assert!(config.check().is_ok());
                    let puct = matches!(config.selection, Selection::Puct(_));
                    prop_assert!(puct || config.selection == Selection::Gumbel(Gumbel::default()));
                }
            }
        }
    }
}
