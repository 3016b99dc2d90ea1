//! Tree search for many games in lock step: what self-play and solving use.

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

/// What the last search of a game said of its root.
#[derive(Debug, Clone, Copy)]
pub struct Root<'a> {
    /// Visits of each action, those kept from earlier moves included.
    pub visits: &'a [u32],
    /// Mean return of each action; the value of the root for those never visited.
    pub q: &'a [f32],
    /// What the policy says without search.
    pub prior: &'a [f32],
    /// What it should say: the shares of the visits, without those that were only forced (PUCT), or the improved policy
    /// (Gumbel).
    pub policy: &'a [f32],
    /// What the value head says without search.
    pub raw_value: f32,
    /// Mean of all returns backed up.
    pub value: f32,
    /// What to play: the action most visited (PUCT), or the winner of the sequential halving (Gumbel).
    pub action: usize,
}

impl Root<'_> {
    /// An action drawn in proportion to `visits^(1 / temperature)`; [`action`](Self::action) at temperature 0.
    pub fn draw(&self, temperature: f32, rng: &mut Rng) -> usize {
        let most = self.visits.iter().copied().max().unwrap_or(0);
        if temperature <= 0.0 || most == 0 {
            return self.action;
        }
        let weight = |&n: &u32| (n as f32 / most as f32).powf(1.0 / temperature);
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

/// Searches a fixed number of games. Memory is allocated here and not later.
///
/// A move is [`run`](Self::run), [`root`](Self::root), [`advance`](Self::advance); a game starts with
/// [`begin`](Self::begin).
pub struct Search {
    groups: Vec<GameGroup>,
    games: usize,
}

impl Search {
    /// Room for `games` games of `spec`.
    ///
    /// # Errors
    /// If the action space is not one discrete choice, or a setting is out of range.
    pub fn new(spec: &dyn EnvSpec, games: usize, config: SearchConfig) -> Result<Self> {
        let actions = action_count(&spec.action_space())?;
        config.check()?;
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

    /// Searches all games, in groups that are spread over the threads of the current rayon pool; game `i` does what
    /// `plans[i]` says, and those beyond nothing. The result depends neither on the number of threads nor on what other
    /// games do. Where the evaluator has changed, [`forget_evaluations`](Self::forget_evaluations) comes first.
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
        let plans = |index: usize| plans.get(index * SEARCH_GROUP..).unwrap_or(&[]);
        parallel::try_for_each(&mut self.groups, |index, group| {
            group.run(evaluator, plans(index), limit)
        })
    }

    /// Forgets what the evaluator said of any state.
    pub fn forget_evaluations(&mut self) {
        self.groups.iter_mut().for_each(GameGroup::forget_evaluations);
    }

    /// Whether the problem of this game is solved where it stands.
    pub fn solved(&self, game: usize) -> bool {
        self.groups.get(game / SEARCH_GROUP).is_some_and(|group| group.solved(game % SEARCH_GROUP))
    }

    /// What the last search of this game said.
    pub fn root(&self, game: usize) -> Option<Root<'_>> {
        self.game(game).map(|game| {
            let root = game.tree.node(game.tree.root);
            Root {
                visits: &game.visits,
                q: &game.q,
                prior: &game.prior,
                policy: &game.policy,
                raw_value: root.raw_value,
                value: root.mean(),
                action: game.action,
            }
        })
    }

    /// Appends the observation and the mask of a game's current state, as the environment shows them.
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

    /// Makes a move and keeps what is known below it. A game that is over stays so until it begins again.
    ///
    /// # Errors
    /// If there is no such game, or the environment fails.
    pub fn advance(&mut self, game: usize, action: usize) -> Result<Step> {
        let (group, game) = self.group(game)?;
        group.advance(game, action)
    }

    /// The best solution that the game or any of its trees has come upon, and what it pays without discount.
    pub fn solution(&self, game: usize) -> Option<(&[u32], f32)> {
        let found = &self.game(game)?.found;
        found.solved.then_some((&found.actions[..], found.total))
    }

    /// Nodes added since the game began.
    pub fn nodes(&self, game: usize) -> u64 {
        self.game(game).map_or(0, |game| game.nodes)
    }

    /// Simulations made since the game began.
    pub fn simulations(&self, game: usize) -> u64 {
        self.game(game).map_or(0, |game| game.simulations)
    }

    /// How the game has come to where it stands: its moves and the sum of their rewards.
    pub(crate) fn played(&self, game: usize) -> ActionPath {
        self.game(game).map_or_else(ActionPath::default, |game| ActionPath {
            solved: false,
            total: game.total,
            actions: game.played.clone(),
        })
    }

    /// The most that the rest of the game can pay, where that is known.
    pub(crate) fn best_return(&self, game: usize) -> Option<f32> {
        self.groups
            .get(game / SEARCH_GROUP)
            .and_then(|group| group.best_return(game % SEARCH_GROUP))
    }

    fn game(&self, game: usize) -> Option<&Game> {
        self.groups.get(game / SEARCH_GROUP)?.games.get(game % SEARCH_GROUP)
    }

    fn group(&mut self, game: usize) -> Result<(&mut GameGroup, usize)> {
        let games = self.games;
        match self.groups.get_mut(game / SEARCH_GROUP) {
            Some(group) if game < games => Ok((group, game % SEARCH_GROUP)),
            _ => Err(Error::config("game", format!("below {games}"), game)),
        }
    }
}
