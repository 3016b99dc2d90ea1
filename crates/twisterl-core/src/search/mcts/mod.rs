//! Tree search for many games in lock step, for self-play and solving.

mod cache;
mod config;
pub(super) mod game;
mod group;

use super::action_path::ActionPath;
use super::budget::{Budget, Limit};
use crate::env::{Start, Step};
use crate::envs::registry::EnvSpec;
use crate::evaluator::Evaluator;
use crate::evaluator::batched::action_count;
use crate::math::powf;
use crate::parallel;
use crate::rng::Rng;
use crate::space::Observations;
use crate::{Error, Result};
use rand::RngExt as _;

pub use config::{Cycles, Plan, Reuse, SearchConfig, Selection};

use game::Game;
use group::GameGroup;

/// Games that share their batches. Fixed, so that results do not depend on the number of threads.
pub const SEARCH_GROUP: usize = 16;

/// The results of a search at the root of a game.
#[derive(Debug, Clone, Copy)]
pub struct RootStatistics<'a> {
    /// Visits, including those kept from earlier moves, `[action]`.
    pub visits: &'a [u32],
    /// Mean return; the value of the root for actions without visits, `[action]`.
    pub q: &'a [f32],
    /// The policy without search, `[action]`.
    pub prior: &'a [f32],
    /// The policy to learn: the shares of the visits, without those that were only forced (PUCT), or the improved policy
    /// (Gumbel), `[action]`.
    pub policy: &'a [f32],
    /// The value without search.
    pub raw_value: f32,
    /// The mean of all returns backed up.
    pub value: f32,
    /// The action to play: the most visited one (PUCT), or the winner of the sequential halving (Gumbel).
    pub action: usize,
}

impl RootStatistics<'_> {
    /// Samples an action in proportion to `visits^(1 / temperature)`. Returns [`action`](Self::action) at temperature 0.
    pub fn draw(&self, temperature: f32, rng: &mut Rng) -> usize {
        let most = self.visits.iter().copied().max().unwrap_or(0);
        if temperature <= 0.0 || most == 0 {
            return self.action;
        }
        let weight = |&n: &u32| powf(n as f32 / most as f32, 1.0 / temperature);
        let mut left = rng.random::<f32>() * self.visits.iter().map(weight).sum::<f32>();
        for (action, n) in self.visits.iter().enumerate().filter(|(_, n)| **n > 0) {
            left -= weight(n);
            if left < 0.0 {
                return action;
            }
        }
        self.action
    }
}

/// A tree search in a fixed number of games, which allocates its memory once.
///
/// Methods that read from a game panic if there is no such game.
///
/// A move is [`run`](Self::run), [`root`](Self::root), [`advance`](Self::advance); a game starts with
/// [`begin`](Self::begin).
pub struct Search {
    groups: Vec<GameGroup>,
    games: usize,
}

impl Search {
    /// Allocates `games` games of `spec`.
    ///
    /// # Errors
    /// If the action space is not one discrete choice, or a setting is out of range.
    pub fn new(spec: &dyn EnvSpec, games: usize, config: SearchConfig) -> Result<Self> {
        let actions = action_count(&spec.action_space())?;
        config.check().map_err(|error| error.below("search"))?;
        let sizes = (0..games).step_by(SEARCH_GROUP).map(|first| SEARCH_GROUP.min(games - first));
        let groups = sizes.map(|len| GameGroup::new(spec, len, actions, config)).collect();
        Ok(Self { groups, games })
    }

    /// The number of games.
    pub fn games(&self) -> usize {
        self.games
    }

    /// Begins a game.
    ///
    /// # Errors
    /// If there is no such game, or the start is refused.
    pub fn begin(&mut self, game: usize, start: Start<'_>, rng: &mut Rng) -> Result<()> {
        let (group, game) = self.group(game)?;
        group.begin(game, start, rng)
    }

    /// Searches game `i` according to `plans[i]`, for all plans, in groups that are spread over the threads of the current
    /// rayon pool. The result depends neither on the number of threads nor on other games. If the evaluator has changed,
    /// call [`forget_evaluations`](Self::forget_evaluations) first.
    ///
    /// # Errors
    /// If the environment fails or does not fit the evaluator.
    pub fn run(&mut self, evaluator: &dyn Evaluator, plans: &[Plan]) -> Result<()> {
        self.run_within(evaluator, plans, &Budget::unlimited().begin(1))
    }

