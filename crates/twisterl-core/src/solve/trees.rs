//! Problems played to their end by tree search, move by move.

use super::{Solution, Solver};
use crate::Result;
use crate::env::Start;
use crate::env::batch::MAX_EPISODE_STEPS;
use crate::evaluator::distribution::Choice;
use crate::parallel;
use crate::search::{ActionPath, Limit, Plan, SEARCH_GROUP, Search, SearchConfig};
use crate::space::Actions;

/// Set in the index of the streams of moves that are drawn, beside the game and the number of the move.
const MOVE: u64 = 1 << 62;

impl Solver<'_> {
    /// Plays `starts` in groups that step together. Solutions that a tree comes upon count as well as those played, and
    /// a game ends where nothing better can come of it.
    pub(super) fn trees(
        &self,
        config: SearchConfig,
        starts: &[Start<'_>],
    ) -> Result<Vec<Solution>> {
        let games = SEARCH_GROUP.min(starts.len());
        let play = |search: &mut Option<Search>, (index, starts): (usize, &[Start<'_>])| {
            let search = match search {
                Some(search) => search,
                None => search.insert(Search::new(self.spec, games, config)?),
            };
            search.forget_evaluations();
            self.play_chunk(search, config, index * SEARCH_GROUP, starts)
        };
        let chunks = starts.chunks(SEARCH_GROUP).enumerate();
        let played = parallel::try_map_init(chunks, || None, play)?;
        Ok(played.into_iter().flatten().collect())
    }

    fn play_chunk(
        &self,
        search: &mut Search,
        config: SearchConfig,
        first: usize,
        starts: &[Start<'_>],
    ) -> Result<Vec<Solution>> {
        let limit = self.budget.begin(starts.len());
        let most = self.max_steps.unwrap_or(MAX_EPISODE_STEPS);
        let mut seconds = vec![0.0; starts.len()];
        let mut plans = vec![Plan::default(); starts.len()];
        let mut live = Vec::with_capacity(starts.len());
        for (game, start) in starts.iter().enumerate() {
            let mut rng = self.play(Choice::Greedy, 1).start_stream((first + game) as u64);
            search.begin(game, *start, &mut rng)?;
            if search.solution(game).is_none() {
                live.push(game);
            }
        }
        for steps in 0..most {
            live.retain(|&game| promising(search, game, steps));
            for plan in &mut plans {
                plan.simulations = 0;
            }
            live.retain(|&game| {
                let simulations = affordable(search, game, config, &limit);
                if let Some(plan) = plans.get_mut(game) {
                    plan.simulations = simulations;
                }
                simulations > 0
            });
            if live.is_empty() {
                break;
            }
            search.run_within(self.evaluator, &plans, &limit)?;
            for &game in &live {
                if let Some(seconds) = seconds.get_mut(game) {
                    *seconds = limit.elapsed();
                }
            }
            if limit.expired() {
                break;
            }
            let mut failed = Ok(());
            live.retain(|&game| {
                let index = MOVE | ((first + game) as u64) << 32 | steps as u64;
                let action = search.root(game).map_or(0, |root| {
                    let mut rng = self.key.at(index).stream();
                    root.draw(config.temperature, &mut rng)
                });
                match search.advance(game, action) {
                    Ok(step) => !step.done(),
                    Err(error) => {
                        failed = Err(error);
                        false
                    }
                }
            });
            failed?;
        }
        let outcomes = seconds.into_iter().enumerate().map(|(game, seconds)| {
            let mut path = search.played(game);
            if let Some((actions, total)) = search.solution(game) {
                path = ActionPath { solved: true, total, actions: actions.to_vec() };
            }
            if path.actions.len() > most {
                path = search.played(game); // a tree may look beyond the longest solution allowed
            }
            let simulations = search.simulations(game);
            Solution { simulations, ..self.outcome(path, search.nodes(game), seconds) }
        });
        Ok(outcomes.collect())
    }

    /// The outcome of a path that was searched.
    pub(super) fn outcome(&self, path: ActionPath, nodes: u64, seconds: f64) -> Solution {
        let mut actions = Actions::new(&self.spec.action_space());
        let length = path.actions.len();
        actions.discrete = path.actions;
        let ActionPath { solved, total, .. } = path;
        Solution { solved, length, total, actions, nodes, seconds, ..Solution::default() }
    }
}

/// Whether playing on can bring something better than the best solution known. Where the environment knows no bound on
/// the return, only shorter solutions are thought to be better.
fn promising(search: &Search, game: usize, steps: usize) -> bool {
    let Some((actions, best)) = search.solution(game) else { return true };
    match search.best_return(game) {
        Some(rest) => search.played(game).total + rest > best,
        None => steps + 1 < actions.len(),
    }
}

/// The simulations of the next move.
fn affordable(search: &Search, game: usize, config: SearchConfig, limit: &Limit<'_>) -> usize {
    // One node may be the root.
    let left = limit.nodes.saturating_sub(search.nodes(game)).saturating_sub(1);
    let simulations = left / config.max_expand_depth as u64;
    config.simulations.min(usize::try_from(simulations).unwrap_or(usize::MAX))
}
