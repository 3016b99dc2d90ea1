//! The methods of solving, and their notation.

use super::play;
use crate::error::OptionError;
use crate::error::names::{nearest, question};
use crate::search::{BeamScore, Cycles, Gumbel, Puct, SEARCH_GROUP, SearchConfig, Selection};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A method of solving a problem, from the cheapest to the strongest. As text, `beam=1024` is a beam of that width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// The most likely action of the policy in every step: `greedy`.
    Greedy,
    /// Actions sampled from the policy: `sample`.
    Sample,
    /// The best of this many samples: `best-of=N`.
    BestOf(usize),
    /// Tree search with this many simulations per move, by PUCT (`mcts=N`) or by Gumbel AlphaZero (`gumbel=N`).
    Tree(SearchConfig),
    /// Beam search: `beam=W`. A beam that never has to drop a state for its width is exhaustive, and its solutions are
    /// shortest ones. Otherwise a wider beam is usually, but not always, better.
    Beam {
        /// States kept per depth.
        width: usize,
        /// The ranking of the states.
        score: BeamScore,
    },
    /// Beams of width 1, 4, 16, ... up to this one, each limited to solutions better than those found before:
    /// `widening=W`. It is never worse than a widening beam of a smaller width, or than itself with a smaller budget.
    Widening {
        /// The largest width.
        width: usize,
        /// The ranking of the states.
        score: BeamScore,
    },
}

/// The largest number in a method.
const MAX_NUMBER: usize = 1 << 20;

impl Method {
    /// Returns tree search by PUCT with `simulations` per move and default settings.
    pub fn mcts(simulations: usize) -> Self {
        Self::tree(Selection::Puct(Puct::default()), simulations)
    }

    /// Returns Gumbel tree search with `simulations` per move and default settings.
    pub fn gumbel(simulations: usize) -> Self {
        Self::tree(Selection::Gumbel(Gumbel::default()), simulations)
    }

    /// Returns whether the method looks ahead of the current state.
    pub fn searches(&self) -> bool {
        match self {
            Self::Greedy | Self::Sample | Self::BestOf(_) => false,
            Self::Tree(_) | Self::Beam { .. } | Self::Widening { .. } => true,
        }
    }

    /// Returns whether the method takes its actions one by one in an episode; a beam plans them all in copies.
    pub(super) fn plays(&self) -> bool {
        !matches!(self, Self::Beam { .. } | Self::Widening { .. })
    }

    /// Returns how many problems are solved in lock step, and so at the same time.
    pub fn together(&self) -> usize {
        match *self {
            Self::Greedy | Self::Sample => play::together(1),
            Self::BestOf(n) => play::together(n),
            Self::Tree(_) => SEARCH_GROUP,
            Self::Beam { .. } | Self::Widening { .. } => 1,
        }
    }

    fn tree(selection: Selection, simulations: usize) -> Self {
        // No best solution visits a state twice.
        let config = SearchConfig::new(selection, simulations);
        Self::Tree(SearchConfig { cycles: Cycles::Prune, ..config })
    }
}

impl FromStr for Method {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        let refuse = || {
            let methods = "greedy, sample, best-of=N, mcts=N, gumbel=N, beam=W or widening=W";
            let expected = format!("{methods} with a number from 1 to {MAX_NUMBER}");
            OptionError::new("search", expected, format!("{text:?}{}", near(text)))
        };
        let (name, number) = match text.split_once('=') {
            Some((name, number)) => (name, Some(number.parse::<usize>().map_err(|_| refuse())?)),
            None => (text, None),
        };
        if number.is_some_and(|n| !(1..=MAX_NUMBER).contains(&n)) {
            return Err(refuse());
        }
        let score = BeamScore::default();
        match (name, number) {
            ("greedy", None) => Ok(Self::Greedy),
            ("sample", None) => Ok(Self::Sample),
            ("best-of", Some(n)) => Ok(Self::BestOf(n)),
            ("mcts", Some(n)) => Ok(Self::mcts(n)),
            ("gumbel", Some(n)) => Ok(Self::gumbel(n)),
            ("beam", Some(width)) => Ok(Self::Beam { width, score }),
            ("widening", Some(width)) => Ok(Self::Widening { width, score }),
            _ => Err(refuse()),
        }
    }
}

/// Returns the method that is meant by a text that names none, as a question.
fn near(text: &str) -> String {
    let (name, number) = text.split_once('=').unwrap_or((text, "64"));
    let name = name.trim().replace('_', "-");
    let plain = ["greedy", "sample"];
    let counted = ["best-of", "mcts", "gumbel", "beam", "widening"];
    let Some(near) = nearest(&name, plain.into_iter().chain(counted)) else {
        return String::new();
    };
    let whole = number.trim().parse().ok().filter(|number| (1..=MAX_NUMBER).contains(number));
    match (plain.contains(&near), whole) {
        (true, _) => question(near),
        (false, Some(number)) => question(&format!("{near}={number}")),
        (false, None) => String::new(),
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|OptionError { expected, found, .. }| {
            D::Error::custom(format!("expected {expected}, found {found}"))
        })
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Greedy => write!(f, "greedy"),
            Self::Sample => write!(f, "sample"),
            Self::BestOf(n) => write!(f, "best-of={n}"),
            Self::Tree(SearchConfig { selection: Selection::Puct(_), simulations, .. }) => {
                write!(f, "mcts={simulations}")
            }
            Self::Tree(SearchConfig { simulations, .. }) => write!(f, "gumbel={simulations}"),
            Self::Beam { width, .. } => write!(f, "beam={width}"),
            Self::Widening { width, .. } => write!(f, "widening={width}"),
        }
    }
}