    pub(crate) fn run_within(
        &mut self,
        evaluator: &dyn Evaluator,
        plans: &[Plan],
        limit: &Limit<'_>,
    ) -> Result<()> {
        // Groups beyond the plans have nothing to do.
        let plans = |index: usize| &plans[plans.len().min(index * SEARCH_GROUP)..];
        parallel::try_for_each(&mut self.groups, |index, group| {
            group.run(evaluator, plans(index), limit)
        })
    }

    /// Forgets all cached evaluations.
    pub fn forget_evaluations(&mut self) {
        self.groups.iter_mut().for_each(GameGroup::forget_evaluations);
    }

    /// Returns whether the current state of this game is solved.
    pub fn solved(&self, game: usize) -> bool {
        self.groups[game / SEARCH_GROUP].solved(game % SEARCH_GROUP)
    }

    /// Returns the results of the last search of this game.
    pub fn root(&self, game: usize) -> RootStatistics<'_> {
        let game = self.game(game);
        let root = game.tree.node(game.tree.root);
        RootStatistics {
            visits: &game.visits,
            q: &game.q,
            prior: &game.prior,
            policy: &game.policy,
            raw_value: root.raw_value,
            value: root.mean(),
            action: game.action,
        }
    }

    /// Appends the observation and the mask of a game's current state, as the environment returns them.
    ///
    /// # Errors
    /// If there is no such game, or the environment fails.
    pub fn observe(
        &mut self,
        game: usize,
        observations: &mut Observations,
        masks: &mut Vec<bool>,
    ) -> Result<()> {
        let (group, game) = self.group(game)?;
        group.observe(game, observations, masks)
    }

    /// Makes a move and keeps the subtree below it. A game that is over stays over until it begins again.
    ///
    /// # Errors
    /// If there is no such game, or the environment fails.
    pub fn advance(&mut self, game: usize, action: usize) -> Result<Step> {
        let (group, game) = self.group(game)?;
        group.advance(game, action)
    }

    /// Returns the best solution that the game or any of its trees has found, and its undiscounted return.
    pub fn solution(&self, game: usize) -> Option<(&[u32], f32)> {
        let best = &self.game(game).best;
        best.solved.then_some((&best.actions[..], best.total))
    }

    /// Returns the number of nodes added since the game began.
    pub fn nodes(&self, game: usize) -> u64 {
        self.game(game).nodes
    }

    /// Returns the number of simulations since the game began.
    pub fn simulations(&self, game: usize) -> u64 {
        self.game(game).simulations
    }

    /// Returns the sum of the rewards since the game began.
    pub(crate) fn total(&self, game: usize) -> f32 {
        self.game(game).total
    }

    /// Returns the moves since the game began.
    pub(crate) fn played(&self, game: usize) -> ActionPath {
        let game = self.game(game);
        ActionPath { solved: false, total: game.total, actions: game.played.clone() }
    }

    /// Returns an upper bound on the return of the rest of the game, if one is known.
    pub(crate) fn best_return(&self, game: usize) -> Option<f32> {
        self.groups[game / SEARCH_GROUP].best_return(game % SEARCH_GROUP)
    }

    /// Returns the solution that the environment reports for the game, see [`VecEnv::reported_solution`].
    ///
    /// # Errors
    /// If the environment fails.
    pub(crate) fn reported_solution(&self, game: usize) -> Result<Option<Vec<u64>>> {
        self.groups[game / SEARCH_GROUP].reported_solution(game % SEARCH_GROUP)
    }

    fn game(&self, game: usize) -> &Game {
        &self.groups[game / SEARCH_GROUP].games[game % SEARCH_GROUP]
    }

    fn group(&mut self, game: usize) -> Result<(&mut GameGroup, usize)> {
        if game >= self.games {
            return Err(Error::internal(format!("game {game} of {}", self.games)));
        }
        Ok((&mut self.groups[game / SEARCH_GROUP], game % SEARCH_GROUP))
    }
}
