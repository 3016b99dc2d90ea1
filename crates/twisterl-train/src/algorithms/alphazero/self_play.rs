//! Self-play by tree search: games in lock step, from their starts to their ends.

use super::game::Game;
use crate::algorithms::Iteration;
use crate::config::{AlphaZeroCollecting, SelectionName};
use crate::{Error, Result};
use rand::RngExt as _;
use std::ops::Range;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::rng::{Purpose, Rng};
use twisterl_core::rollout::Starts;
use twisterl_core::search::{Dirichlet, Gumbel, Plan, Puct, Search, SearchConfig, Selection};
use twisterl_core::space::symmetry::{Canonical, Twist};

/// Games of an iteration, with the memory of their search.
pub(super) struct SelfPlay {
    config: AlphaZeroCollecting,
    seed: u64,
    /// The number of the first game.
    first: usize,
    /// Longer games are truncated.
    pub(super) max_steps: usize,
    pub(super) search: Search,
    pub(super) games: Vec<Game>,
    canonical: Canonical,
}

impl SelfPlay {
    /// Prepares for these of the games of each iteration.
    ///
    /// # Errors
    /// If the environment's actions cannot be searched.
    pub(super) fn new(
        config: &AlphaZeroCollecting,
        seed: u64,
        spec: &dyn EnvSpec,
        games: Range<usize>,
    ) -> Result<Self> {
        let actions = spec.action_space();
        if actions.single_discrete().is_none() {
            let expected = "PPO, since AZ needs one discrete action";
            let found = format!("AZ with {:?}", actions.components());
            return Err(Error::config("algorithm_cls", expected, found));
        }
        Ok(Self {
            seed,
            first: games.start,
            max_steps: config.max_steps.unwrap_or(spec.episode_limits().search),
            search: Search::new(spec, games.len(), search_config(config))?,
            games: Vec::new(),
            canonical: Canonical::default(),
            config: config.clone(),
        })
    }

    /// Plays one game in each slot, all in lock step.
    pub(super) fn play(&mut self, evaluator: &dyn Evaluator, iteration: &Iteration) -> Result<()> {
        self.search.forget_evaluations();
        self.games.clear();
        for game in 0..self.search.games() {
            let difficulty = self.begin(iteration, game)?;
            // A game that begins solved is over: there is nothing to search.
            let solved = self.search.solved(game);
            self.games.push(Game { difficulty, over: solved, solved, ..Game::default() });
        }
        let mut plans = vec![Plan::default(); self.games.len()];
        for move_number in 0u64.. {
            self.plan(iteration, move_number, &mut plans);
            if plans.iter().all(|plan| plan.simulations == 0) {
                break;
            }
            self.search.run(evaluator, &plans)?;
            for index in 0..self.games.len() {
                let rng = self.stream(Purpose::Act, iteration, index, move_number);
                self.advance(evaluator.twists(), index, rng)?;
            }
        }
        Ok(())
    }

    /// Returns the index of a stream of a game.
    fn index(&self, game: usize, number: u64) -> u64 {
        (((self.first + game) as u64) << 32) | number
    }

    fn stream(&self, purpose: Purpose, iteration: &Iteration, game: usize, number: u64) -> Rng {
        iteration.key(self.seed, purpose).at(self.index(game, number)).stream()
    }

    /// Begins a game that is not solved already, if there are such. Returns its difficulty, if it begins with a scramble of
    /// the current one.
    fn begin(&mut self, iteration: &Iteration, game: usize) -> Result<Option<usize>> {
        let starts = &self.config.starts;
        let starts = Starts {
            difficulty: iteration.difficulty,
            uniform: starts.uniform,
            mixed: starts.mixed,
            remembered: 0.0,
            memory: &[],
        };
        let key = iteration.key(self.seed, Purpose::Start);
        let first = self.index(game, 0);
        let search = &mut self.search;
        let (start, _) = starts.begin_unsolved(
            |attempt| key.at(first | attempt),
            |start, rng| {
                search.begin(game, start, rng)?;
                Ok(search.solved(game))
            },
        )?;
        Ok(start.scramble_difficulty())
    }

    /// Decides how the next move of each game is searched: in full, fast, or, once it is over, not at all.
    fn plan(&mut self, iteration: &Iteration, move_number: u64, plans: &mut [Plan]) {
        let collecting = &self.config;
        let simulations = simulations(collecting, iteration.progress);
        let (share, fast) = (collecting.full_searches, collecting.num_fast_searches);
        for (index, plan) in plans.iter_mut().enumerate() {
            let mut rng = self.stream(Purpose::Search, iteration, index, move_number);
            let game = &mut self.games[index];
            game.full = share >= 1.0 || rng.random::<f64>() < share;
            plan.simulations = match game {
                Game { over: true, .. } => 0,
                Game { full: true, .. } => simulations,
                _ => fast.min(simulations),
            };
            plan.noise = Some(rng);
        }
    }

    /// Makes the move of a game that was searched, and records the results of the search.
    fn advance(&mut self, twists: &[Twist], index: usize, mut rng: Rng) -> Result<()> {
        let collecting = &self.config;
        let game = &mut self.games[index];
        if game.over {
            return Ok(());
        }
        let root = self.search.root(index);
        let action = match collecting.selection {
            SelectionName::Puct => root.draw(collecting.temperature as f32, &mut rng),
            SelectionName::Gumbel => root.action,
        };
        let (target, q) = (root.policy.to_vec(), root.q[action]);
        game.learned.push(game.full);
        if game.full {
            game.surprises.push(divergence(root.policy, root.prior));
            let Game { examples, .. } = game;
            self.search.observe(index, &mut examples.observations, &mut examples.masks)?;
            game.learn(target, twists, &mut self.canonical);
        }
        let mut step = self.search.advance(index, action)?;
        game.rewards.push(step.reward);
        step.truncated |= game.rewards.len() >= self.max_steps && !step.terminated;
        if step.done() {
            game.over = true;
            game.solved = self.search.solved(index);
            if step.truncated && !step.terminated {
                game.bootstrap_value = (q - step.reward) / collecting.gamma.max(1e-6) as f32;
            }
        }
        Ok(())
    }
}

/// The search of self-play.
fn search_config(collecting: &AlphaZeroCollecting) -> SearchConfig {
    let selection = match collecting.selection {
        SelectionName::Puct => Selection::Puct(Puct {
            exploration: collecting.c as f32,
            noise: Dirichlet { share: collecting.noise as f32, ..Puct::default().noise },
            forced: collecting.forced_playouts as f32,
            ..Puct::default()
        }),
        SelectionName::Gumbel => Selection::Gumbel(Gumbel::default()),
    };
    SearchConfig {
        gamma: collecting.gamma as f32,
        max_expand_depth: collecting.max_expand_depth,
        ..SearchConfig::new(selection, collecting.most_simulations())
    }
}

/// Returns the simulations of a full search.
pub(super) fn simulations(collecting: &AlphaZeroCollecting, progress: f64) -> usize {
    let last = collecting.num_mcts_searches as f64;
    let first = collecting.num_mcts_searches_start.map_or(last, |first| first as f64);
    (first + (last - first) * progress).round() as usize
}

/// Returns the Kullback-Leibler divergence of `policy` from `prior`.
pub(super) fn divergence(policy: &[f32], prior: &[f32]) -> f32 {
    let term = |(&p, &q): (&f32, &f32)| if p > 0.0 { p * (p / q.max(1e-9)).ln() } else { 0.0 };
    policy.iter().zip(prior).map(term).sum::<f32>().max(0.0)
}
