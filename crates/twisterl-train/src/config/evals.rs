//! The `algorithm.evals` part of a config.

use super::limits::tree_growth;
use crate::Error;
use crate::system::num_cores::NumCores;
use clap::ValueEnum;
use schemars::JsonSchema;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::error::OptionError;
use twisterl_core::error::from_serde::shorten;
use twisterl_core::solve::{Invert, Objective, SolveOptions};

/// The name by which `learning.diff_metric` asks for the success of training episodes instead of an evaluation.
pub const ROLLOUT_METRIC: &str = "rollout";
/// The longest name of an evaluation, in bytes.
const MAX_NAME: usize = 64;
/// The greatest difficulty of an episode.
pub const MAX_DIFFICULTY: usize = 1_000_000;

/// The starts of the episodes of an evaluation.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum EvalStart {
    /// Scrambles of the evaluation's difficulty.
    #[default]
    Scramble,
    /// Uniformly random states, where the environment offers them.
    Uniform,
}

impl EvalStart {
    /// Returns the difficulty of the starts: by default that of the parameters of the environment, or, for random states, the
    /// greatest, which allows the longest episodes.
    pub fn difficulty(self, spec: &dyn EnvSpec, given: Option<usize>) -> usize {
        given.unwrap_or_else(|| match self {
            Self::Scramble => spec.difficulty(),
            Self::Uniform => MAX_DIFFICULTY,
        })
    }

    /// Returns the start of an episode, of this [difficulty](Self::difficulty).
    ///
    /// # Errors
    /// If the environment does not offer uniformly random states.
    pub fn draw(
        self,
        spec: &dyn EnvSpec,
        difficulty: Option<usize>,
    ) -> Result<Start<'static>, OptionError> {
        let difficulty = self.difficulty(spec, difficulty);
        match self {
            Self::Scramble => Ok(Start::Scramble { difficulty }),
            Self::Uniform if spec.starts().uniform => Ok(Start::Uniform { difficulty }),
            Self::Uniform => {
                let expected = "an environment that offers uniformly random states";
                let found = format!("{}, which does not", spec.name());
                Err(OptionError::new("start", expected, found))
            }
        }
    }
}

impl FromStr for EvalStart {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        match text {
            "scramble" => Ok(Self::Scramble),
            "uniform" => Ok(Self::Uniform),
            _ => Err(OptionError::new("start", "scramble or uniform", format!("{text:?}"))),
        }
    }
}

/// One evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EvalConfig {
    /// Episodes played.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub num_episodes: usize,
    /// Take the most likely action instead of sampling.
    pub deterministic: bool,
    /// Tries from each start; the best one counts.
    #[schemars(range(min = 1, max = 65536))]
    pub num_searches: usize,
    /// Simulations per move of a tree search by PUCT; 0: no search. The action most visited is taken if `deterministic`,
    /// and otherwise one drawn in proportion to the visits.
    #[schemars(range(max = 65_536))]
    pub num_mcts_searches: usize,
    /// Added to the seed of the run; below 2^64.
    pub seed: u64,
    /// Upper bound on threads; 0, -1 and `null`: as many as there are processors. Results do not depend on it.
    pub num_cores: NumCores,
    /// Exploration constant of the tree search.
    #[serde(rename = "C")]
    #[schemars(range(min = 0, max = 1e6))]
    pub c: f64,
    /// Levels that a simulation of the tree search adds at once.
    #[schemars(range(min = 1, max = 65_536))]
    pub max_expand_depth: usize,
    /// Difficulty of the starts; that of the curriculum if not given.
    #[schemars(range(max = 1_000_000))]
    pub difficulty: Option<usize>,
    /// The longest episode; longer ones are truncated. If not given, episodes are as long as the environment allows, and at
    /// most 10,000 steps in environments written in Python, or 1,000 with tree search.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_steps: Option<usize>,
    /// The try that counts as the best, and the solution that tree search looks for: `length`, the fewest actions, or `return`,
    /// the greatest sum of rewards.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "String", extend("enum" = ["length", "return"], "default" = "length"))]
    pub objective: Objective,
    /// `both`: the problem and its inverse are solved, and the better solution counts.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "String", extend("enum" = ["never", "both"], "default" = "never"))]
    pub invert: Invert,
    /// Iterations from one evaluation to the next.
    #[schemars(range(min = 1))]
    pub every: u64,
    /// The starts of the episodes.
    pub start: EvalStart,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            num_episodes: 100,
            deterministic: true,
            num_searches: 1,
            num_mcts_searches: 0,
            seed: 0,
            num_cores: NumCores::default(),
            c: 1.41,
            max_expand_depth: 1,
            difficulty: None,
            max_steps: None,
            objective: Objective::Length,
            invert: Invert::Never,
            every: 1,
            start: EvalStart::Scramble,
        }
    }
}

/// Returns true for a field that is not written, so that files stay as they were before there was such a field.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl EvalConfig {
    /// Returns the options of solving that this evaluation describes.
    pub fn solve_options(&self) -> SolveOptions {
        SolveOptions {
            greedy: self.deterministic,
            num_searches: Some(self.num_searches),
            num_mcts_searches: Some(self.num_mcts_searches),
            exploration: Some(self.c as f32),
            max_expand_depth: Some(self.max_expand_depth),
            temperature: Some(if self.deterministic { 0.0 } else { 1.0 }),
            max_steps: self.max_steps,
            objective: self.objective,
            invert: self.invert,
            seed: self.seed,
            ..SolveOptions::default()
        }
    }
}

/// The evaluations by name, in the order in which they are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Evals(Vec<(String, EvalConfig)>);

impl Evals {
    /// Returns names and evaluations, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &EvalConfig)> {
        self.0.iter().map(|(name, eval)| (name, eval))
    }

    /// Returns the names, in order.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.iter().map(|(name, _)| name)
    }

    /// Returns the evaluation of this name.
    pub fn get(&self, name: &str) -> Option<&EvalConfig> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, eval)| eval)
    }

    /// The number of evaluations.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks names, and values that must fit each other.
    pub(super) fn check(&self) -> crate::Result<()> {
        for (name, eval) in self.iter() {
            let path = format!("algorithm.evals.{}", shorten(name));
            if name.is_empty() || name.len() > MAX_NAME || name == ROLLOUT_METRIC {
                let expected =
                    format!("a name of 1 to {MAX_NAME} bytes other than `{ROLLOUT_METRIC}`");
                return Err(Error::config(path, expected, format!("{:?}", shorten(name))));
            }
            tree_growth(&path, eval.num_mcts_searches, eval.max_expand_depth)?;
        }
        Ok(())
    }
}

impl Default for Evals {
    /// The peer's.
    fn default() -> Self {
        let eval = |deterministic, num_searches, num_mcts_searches| EvalConfig {
            deterministic,
            num_searches,
            num_mcts_searches,
            ..EvalConfig::default()
        };
        [
            ("ppo_deterministic", eval(true, 1, 0)),
            ("ppo_1", eval(false, 1, 0)),
            ("ppo_10", eval(false, 10, 0)),
            ("mcts_100", eval(true, 1, 100)),
        ]
        .into_iter()
        .map(|(name, eval)| (name.to_owned(), eval))
        .collect()
    }
}

impl FromIterator<(String, EvalConfig)> for Evals {
    fn from_iter<I: IntoIterator<Item = (String, EvalConfig)>>(evals: I) -> Self {
        Self(evals.into_iter().collect())
    }
}

impl Serialize for Evals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Evals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Evals;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Evals, A::Error> {
                let mut evals = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    evals.push(entry);
                }
                Ok(Evals(evals))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}
