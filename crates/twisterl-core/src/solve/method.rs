//! The ways to solve a problem, and how they are written.

use crate::search::{BeamScore, Cycles, Gumbel, Puct, SearchConfig, Selection};
use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// A way to solve a problem, from the cheapest to the strongest. As text, `beam=1024` for a beam of that width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// The most likely action each time: `greedy`.
    Greedy,
    /// Actions drawn from the policy: `sample`.
    Sample,
    /// The best of so many samples: `best-of=N`.
    BestOf(usize),
    /// Tree search, by PUCT `mcts=N` or by Gumbel `gumbel=N`, with so many simulations a move.
    Tree(SearchConfig),
    /// Beam search: `beam=W`. A beam that never has to drop a state for its width is exhaustive, and its solutions have
    /// as few moves as there can be. Otherwise a wider beam is better as a rule, but not always.
    Beam {
        /// States kept of each depth.
        width: usize,
        /// What ranks them.
        score: BeamScore,
    },
    /// Beams of width 1, 4, 16, ... up to this one, each in search of a better solution than those before it found:
    /// `widening=W`. Never worse than a widening beam of a lower bound, or than its own result with a smaller budget.
    Widening {
        /// The widest beam.
        width: usize,
        /// What ranks its states.
        score: BeamScore,
    },
}

/// The largest number in a method.
const MOST: usize = 1 << 20;

impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            Error::config(
                "search",
                format!(
                    "greedy, sample, best-of=N, mcts=N, gumbel=N, beam=W or widening=W with a number from 1 to {MOST}"
                ),
                format!("{text:?}"),
            )
        };
        let (name, number) = match text.split_once('=') {
            Some((name, number)) => (name, Some(number.parse::<usize>().map_err(|_| refuse())?)),
            None => (text, None),
        };
        if number.is_some_and(|n| !(1..=MOST).contains(&n)) {
            return Err(refuse());
        }
        let score = BeamScore::default();
        // No best solution comes through a state twice.
        let tree = |selection, n| {
            Self::Tree(SearchConfig { cycles: Cycles::Prune, ..SearchConfig::new(selection, n) })
        };
        match (name, number) {
            ("greedy", None) => Ok(Self::Greedy),
            ("sample", None) => Ok(Self::Sample),
            ("best-of", Some(n)) => Ok(Self::BestOf(n)),
            ("mcts", Some(n)) => Ok(tree(Selection::Puct(Puct::default()), n)),
            ("gumbel", Some(n)) => Ok(tree(Selection::Gumbel(Gumbel::default()), n)),
            ("beam", Some(width)) => Ok(Self::Beam { width, score }),
            ("widening", Some(width)) => Ok(Self::Widening { width, score }),
            _ => Err(refuse()),
        }
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
