//! AlphaZero (Silver et al. 2017) for one player, from top to bottom in the order in which it runs: self-play by tree
//! search, targets from the results of the search, then supervised updates on a replay of the last iterations.
//!
//! Targets of the policy are the shares of the visits (PUCT), or the improved policy (Gumbel: Danihelka et al. 2022);
//! targets of the value are discounted returns. A truncated game is bootstrapped with the last value of its search.

mod game;

use self::game::Game;
use crate::algorithms::phase_timer::PhaseTimer;
use crate::algorithms::policy_in_training::PolicyInTraining;
use crate::algorithms::policy_optimizer::{PolicyOptimizer, UpdatePlan};
use crate::algorithms::{Algorithm, Iteration, IterationOutput, MAX_STEPS_FIELD, by_returns};
use crate::config::{AlphaZeroCollecting, AlphaZeroConfig, SelectionName};
use crate::data::ring_buffer::RingBuffer;
use crate::data::supervised_batch::SupervisedBatch;
use crate::gradient::loss::imitation::Imitation;
use crate::record::metrics::names;
use crate::record::snapshot::Snapshot;
use crate::{Error, Result};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::evaluator::Evaluator as _;
use twisterl_core::rng::{Purpose, Rng};
use twisterl_core::rollout::{Episode, Starts};
use twisterl_core::search::{Dirichlet, Gumbel, Plan, Puct, Search, SearchConfig, Selection};
use twisterl_core::space::symmetry::Canonical;

/// The name of the replay's arrays in a checkpoint.
const REPLAY: &str = "replay";

/// AlphaZero with its state between iterations.
pub struct AlphaZero {
    config: AlphaZeroConfig,
    seed: u64,
    /// Longer games are truncated.
    max_steps: usize,
    search: Search,
    games: Vec<Game>,
    /// The examples of each of the last iterations.
    replay: RingBuffer<SupervisedBatch>,
    /// The examples of the whole replay, from the oldest to the newest.
    examples: SupervisedBatch,
    canonical: Canonical,
    optimizer: PolicyOptimizer,
}

/// The state of AlphaZero in a checkpoint, without the examples, which are arrays.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AlphaZeroState {
    /// The number of examples of each iteration, from the oldest to the newest.
    replay_rows: Vec<usize>,
}

impl AlphaZero {
    /// Builds AlphaZero for `policy`.
    ///
    /// # Errors
    /// If the environment's actions cannot be searched, or the policy does not fit it.
    pub fn new(
        config: &AlphaZeroConfig,
        seed: u64,
        spec: &dyn EnvSpec,
        policy: &PolicyInTraining,
    ) -> Result<Self> {
        let actions = spec.action_space();
        if actions.single_discrete().is_none() {
            let expected = "PPO, since AZ needs one discrete action";
            let found = format!("AZ with {:?}", actions.components());
            return Err(Error::config("algorithm_cls", expected, found));
        }
        let collecting = &config.collecting;
        Ok(Self {
            seed,
            max_steps: collecting.max_steps.unwrap_or(spec.episode_limits().search),
            search: Search::new(spec, collecting.num_episodes, search_config(collecting))?,
            games: Vec::new(),
            replay: RingBuffer::new(collecting.replay_iterations),
            examples: SupervisedBatch::default(),
            canonical: Canonical::default(),
            optimizer: PolicyOptimizer::new(policy.network(), seed)?,
            config: config.clone(),
        })
    }

