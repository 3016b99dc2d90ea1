//! AlphaZero (Silver et al. 2017) for one player, from top to bottom in the order in which it runs: self-play by tree
//! search, what the search said as targets, then supervised updates on a replay of the last iterations.
//!
//! Targets of the policy are the shares of the visits (PUCT), or the improved policy (Gumbel: Danihelka et al. 2022);
//! targets of the value are discounted returns to go. A truncated game is worth what the search last thought of it.

use crate::algorithms::policy_optimizer::PolicyOptimizer;
use crate::algorithms::{Algorithm, Iteration, IterationOutput};
use crate::config::{AlgorithmConfig, CollectingConfig, RunConfig, SelectionName};
use crate::gradient::loss::imitation::SupervisedBatch;
use crate::record::snapshot::Snapshot;
use crate::{Error, Result};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use std::collections::VecDeque;
use std::time::Instant;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::evaluator::Evaluator as _;
use twisterl_core::policy::Policy;
use twisterl_core::policy::executor::Executor;
use twisterl_core::rng::{Purpose, Rng};
use twisterl_core::rollout::{Episode, OwnedStart, Starts};
use twisterl_core::search::{Dirichlet, Gumbel, Plan, Puct, Search, SearchConfig, Selection};
use twisterl_core::space::symmetry::Canonical;

/// Draws of a start before one that is solved already is taken all the same.
const REDRAWS: u64 = 64;

/// AlphaZero with all that it carries from iteration to iteration.
pub struct AlphaZero {
    config: AlgorithmConfig,
    seed: u64,
    search: Search,
    games: Vec<Game>,
    /// SupervisedBatch of the last iterations, the newest last.
    replay: VecDeque<SupervisedBatch>,
    /// All of them.
    examples: SupervisedBatch,
    canonical: Canonical,
    trainee: PolicyOptimizer,
}

/// A game under way.
#[derive(Default)]
struct Game {
    examples: SupervisedBatch,
    /// How far the search moved the policy, an example: the Kullback-Leibler divergence.
    surprises: Vec<f32>,
    rewards: Vec<f32>,
    /// Which moves were learned from.
    learned: Vec<bool>,
    /// Whether this move is searched in full, and learned from.
    full: bool,
    difficulty: Option<usize>,
    over: bool,
    /// What a truncated game can still be hoped to bring; 0 for one that ended.
    bootstrap_value: f32,
    solved: bool,
}

impl AlphaZero {
    /// Starts from the weights of `policy`.
    ///
    /// # Errors
    /// If the environment's actions cannot be searched, or the policy does not fit it.
    pub fn new(config: &RunConfig, spec: &dyn EnvSpec, policy: &Policy) -> Result<Self> {
        let actions = spec.action_space();
        if actions.single_discrete().is_none() {
            let expected = "PPO, since AZ needs one discrete action";
            let found = format!("AZ with {:?}", actions.components());
            return Err(Error::config("algorithm_cls", expected, found));
        }
        let algorithm = config.algorithm.clone();
        let collecting = &algorithm.collecting;
        let selection = match collecting.selection {
            SelectionName::Puct => Selection::Puct(Puct {
                exploration: collecting.c as f32,
                noise: Dirichlet { share: collecting.noise as f32, ..Puct::default().noise },
                forced: collecting.forced_playouts as f32,
                ..Puct::default()
            }),
            SelectionName::Gumbel => Selection::Gumbel(Gumbel::default()),
        };
        let search = SearchConfig {
            gamma: collecting.gamma as f32,
            max_expand_depth: collecting.max_expand_depth,
            ..SearchConfig::new(selection, collecting.most_simulations())
        };
        Ok(Self {
            seed: config.seed,
            search: Search::new(spec, collecting.num_episodes, search)?,
            games: Vec::new(),
            replay: VecDeque::new(),
            examples: SupervisedBatch::default(),
            canonical: Canonical::default(),
            trainee: PolicyOptimizer::new(&algorithm.optimizer, policy)?,
            config: algorithm,
        })
    }

