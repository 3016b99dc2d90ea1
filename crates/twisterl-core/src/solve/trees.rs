//! Solving by tree search, move by move.

use super::play::start_stream;
use super::{Objective, Solution, Solver};
use crate::Result;
use crate::env::Start;
use crate::parallel;
use crate::search::{ActionPath, Limit, Plan, SEARCH_GROUP, Search, SearchConfig, exceeds};

/// Set in the index of the streams of sampled moves, beside the game and the number of the move.
const MOVE: u64 = 1 << 62;

impl Solver<'_> {
    /// Plays `starts` in groups that step together. Solutions found inside a tree count as well as those played, and a
    /// game ends when nothing better can follow. In an environment that does not repeat itself, only the played ones count.
    pub(super) fn trees(
        &self,
        config: SearchConfig,
        starts: &[Start<'_>],
    ) -> Result<Vec<Solution>> {
        let games = SEARCH_GROUP.min(starts.len());
        let play = |search: &mut Option<Search>, (group, starts): (usize, &[Start<'_>])| {
            let search = match search {
                Some(search) => search,
                None => search.insert(Search::new(self.spec, games, config)?),
            };
            search.forget_evaluations();
            self.play_games(search, config, self.first + group * SEARCH_GROUP, starts)
        };
        let groups = starts.chunks(SEARCH_GROUP).enumerate();
        let played = parallel::try_map_init(groups, || None, play)?;
        Ok(played.into_iter().flatten().collect())
    }

    /// Plays one group, whose first start is number `first`.
    fn play_games(
        &self,
        search: &mut Search,
        config: SearchConfig,
        first: usize,
        starts: &[Start<'_>],
    ) -> Result<Vec<Solution>> {
        let limit = self.budget.begin(starts.len());
        let max_steps = self.max_steps.unwrap_or(self.spec.episode_limits().search);
        let mut seconds = vec![0.0; starts.len()];
        let mut plans = vec![Plan::default(); starts.len()];
        let mut live = Vec::with_capacity(starts.len());
        for (game, start) in starts.iter().enumerate() {
            search.begin(game, *start, &mut start_stream(self.key, first + game))?;
            if search.solution(game).is_none() {
                live.push(game);
            }
        }
        let repeats = self.spec.is_deterministic();
        for step in 0..max_steps {
            live.retain(|&game| !repeats || self.can_improve(search, game, step));
            plan_move(search, config, &limit, &mut live, &mut plans);
            if live.is_empty() {
                break;
            }
            search.run_within(self.evaluator, &plans, &limit)?;
            for &game in &live {
                seconds[game] = limit.elapsed();
            }
            if limit.expired() {
                break;
            }
            self.make_moves(search, config.temperature, (first, step), &mut live)?;
        }
        let solutions = seconds.into_iter().enumerate().map(|(game, seconds)| {
            let mut path = search.played(game);
            path.solved = !repeats && search.solved(game);
            // A tree may look beyond the longest solution allowed.
            if let Some((actions, total)) = search.solution(game)
                && repeats
                && actions.len() <= max_steps
            {
                path = ActionPath { solved: true, total, actions: actions.to_vec() };
            }
            let simulations = search.simulations(game);
            let reported = search.reported_solution(game)?;
            let solution = self.solution(path, search.nodes(game), seconds);
            Ok(Solution { simulations, reported, ..solution })
        });
        solutions.collect()
    }

    /// Returns whether more moves can lead to a better solution than the best one found. If the environment knows no bound on
    /// the return, only shorter solutions are assumed to be better, or any if returns count.
    fn can_improve(&self, search: &Search, game: usize, step: usize) -> bool {
        let Some((actions, best)) = search.solution(game) else { return true };
        match (self.objective, search.best_return(game)) {
            (Objective::Length, Some(rest)) => search.total(game) + rest > best,
            (Objective::Length, None) => step + 1 < actions.len(),
            (Objective::Return, Some(rest)) => exceeds(search.total(game) + rest, best),
            (Objective::Return, None) => true,
        }
    }

    /// Makes move number `step` in every live game, and removes the games that are over. Game 0 plays start number
    /// `first`.
    fn make_moves(
        &self,
        search: &mut Search,
        temperature: f32,
        (first, step): (usize, usize),
        live: &mut Vec<usize>,
    ) -> Result<()> {
        let mut result = Ok(());
        live.retain(|&game| {
            let index = MOVE | ((first + game) as u64) << 32 | step as u64;
            let action = search.root(game).draw(temperature, &mut self.key.at(index).stream());
            match search.advance(game, action) {
                Ok(step) => !step.done(),
                Err(error) => {
                    result = Err(error);
                    false
                }
            }
        });
        result
    }
}

/// Plans the next move of every live game, and removes the games that have no simulations left.
fn plan_move(
    search: &Search,
    config: SearchConfig,
    limit: &Limit<'_>,
    live: &mut Vec<usize>,
    plans: &mut [Plan],
) {
    for plan in &mut *plans {
        plan.simulations = 0;
    }
    live.retain(|&game| {
        // One node may be the root.
        let nodes = limit.nodes.saturating_sub(search.nodes(game)).saturating_sub(1);
        let simulations = nodes / config.max_expand_depth as u64;
        let simulations = usize::try_from(simulations).unwrap_or(usize::MAX);
        plans[game].simulations = config.simulations.min(simulations);
        plans[game].simulations > 0
    });
}