    /// Plays one game in each slot, all in lock step.
    fn play(&mut self, policy: &PolicyInTraining, iteration: &Iteration) -> Result<()> {
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
            self.search.run(policy.acting(), &plans)?;
            for index in 0..self.games.len() {
                let rng = self.stream(Purpose::Act, iteration, index, move_number);
                self.advance(policy, index, rng)?;
            }
        }
        Ok(())
    }

    fn stream(&self, purpose: Purpose, iteration: &Iteration, game: usize, number: u64) -> Rng {
        iteration.key(self.seed, purpose).at(((game as u64) << 32) | number).stream()
    }

    /// Begins a game that is not solved already, if there are such. Returns its difficulty, if it begins with a scramble of
    /// the current one.
    fn begin(&mut self, iteration: &Iteration, game: usize) -> Result<Option<usize>> {
        let starts = &self.config.collecting.starts;
        let starts = Starts {
            difficulty: iteration.difficulty,
            uniform: starts.uniform,
            mixed: starts.mixed,
            remembered: 0.0,
            memory: &[],
        };
        let key = iteration.key(self.seed, Purpose::Start);
        let search = &mut self.search;
        let (start, _) = starts.begin_unsolved(
            |attempt| key.at(((game as u64) << 32) | attempt),
            |start, rng| {
                search.begin(game, start, rng)?;
                Ok(search.solved(game))
            },
        )?;
        Ok(start.scramble_difficulty())
    }

    /// Decides how the next move of each game is searched: in full, fast, or, once it is over, not at all.
    fn plan(&mut self, iteration: &Iteration, move_number: u64, plans: &mut [Plan]) {
        let collecting = &self.config.collecting;
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
    fn advance(&mut self, policy: &PolicyInTraining, index: usize, mut rng: Rng) -> Result<()> {
        let collecting = &self.config.collecting;
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
            game.learn(target, policy.acting().twists(), &mut self.canonical);
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

    /// Plays the games of `iteration` and returns their examples, game by game. Learns nothing from them.
    ///
    /// # Errors
    /// If the environment fails.
    pub fn examples(
        &mut self,
        policy: &PolicyInTraining,
        iteration: &Iteration,
    ) -> Result<SupervisedBatch> {
        self.play(policy, iteration)?;
        let gamma = self.config.collecting.gamma as f32;
        let mut examples = SupervisedBatch::default();
        for game in &mut self.games {
            game.finish(gamma);
            examples.extend(&game.examples);
        }
        Ok(examples)
    }

    /// Makes the examples of all games the newest of the replay. Returns the episodes.
    fn gather(&mut self, iteration: &Iteration) -> Vec<Episode> {
        let collecting = &self.config.collecting;
        let gamma = collecting.gamma as f32;
        let episodes = self.games.iter_mut().map(|game| game.finish(gamma)).collect();
        let surprises = self.games.iter().flat_map(|game| &game.surprises);
        let (count, sum) = surprises.fold((0, 0.0), |(n, sum), s| (n + 1, sum + s));
        let mean = sum / (count as f32).max(1.0);
        let share = if mean > 0.0 { collecting.surprise as f32 } else { 0.0 };
        let mut rng = iteration.key(self.seed, Purpose::Choice).at(u64::MAX).stream();
        let mut newest = SupervisedBatch::default();
        for game in &self.games {
            for (row, surprise) in game.surprises.iter().enumerate() {
                let copies = if share > 0.0 {
                    (1.0 - share + share * surprise / mean + rng.random::<f32>()) as usize
                } else {
                    1
                };
                (0..copies).for_each(|_| newest.push_row(&game.examples, row));
            }
        }
        self.replay.push(newest);
        self.examples.clear();
        for examples in self.replay.oldest_first() {
            self.examples.extend(examples);
        }
        episodes
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
fn simulations(collecting: &AlphaZeroCollecting, progress: f64) -> usize {
    let last = collecting.num_mcts_searches as f64;
    let first = collecting.num_mcts_searches_start.map_or(last, |first| first as f64);
    (first + (last - first) * progress).round() as usize
}

/// Returns the Kullback-Leibler divergence of `policy` from `prior`.
fn divergence(policy: &[f32], prior: &[f32]) -> f32 {
    let term = |(&p, &q): (&f32, &f32)| if p > 0.0 { p * (p / q.max(1e-9)).ln() } else { 0.0 };
    policy.iter().zip(prior).map(term).sum::<f32>().max(0.0)
}

impl Algorithm for AlphaZero {
    fn iterate(
        &mut self,
        policy: &mut PolicyInTraining,
        iteration: &Iteration,
    ) -> Result<IterationOutput> {
        let mut timer = PhaseTimer::start();
        self.play(policy, iteration)?;
        let episodes = self.gather(iteration);
        timer.end(names::COLLECT);
        let training = &self.config.training;
        let objective = Imitation { examples: &self.examples, vf_coef: training.vf_coef as f32 };
        let plan = UpdatePlan::supervised(training);
        let updated = self.optimizer.update(policy, &objective, &plan, iteration);
        let losses = updated.map_err(|e| by_returns(e, &self.examples.values))?.metrics;
        timer.end(names::UPDATE);
        let env_steps = episodes.iter().map(|e| e.length as u64).sum();
        Ok(IterationOutput { env_steps, episodes, losses, seconds: timer.seconds() })
    }

    fn snapshot(&self) -> Snapshot {
        let replay_rows = self.replay.oldest_first().map(SupervisedBatch::len).collect();
        let mut snapshot =
            Snapshot { state: json!(AlphaZeroState { replay_rows }), arrays: Vec::new() };
        self.examples.save(REPLAY, &mut snapshot.arrays);
        snapshot
    }

    fn restore(&mut self, _: &PolicyInTraining, snapshot: &Snapshot) -> Result<usize> {
        let state: AlphaZeroState = snapshot.read_state("the state of AlphaZero")?;
        let mut rest = SupervisedBatch::load(REPLAY, &snapshot.arrays)?;
        self.examples = rest.clone();
        self.replay = RingBuffer::new(self.config.collecting.replay_iterations);
        for rows in state.replay_rows {
            self.replay.push(rest.take_first(rows));
        }
        Ok(0)
    }

    fn default_limit(&self) -> Option<(&'static str, usize)> {
        self.config.collecting.max_steps.is_none().then_some((MAX_STEPS_FIELD, self.max_steps))
    }
}

#[cfg(test)]
mod tests;