    /// Plays one game in each slot, all in lock step.
    fn play(&mut self, iteration: &Iteration) -> Result<()> {
        self.search.forget_evaluations();
        self.games.clear();
        for game in 0..self.search.games() {
            let difficulty = self.begin(iteration, game)?;
            self.games.push(Game { difficulty, ..Game::default() });
        }
        let collecting = &self.config.collecting;
        let simulations = simulations(collecting, iteration.progress);
        let (share, fast) = (collecting.full_searches, collecting.num_fast_searches);
        let mut plans = vec![Plan::default(); self.games.len()];
        for move_number in 0u64.. {
            let mut games = std::mem::take(&mut self.games);
            for (index, (plan, game)) in plans.iter_mut().zip(&mut games).enumerate() {
                let mut rng = self.stream(Purpose::Search, iteration, index, move_number);
                game.full = share >= 1.0 || rng.random::<f64>() < share;
                plan.simulations = match game {
                    Game { over: true, .. } => 0,
                    Game { full: true, .. } => simulations,
                    _ => fast.min(simulations),
                };
                plan.noise = Some(rng);
            }
            self.games = games;
            if plans.iter().all(|plan| plan.simulations == 0) {
                break;
            }
            self.search.run(self.trainee.acting(), &plans)?;
            for index in 0..self.games.len() {
                let rng = self.stream(Purpose::Act, iteration, index, move_number);
                self.advance(index, rng)?;
            }
        }
        Ok(())
    }

    fn stream(&self, purpose: Purpose, iteration: &Iteration, game: usize, number: u64) -> Rng {
        iteration.key(self.seed, purpose).at(((game as u64) << 32) | number).stream()
    }

    /// Begins a game that is not solved already. Returns its difficulty, if it begins with a scramble of the current
    /// one.
    fn begin(&mut self, iteration: &Iteration, game: usize) -> Result<Option<usize>> {
        let starts = &self.config.collecting.starts;
        let starts = Starts {
            difficulty: iteration.difficulty,
            uniform: starts.uniform,
            mixed: starts.mixed,
            remembered: 0.0,
            memory: &[],
        };
        let mut difficulty = None;
        for draw in 0..REDRAWS {
            let start = starts.draw(&mut self.stream(Purpose::Choice, iteration, game, draw));
            let mut rng = self.stream(Purpose::Start, iteration, game, draw);
            self.search.begin(game, start.borrow(), &mut rng)?;
            difficulty = match start {
                OwnedStart::Scramble { difficulty } => Some(difficulty),
                _ => None,
            };
            if !self.search.solved(game) {
                break;
            }
        }
        Ok(difficulty)
    }

    /// Makes the move of a game that was searched, and keeps what the search said.
    fn advance(&mut self, index: usize, mut rng: Rng) -> Result<()> {
        let Some(game) = self.games.get_mut(index).filter(|game| !game.over) else { return Ok(()) };
        let root = self.search.root(index);
        let action = match self.config.collecting.selection {
            SelectionName::Puct => root.draw(self.config.collecting.temperature as f32, &mut rng),
            SelectionName::Gumbel => root.action,
        };
        let (policy, q) = (root.policy.to_vec(), root.q.get(action).copied().unwrap_or(0.0));
        game.learned.push(game.full);
        if game.full {
            game.surprises.push(divergence(root.policy, root.prior));
            self.learn_from(index, policy)?;
        }
        let step = self.search.advance(index, action)?;
        let Some(game) = self.games.get_mut(index) else { return Ok(()) };
        game.rewards.push(step.reward);
        if step.done() {
            game.over = true;
            game.solved = self.search.solved(index);
            if step.truncated && !step.terminated {
                game.bootstrap_value =
                    (q - step.reward) / self.config.collecting.gamma.max(1e-6) as f32;
            }
        }
        Ok(())
    }

