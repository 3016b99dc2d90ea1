//! Self-play as workers answer it, [`GAMES`] games a part.

use super::game::Played;
use super::self_play::SelfPlay;
use crate::Result;
use crate::algorithms::spread::{
    Answer, Answers, Asked, EpisodeRow, episode_rows, episodes_of, range,
};
use crate::config::AlphaZeroConfig;
use crate::data::supervised_batch::SupervisedBatch;
use crate::record::snapshot::{ArrayData, Snapshot};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::policy::network::Network;

/// The games of a part.
pub(super) const GAMES: usize = 16;
const EXAMPLES: &str = "examples";
const SURPRISES: &str = "surprises";

/// The small values of an answer.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Small {
    /// The number of examples of each game.
    rows: Vec<usize>,
    episodes: Vec<EpisodeRow>,
}

/// The worker's side of AlphaZero.
pub struct AlphaZeroAnswers {
    config: AlphaZeroConfig,
    seed: u64,
    spec: Arc<dyn EnvSpec>,
}

impl AlphaZeroAnswers {
    /// Answers questions about a run with this config and seed.
    pub fn new(config: &AlphaZeroConfig, seed: u64, spec: Arc<dyn EnvSpec>) -> Self {
        Self { config: config.clone(), seed, spec }
    }
}

impl Answers for AlphaZeroAnswers {
    fn collect(&mut self, asked: &Asked, part: usize) -> Result<Snapshot> {
        let collecting = &self.config.collecting;
        let games = range(part, GAMES, collecting.num_episodes)?;
        let mut play = SelfPlay::new(collecting, self.seed, &*self.spec, games)?;
        play.play(&asked.executor, &asked.iteration)?;
        let gamma = collecting.gamma as f32;
        let games: Vec<Played> = play.games.iter_mut().map(|game| game.finish(gamma)).collect();
        let mut examples = SupervisedBatch::default();
        games.iter().for_each(|game| examples.extend(&game.examples));
        let surprises = games.iter().flat_map(|game| game.surprises.iter().copied()).collect();
        let mut arrays = vec![(SURPRISES.into(), ArrayData::F32(surprises))];
        examples.save(EXAMPLES, &mut arrays);
        let episodes: Vec<_> = games.iter().map(|game| game.episode).collect();
        let rows = games.iter().map(|game| game.examples.len()).collect();
        let small = Small { rows, episodes: episode_rows(&episodes) };
        Ok(Snapshot { state: json!(small), arrays })
    }
}

/// Reads an answer about this many games of a policy with `network`.
///
/// # Errors
/// If a part is missing or does not fit.
pub(super) fn read(answer: &Answer, network: &Network, games: usize) -> Result<Vec<Played>> {
    let Small { rows, episodes } = answer.state()?;
    let mut examples = SupervisedBatch::load(EXAMPLES, answer.arrays())?;
    let surprises = answer.arrays().floats(SURPRISES)?;
    let all = rows.iter().try_fold(0usize, |all, &rows| all.checked_add(rows));
    let width = network.actions.mask_width();
    if all != Some(examples.len())
        || surprises.len() != examples.len()
        || examples.masks.len() != examples.len() * width
        || [rows.len(), episodes.len()] != [games; 2]
    {
        let found = format!("{} examples of {} games", examples.len(), episodes.len());
        let expected = format!("the examples of {games} games, of {width} actions each");
        return Err(answer.wrong(&format!("{found} in place of {expected}")));
    }
    examples.observations.check(&network.observation).map_err(|error| answer.wrong(&error))?;
    let mut rest = surprises;
    let played = rows.into_iter().zip(episodes_of(&episodes)).map(|(rows, episode)| {
        let (own, others) = rest.split_at(rows.min(rest.len()));
        rest = others;
        Played { examples: examples.take_first(rows), surprises: own.to_vec(), episode }
    });
    Ok(played.collect())
}
