//! The settings of a tree search.

use crate::rng::Rng;
use crate::search::tree::Tree;
use crate::search::tree::gumbel::Gumbel;
use crate::search::tree::puct::Puct;
use crate::{Error, Result};

/// The most nodes that a move may add.
const MOST: usize = 1 << 16;

/// How actions are chosen within a tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Selection {
    /// By value plus exploration.
    Puct(Puct),
    /// By policy improvement: best with few simulations.
    Gumbel(Gumbel),
}

/// What stays of a tree when a move is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reuse {
    /// What lies below the move, its visits included, unless it is more than a whole move adds: memory is bounded.
    #[default]
    Subtree,
    /// Nothing.
    Nothing,
}

/// What a search does with an action that leads back to a state from which the game came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cycles {
    /// Nothing special.
    #[default]
    Allow,
    /// Strikes the action out. Where going round in circles never pays, nothing is lost by that, and policies that do it
    /// are cured.
    Prune,
}

/// How games are searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchConfig {
    /// How actions are chosen.
    pub selection: Selection,
    /// The discount of a step, above 0 and at most 1.
    pub gamma: f32,
    /// The most simulations of one move, for which memory is set aside.
    pub simulations: usize,
    /// Leaves of one game that are evaluated together. More fill larger batches where games are few, and know a little
    /// less of each other.
    pub leaves: usize,
    /// Evaluations that a group of [`SEARCH_GROUP`](super::SEARCH_GROUP) games remembers; 0: none. What is found does not depend on it.
    pub cache: usize,
    /// Nodes that one simulation adds, each below the one before; only the last is backed up.
    pub max_expand_depth: usize,
    /// What stays of a tree when a move is made.
    pub reuse: Reuse,
    /// Whether a game may come back to a state.
    pub cycles: Cycles,
    /// Where problems are solved, moves are drawn in proportion to `visits^(1 / temperature)`; 0: the best is made.
    pub temperature: f32,
}

impl SearchConfig {
    /// The usual settings of `selection` with so many simulations a move.
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

    /// Nodes of a tree: those of one move, and as many that were kept.
    pub(in crate::search) fn capacity(&self) -> usize {
        2 * self.growth() + 1
    }

    pub(super) fn check(&self) -> Result<()> {
        let whole = |name: &str, value: usize, low: usize, high: usize| match value {
            value if (low..=high).contains(&value) => Ok(()),
            value => {
                Err(Error::config(format!("search.{name}"), format!("{low} to {high}"), value))
            }
        };
        whole("simulations", self.simulations, 1, MOST)?;
        whole("leaves", self.leaves, 1, 1024)?;
        whole("cache", self.cache, 0, 1 << 24)?;
        whole("max_expand_depth", self.max_expand_depth, 1, MOST / self.simulations)?;
        let number = |name: &str, value: f32, low: f32, high: f32| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(Error::config(
                format!("search.{name}"),
                format!("a number from {low} to {high}"),
                value,
            ))
        };
        number("gamma", self.gamma, f32::MIN_POSITIVE, 1.0)?;
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
                whole("considered", gumbel.considered, 1, MOST)?;
                number("visit", gumbel.visit, 0.0, 1e6)?;
                number("scale", gumbel.scale, 0.0, 1e6)
            }
        }
    }

    /// The action to follow from `node`; `turn` is the number of visits that Gumbel's choice at the root must have.
    pub(in crate::search) fn choose(
        &self,
        tree: &Tree,
        node: u32,
        turn: Option<u32>,
    ) -> Option<usize> {
        match (&self.selection, turn) {
            (Selection::Puct(puct), _) => puct.choose(tree, node),
            (Selection::Gumbel(gumbel), Some(visits)) if node == tree.root => {
                gumbel.choose_root(tree, visits)
            }
            (Selection::Gumbel(gumbel), _) => gumbel.choose(tree, node),
        }
    }
}

/// What one game is to do in a [`Search::run`](super::Search::run).
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Simulations, on top of what was kept; 0 leaves the game alone.
    pub simulations: usize,
    /// Where the noise at the root is drawn from, for self-play; `None`: no noise.
    pub noise: Option<Rng>,
}