    /// Adds what the search said of a game's state to its examples, in the frame in which the policy sees it.
    fn learn_from(&mut self, index: usize, policy: Vec<f32>) -> Result<()> {
        let Some(game) = self.games.get_mut(index) else { return Ok(()) };
        let examples = &mut game.examples;
        self.search.observe(index, &mut examples.observations, &mut examples.masks)?;
        let row = examples.observations.len() - 1;
        let width = policy.len();
        let mask = examples.masks.get_mut(row * width..).unwrap_or(&mut []);
        let twists = self.trainee.acting().twists();
        let twist = self.canonical.apply_row(twists, &mut examples.observations, row, mask);
        match twist {
            None => examples.policies.extend(policy),
            Some(twist) => {
                let first = examples.policies.len();
                examples.policies.resize(first + width, 0.0);
                for (&share, &to) in policy.iter().zip(&twist.action) {
                    if let Some(place) = examples.policies.get_mut(first + to as usize) {
                        *place = share;
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns to go, and the examples of all games as the newest of the replay. Returns the episodes.
    fn gather(&mut self, iteration: &Iteration) -> Vec<Episode> {
        let collecting = &self.config.collecting;
        let mut newest = SupervisedBatch::default();
        let mut episodes = Vec::with_capacity(self.games.len());
        for game in &mut self.games {
            let mut value = game.bootstrap_value;
            for (&reward, &learned) in game.rewards.iter().zip(&game.learned).rev() {
                value = reward + collecting.gamma as f32 * value;
                game.examples.values.extend(learned.then_some(value));
            }
            game.examples.values.reverse();
            episodes.push(Episode {
                difficulty: game.difficulty,
                length: game.rewards.len(),
                total: game.rewards.iter().sum(),
                solved: game.solved,
            });
        }
        let surprises = self.games.iter().flat_map(|game| &game.surprises);
        let (count, sum) = surprises.fold((0, 0.0), |(n, sum), s| (n + 1, sum + s));
        let mean = sum / (count as f32).max(1.0);
        let share = if mean > 0.0 { collecting.surprise as f32 } else { 0.0 };
        let mut rng = iteration.key(self.seed, Purpose::Choice).at(u64::MAX).stream();
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
        self.replay.push_back(newest);
        while self.replay.len() > collecting.replay_iterations {
            self.replay.pop_front();
        }
        self.examples.clear();
        for examples in &self.replay {
            self.examples.extend(examples);
        }
        episodes
    }
}

/// Simulations of a full search.
fn simulations(collecting: &CollectingConfig, progress: f64) -> usize {
    let last = collecting.num_mcts_searches as f64;
    let first = collecting.num_mcts_searches_start.map_or(last, |first| first as f64);
    (first + (last - first) * progress).round() as usize
}

/// The Kullback-Leibler divergence of `policy` from `prior`.
fn divergence(policy: &[f32], prior: &[f32]) -> f32 {
    let term = |(&p, &q): (&f32, &f32)| if p > 0.0 { p * (p / q.max(1e-9)).ln() } else { 0.0 };
    policy.iter().zip(prior).map(term).sum::<f32>().max(0.0)
}

impl Algorithm for AlphaZero {
    fn iterate(&mut self, iteration: &Iteration) -> Result<IterationOutput> {
        let start = Instant::now();
        self.play(iteration)?;
        let episodes = self.gather(iteration);
        let played = start.elapsed();
        let (training, key) = (&self.config.training, (self.seed, iteration));
        let losses = self.trainee.imitate(&self.examples, training, key)?;
        let updated = start.elapsed();
        let mut seconds = Map::new();
        seconds.insert("collect".into(), json!(played.as_secs_f64()));
        seconds.insert("update".into(), json!((updated - played).as_secs_f64()));
        let env_steps = episodes.iter().map(|e| e.length as u64).sum();
        Ok(IterationOutput { env_steps, episodes, losses, seconds })
    }

    fn interrupt_by(&mut self, interrupt: &Interrupt) {
        self.trainee.interrupt_by(interrupt);
    }

    fn parameters(&self) -> &[f32] {
        self.trainee.parameters()
    }

    fn executor(&self) -> &Executor {
        self.trainee.executor()
    }

    fn snapshot(&self) -> Snapshot {
        let rows: Vec<usize> = self.replay.iter().map(SupervisedBatch::len).collect();
        let mut snapshot = self.trainee.snapshot(json!(AlphaZeroState { replay_rows: rows }));
        // The examples are those of the replay, one iteration after the other.
        self.examples.save("replay", &mut snapshot.arrays);
        snapshot
    }

    fn restore(&mut self, parameters: &[f32], snapshot: &Snapshot) -> Result<()> {
        let state = self.trainee.restore(parameters, snapshot)?;
        let state: AlphaZeroState = serde_path_to_error::deserialize(&state).map_err(|e| {
            let expected = format!("the state of AlphaZero at {}", e.path());
            Error::checkpoint("state.json", expected, e.inner())
        })?;
        let mut rest = SupervisedBatch::load("replay", &snapshot.arrays)?;
        self.examples = rest.clone();
        self.replay.clear();
        for rows in state.replay_rows {
            self.replay.push_back(rest.take_first(rows));
        }
        Ok(())
    }
}

/// What a checkpoint holds beside the policy in training and the examples.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AlphaZeroState {
    /// SupervisedBatch of each iteration of the replay.
    replay_rows: Vec<usize>,
}

#[cfg(test)]
mod tests;
