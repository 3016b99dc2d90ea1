//! Walks as workers answer them, [`GROUPS`] groups a part.

use super::{GROUP, WalkGroup, walk_config};
use crate::algorithms::Iteration;
use crate::algorithms::expert_iteration;
use crate::algorithms::policy_in_training::PolicyInTraining;
use crate::algorithms::spread::{Answer, Answers, Asked, Spread, Task, range};
use crate::config::{BackwardScrambleCollecting, BackwardScrambleConfig};
use crate::data::observation_arrays;
use crate::record::snapshot::{ArrayData, Snapshot};
use crate::{Error, Result};
use serde_json::Value;
use std::sync::Arc;
use twisterl_core::env::walk::{Walk, Walks};
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::policy::network::Network;
use twisterl_core::rng::Purpose;

/// The groups of walks of a part.
const GROUPS: usize = 2;

/// The worker's side of BackwardScramble.
pub struct WalkAnswers {
    collecting: BackwardScrambleCollecting,
    seed: u64,
    spec: Arc<dyn EnvSpec>,
    walker: Box<dyn Walk>,
}

impl WalkAnswers {
    /// Answers questions about a run with this config and seed.
    ///
    /// # Errors
    /// If the environment's actions cannot be undone.
    pub fn new(config: &BackwardScrambleConfig, seed: u64, spec: Arc<dyn EnvSpec>) -> Result<Self> {
        let walker = Arc::clone(&spec).walker()?;
        Ok(Self { collecting: config.collecting.clone(), seed, spec, walker })
    }
}

impl Answers for WalkAnswers {
    fn collect(&mut self, asked: &Asked, part: usize) -> Result<Snapshot> {
        let config = walk_config(&self.collecting, &asked.executor);
        let key = asked.iteration.key(self.seed, Purpose::Walk);
        let mut walks = Walks::default();
        for index in range(part, GROUPS * GROUP, self.collecting.num_walks)? {
            self.walker.walk(&config, &mut key.at(index as u64).stream(), &mut walks)?;
        }
        let mut arrays = Vec::new();
        observation_arrays::save(&walks.observations, "observations", &mut arrays);
        let flags = |flags: &[bool]| ArrayData::U32(flags.iter().map(|&f| f.into()).collect());
        arrays.extend([
            ("masks".to_owned(), flags(&walks.masks)),
            ("labels".to_owned(), flags(&walks.labels)),
            ("actions".to_owned(), ArrayData::U32(walks.actions)),
            ("returns".to_owned(), ArrayData::F32(walks.returns)),
            ("distances".to_owned(), ArrayData::U32(walks.distances)),
        ]);
        Ok(Snapshot { state: Value::Null, arrays })
    }

    fn search(&mut self, asked: &Asked, part: usize) -> Result<Snapshot> {
        let Some(experts) = &self.collecting.experts else {
            return Err(Error::config("question", "no search in a run without experts", "one"));
        };
        expert_iteration::answer(experts, self.seed, &self.spec, asked, part)
    }
}

/// Has workers make the walks of an iteration. Each part goes to the first of its groups.
pub(super) fn ask_walks(
    spread: &Spread<'_>,
    policy: &PolicyInTraining,
    iteration: &Iteration,
    collecting: &BackwardScrambleCollecting,
    groups: &mut [WalkGroup],
) -> Result<()> {
    let parts = collecting.num_walks.div_ceil(GROUPS * GROUP);
    let acting = policy.acting_policy();
    let answers = spread.ask(Task::Collect, iteration, &acting, Value::Null, parts)?;
    groups.iter_mut().for_each(|group| group.walks.clear());
    for (group, answer) in groups.iter_mut().step_by(GROUPS).zip(&answers) {
        group.walks = read(answer, policy.network())?;
    }
    Ok(())
}

/// Reads an answer for a policy with `network`.
fn read(answer: &Answer, network: &Network) -> Result<Walks> {
    let arrays = answer.arrays();
    let flags = |name: &str| -> Result<Vec<bool>> {
        Ok(arrays.whole(name)?.iter().map(|&flag| flag != 0).collect())
    };
    let walks = Walks {
        observations: observation_arrays::load("observations", arrays)?,
        masks: flags("masks")?,
        labels: flags("labels")?,
        actions: arrays.whole("actions")?.to_vec(),
        returns: arrays.floats("returns")?.to_vec(),
        distances: arrays.whole("distances")?.to_vec(),
    };
    let (rows, width) = (walks.observations.len(), network.actions.mask_width());
    let lengths = [walks.actions.len(), walks.returns.len(), walks.distances.len()];
    let flags = [walks.masks.len(), walks.labels.len()];
    if lengths != [rows; 3] || flags != [rows * width; 2] {
        return Err(arrays.wrong("actions", &format!("those of {rows} states")));
    }
    if let Some(action) = walks.actions.iter().find(|&&action| action as usize >= width) {
        return Err(answer.wrong(&format!("action {action} of {width}")));
    }
    if width > 0 && walks.labels.chunks(width).any(|row| !row.contains(&true)) {
        return Err(answer.wrong(&"a state without an action to learn"));
    }
    walks.observations.check(&network.observation).map_err(|error| answer.wrong(&error))?;
    Ok(walks)
}
