//! AlphaZero (Silver et al. 2017) for one player, from top to bottom in the order in which it runs: self-play by tree
//! search, targets from the results of the search, then supervised updates on a replay of the last iterations.
//!
//! Targets of the policy are the shares of the visits (PUCT), or the improved policy (Gumbel: Danihelka et al. 2022);
//! targets of the value are discounted returns. A truncated game is bootstrapped with the last value of its search.

mod answers;
mod game;
mod self_play;

pub use self::answers::AlphaZeroAnswers;

use self::answers::GAMES;
use self::game::Played;
use self::self_play::SelfPlay;
use crate::Result;
use crate::algorithms::phase_timer::PhaseTimer;
use crate::algorithms::policy_in_training::PolicyInTraining;
use crate::algorithms::policy_optimizer::{PolicyOptimizer, UpdatePlan};
use crate::algorithms::spread::{Spread, Task, range};
use crate::algorithms::{Algorithm, Iteration, IterationOutput, MAX_STEPS_FIELD, by_returns};
use crate::config::AlphaZeroConfig;
use crate::data::ring_buffer::RingBuffer;
use crate::data::supervised_batch::SupervisedBatch;
use crate::gradient::loss::imitation::{Imitation, PolicyTargets};
use crate::record::metrics::names;
use crate::record::snapshot::Snapshot;
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::rng::Purpose;
use twisterl_core::rollout::Episode;

/// The name of the replay's arrays in a checkpoint.
const REPLAY: &str = "replay";

/// AlphaZero with its state between iterations.
pub struct AlphaZero {
    config: AlphaZeroConfig,
    seed: u64,
    self_play: SelfPlay,
    /// The examples of each of the last iterations.
    replay: RingBuffer<SupervisedBatch>,
    /// The examples of the whole replay, from the oldest to the newest.
    examples: SupervisedBatch,
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
        let collecting = &config.collecting;
        Ok(Self {
            seed,
            self_play: SelfPlay::new(collecting, seed, spec, 0..collecting.num_episodes)?,
            replay: RingBuffer::new(collecting.replay_iterations),
            examples: SupervisedBatch::default(),
            optimizer: PolicyOptimizer::new(policy.network(), seed)?,
            config: config.clone(),
        })
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
        let mut examples = SupervisedBatch::default();
        let games = self.play(policy, iteration, None)?;
        games.iter().for_each(|game| examples.extend(&game.examples));
        Ok(examples)
    }

    /// Plays the games of an iteration, here or by workers.
    fn play(
        &mut self,
        policy: &PolicyInTraining,
        iteration: &Iteration,
        spread: Option<&Spread<'_>>,
    ) -> Result<Vec<Played>> {
        let gamma = self.config.collecting.gamma as f32;
        let Some(spread) = spread else {
            self.self_play.play(policy.acting(), iteration)?;
            return Ok(self.self_play.games.iter_mut().map(|game| game.finish(gamma)).collect());
        };
        let parts = self.config.collecting.num_episodes.div_ceil(GAMES);
        let acting = policy.acting_policy();
        let answers = spread.ask(Task::Collect, iteration, &acting, Value::Null, parts)?;
        let mut games = Vec::new();
        for (part, answer) in answers.iter().enumerate() {
            let range = range(part, GAMES, self.config.collecting.num_episodes)?;
            games.extend(answers::read(answer, policy.network(), range.len())?);
        }
        Ok(games)
    }

    /// Makes the examples of all games the newest of the replay. Returns the episodes.
    fn gather(&mut self, iteration: &Iteration, games: &[Played]) -> Vec<Episode> {
        let collecting = &self.config.collecting;
        let episodes = games.iter().map(|game| game.episode).collect();
        let surprises = games.iter().flat_map(|game| &game.surprises);
        let (count, sum) = surprises.fold((0, 0.0), |(n, sum), s| (n + 1, sum + s));
        let mean = sum / (count as f32).max(1.0);
        let share = if mean > 0.0 { collecting.surprise as f32 } else { 0.0 };
        let mut rng = iteration.key(self.seed, Purpose::Choice).at(u64::MAX).stream();
        let mut newest = SupervisedBatch::default();
        for game in games {
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

impl Algorithm for AlphaZero {
    fn iterate(
        &mut self,
        policy: &mut PolicyInTraining,
        iteration: &Iteration,
        spread: Option<&Spread<'_>>,
    ) -> Result<IterationOutput> {
        let mut timer = PhaseTimer::start();
        let games = self.play(policy, iteration, spread)?;
        let episodes = self.gather(iteration, &games);
        timer.end(names::COLLECT);
        let training = &self.config.training;
        let objective = Imitation {
            examples: &self.examples,
            targets: PolicyTargets::Distribution,
            vf_coef: training.vf_coef as f32,
        };
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
        let mut rest = SupervisedBatch::load(REPLAY, snapshot.named("train.safetensors"))?;
        self.examples = rest.clone();
        self.replay = RingBuffer::new(self.config.collecting.replay_iterations);
        for rows in state.replay_rows {
            self.replay.push(rest.take_first(rows));
        }
        Ok(0)
    }

    fn default_limit(&self) -> Option<(&'static str, usize)> {
        self.config
            .collecting
            .max_steps
            .is_none()
            .then_some((MAX_STEPS_FIELD, self.self_play.max_steps))
    }
}

#[cfg(test)]
mod tests;
