//! The settings of a tree search.

use crate::error::OptionError;
use crate::rng::Rng;
use crate::search::tree::Tree;
use crate::search::tree::gumbel::Gumbel;
use crate::search::tree::puct::Puct;

/// The largest number of nodes that one move may add.
const MAX_GROWTH: usize = 1 << 16;

/// The choice of actions within a tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Selection {
    /// By PUCT: value plus exploration.
    Puct(Puct),
    /// By Gumbel AlphaZero: policy improvement. It is best with few simulations.
    Gumbel(Gumbel),
}

/// The part of a tree that is kept when a move is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reuse {
    /// The subtree below the move, with its visits. It is dropped if it leaves no room for the nodes of a whole move, so
    /// that memory is bounded.
    #[default]
    Subtree,
    /// Nothing.
    Nothing,
}

/// The treatment of an action that leads back to a state that the game or the tree came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cycles {
    /// It is like any other action.
    #[default]
    Allow,
    /// The action is forbidden. If cycles never pay, this loses nothing, and keeps policies from oscillating.
    Prune,
}

/// The settings of a tree search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchConfig {
    /// The choice of actions.
    pub selection: Selection,
    /// Discount per step, above 0 and at most 1.
    pub gamma: f32,
    /// Maximum number of simulations per move, for which memory is allocated.
    pub simulations: usize,
    /// Leaves of one game that are evaluated together. More leaves fill larger batches if there are few games, but each
    /// is chosen without the values of the others.
    pub leaves: usize,
    /// Evaluations that a group of [`SEARCH_GROUP`](super::SEARCH_GROUP) games caches; 0: none. Results do not depend on
    /// it.
    pub cache: usize,
    /// Nodes that one simulation adds, each below the one before. Only the last is backed up.
    pub max_expand_depth: usize,
    /// The part of a tree that is kept when a move is made.
    pub reuse: Reuse,
    /// The treatment of cycles.
    pub cycles: Cycles,
    /// In solving, moves are sampled in proportion to `visits^(1 / temperature)`; 0: the best move is made.
    pub temperature: f32,
}

impl SearchConfig {
    /// Returns the default settings of `selection`, with `simulations` per move.
    pub fn new(selection: Selection, simulations: usize) -> Self {
        Self {
            selection,
            gamma: 1.0,
            simulations,
            leaves: 1,
            cache: 1 << 14,
            max_expand_depth: 1,
            reuse: Reuse::Subtree,
            cycles: Cycles::Allow,
            temperature: 0.0,
        }
    }

    /// Nodes that one move may add.
    pub(in crate::search) fn growth(&self) -> usize {
        self.simulations * self.max_expand_depth
    }

    /// Nodes of a tree: those of one move, as many that are kept, and the root.
    pub(in crate::search) fn capacity(&self) -> usize {
        2 * self.growth() + 1
    }

    /// Checks the ranges of all settings.
    ///
    /// # Errors
    /// For the first setting that is out of range.
    pub(crate) fn check(&self) -> Result<(), OptionError> {
        let whole = |option, value: usize, low: usize, high: usize| match value {
            value if (low..=high).contains(&value) => Ok(()),
            value => {
                let expected = format!("a whole number from {low} to {high}");
                Err(OptionError::new(option, expected, value))
            }
        };
        let number = |option, value: f32, low: f32, high: f32| match value {
            value if (low..=high).contains(&value) => Ok(()),
            value => {
                let expected = format!("a number from {low} to {high}");
                Err(OptionError::new(option, expected, value))
            }
        };
        whole("simulations", self.simulations, 1, MAX_GROWTH)?;
        whole("leaves", self.leaves, 1, 1024)?;
        whole("cache", self.cache, 0, 1 << 24)?;
        whole("max_expand_depth", self.max_expand_depth, 1, MAX_GROWTH / self.simulations)?;
        if !(self.gamma > 0.0 && self.gamma <= 1.0) {
            let expected = "a number above 0, at most 1";
            return Err(OptionError::new("gamma", expected, self.gamma));
        }
        number("temperature", self.temperature, 0.0, 1e3)?;
        match self.selection {
            Selection::Puct(puct) => {
                number("exploration", puct.exploration, 0.0, 1e6)?;
                number("first_play_reduction", puct.first_play_reduction, 0.0, 1e6)?;
                number("noise.share", puct.noise.share, 0.0, 1.0)?;
                number("noise.concentration", puct.noise.concentration, 0.0, 1e6)?;
                number("forced", puct.forced, 0.0, 1e6)
            }
            Selection::Gumbel(gumbel) => {
                whole("considered", gumbel.considered, 1, MAX_GROWTH)?;
                number("visit", gumbel.visit, 0.0, 1e6)?;
                number("scale", gumbel.scale, 0.0, 1e6)
            }
        }
    }

    /// Returns the action to follow from `node`. At the root, Gumbel chooses among the actions with `visits` visits in this
    /// move.
    pub(in crate::search) fn choose(
        &self,
        tree: &Tree,
        node: u32,
        visits: Option<u32>,
    ) -> Option<usize> {
        match (&self.selection, visits) {
            (Selection::Puct(puct), _) => puct.choose(tree, node),
            (Selection::Gumbel(gumbel), Some(visits)) if node == tree.root => {
                gumbel.choose_root(tree, visits)
            }
            (Selection::Gumbel(gumbel), _) => gumbel.choose(tree, node),
        }
    }
}

/// The task of one game in a [`Search::run`](super::Search::run).
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Number of simulations; 0 skips the game.
    pub simulations: usize,
    /// Stream of the noise at the root, for self-play; `None`: no noise.
    pub noise: Option<Rng>,
}
