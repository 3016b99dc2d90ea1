//! The checkpoints of a run: their content, and the moments at which they are written.

use crate::algorithms::Algorithm;
use crate::config::{ChangedField, LoggingConfig, Override, RunConfig};
use crate::record::checkpoint::Checkpoint;
use crate::record::metrics::{LogLengths, RunLog};
use crate::record::run_folder::{LockedFolder, RunFolder};
use crate::record::snapshot::Snapshot;
use crate::trainer::Trainer;
use crate::trainer::curriculum::Curriculum;
use crate::trainer::evaluation::{EvaluationResult, Score};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::interrupt::Hold;

/// An iteration that takes this many seconds is followed by a checkpoint, from which a run that is interrupted in the next
/// one resumes.
const SLOW: f64 = 0.5;
/// The largest share of the time that these checkpoints may take.
const SAVING: f64 = 0.05;

/// `state.json` of a checkpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunState {
    iteration: u64,
    env_steps: u64,
    elapsed: f64,
    curriculum: Curriculum,
    /// Older versions did not write it.
    #[serde(default)]
    measures_success: bool,
    best: Option<Best>,
    log: LogLengths,
    algorithm: Value,
    /// The config of the folder. Older versions did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config: Option<Value>,
}

/// The quality of the best policy so far; compared field by field in this order.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
pub(super) struct Best {
    difficulty: usize,
    success: f64,
    reward: f64,
}

/// The time of the last checkpoint, and the seconds that it took to write.
#[derive(Debug)]
pub(super) struct CheckpointClock {
    saved: Instant,
    seconds: f64,
}

impl CheckpointClock {
    /// Starts now.
    pub(super) fn start() -> Self {
        Self { saved: Instant::now(), seconds: 0.0 }
    }

    /// Counts from now on, as if a checkpoint had just been written.
    pub(super) fn restart(&mut self) {
        self.saved = Instant::now();
    }

    /// Returns `true` if a checkpoint is due after `iterations`, the last of which took `seconds`.
    pub(super) fn is_due(&self, logging: &LoggingConfig, iterations: u64, seconds: f64) -> bool {
        let since = self.saved.elapsed().as_secs_f64();
        let by_count =
            logging.checkpoint_freq > 0 && iterations.is_multiple_of(logging.checkpoint_freq);
        let by_time = logging.checkpoint_seconds.is_some_and(|s| since >= s);
        by_count || by_time || seconds > SLOW && since * SAVING > self.seconds
    }
}

/// Returns the fields in which the config of the run in `path`, with `overrides` set in it, differs from the one with which
/// the run was trained until its last checkpoint. Returns none if one of them may not change, which is the error of
/// [`resume`](super::resume). Checkpoints of older versions do not hold a config.
///
/// # Errors
/// If there is no run.
pub fn changes(path: &Path, overrides: &[Override]) -> Result<Vec<ChangedField>> {
    let folder = RunFolder::open(path)?;
    let (config, _) = folder.config_with(overrides)?;
    let changes = changes_since(&Checkpoint::read_state(&folder.last())?, &config)?;
    Ok(if changes.iter().all(ChangedField::is_free) { changes } else { Vec::new() })
}

/// Checks that a run with `state` may be resumed with `config`, from the file at `path`.
///
/// # Errors
/// [`Error::Changed`] if fields were changed that may not change. The error of an environment that is unknown or not
/// trusted comes first.
pub(super) fn check_changes(
    state: &Value,
    config: &RunConfig,
    path: &Path,
    registry: &Registry,
) -> Result<()> {
    let mut changes = changes_since(state, config)?;
    changes.retain(|change| !change.is_free());
    if changes.is_empty() {
        return Ok(());
    }
    if let Err(error) = registry.make(&config.env_cls, &config.env)
        && matches!(
            error,
            twisterl_core::Error::UntrustedEnvironment { .. }
                | twisterl_core::Error::UnknownEnvironment { .. }
        )
    {
        return Err(error.into());
    }
    let fields = changes.iter().map(ToString::to_string).collect();
    Err(Error::Changed { path: path.to_owned(), fields })
}

/// Returns the fields in which `config` differs from the one in the state of a checkpoint.
fn changes_since(state: &Value, config: &RunConfig) -> Result<Vec<ChangedField>> {
    let Some(before) = state.get("config") else { return Ok(Vec::new()) };
    let (before, _) = RunConfig::read(before.clone())
        .map_err(|e| Error::checkpoint("state.json", "the config of the run", e))?;
    Ok(config.changes_since(&before))
}

impl Best {
    /// Returns the figure by which people judge the policy.
    pub(super) fn score(self, measures_success: bool) -> Score {
        Score::of(self.success, self.reward, measures_success)
    }
}

impl<A: Algorithm + ?Sized> Trainer<A> {
    /// Returns a checkpoint of this moment, with the lengths of the logs.
    pub(super) fn checkpoint(&self, lengths: &LogLengths) -> Checkpoint {
        let snapshot = self.policy.snapshot(self.algorithm.snapshot());
        let state = RunState {
            iteration: self.iteration,
            env_steps: self.env_steps,
            elapsed: self.elapsed(),
            curriculum: self.curriculum.clone(),
            measures_success: self.measures_success,
            best: self.best,
            log: *lengths,
            algorithm: snapshot.state,
            config: Some(self.recorded_config.clone()),
        };
        let policy = self.policy.to_policy();
        Checkpoint { policy, state: json!(state), arrays: snapshot.arrays }
    }

    /// Continues from a checkpoint. Returns the lengths of the logs.
    ///
    /// # Errors
    /// If the checkpoint does not fit.
    pub(super) fn restore(&mut self, checkpoint: Checkpoint) -> Result<LogLengths> {
        let snapshot = Snapshot { state: checkpoint.state, arrays: checkpoint.arrays };
        let state: RunState = snapshot.read_state("the state of a run")?;
        let snapshot = Snapshot { state: state.algorithm, ..snapshot };
        let own = self.policy.restore(checkpoint.policy.parameters, snapshot)?;
        let lost = self.algorithm.restore(&self.policy, &own)?;
        self.notices.add_lost_episodes(lost);
        self.iteration = state.iteration;
        self.env_steps = state.env_steps;
        self.earlier = state.elapsed;
        self.curriculum = state.curriculum;
        self.measures_success |= state.measures_success;
        self.best = state.best;
        Ok(state.log)
    }

    /// Writes the checkpoint from which the run resumes.
    ///
    /// # Errors
    /// If the disk cannot be written to.
    pub(super) fn save_last(&mut self, folder: &LockedFolder, log: &RunLog) -> Result<()> {
        let _hold = Hold::begin();
        let begun = Instant::now();
        folder.write_last(&self.checkpoint(&log.lengths()?))?;
        self.clock =
            CheckpointClock { saved: Instant::now(), seconds: begun.elapsed().as_secs_f64() };
        Ok(())
    }

    /// Saves the policy as the best if it is, by the evaluation that the curriculum uses, or else the first one.
    ///
    /// # Errors
    /// If the disk cannot be written to.
    pub(super) fn save_if_best(
        &mut self,
        folder: &LockedFolder,
        log: &RunLog,
        results: &[(String, EvaluationResult)],
    ) -> Result<()> {
        let Some(result) = self.deciding(results) else { return Ok(()) };
        let now = Best {
            difficulty: self.curriculum.difficulty,
            success: result.success,
            reward: result.reward,
        };
        if self.best.is_none_or(|best| now >= best) {
            self.best = Some(now);
            let _hold = Hold::begin();
            folder.write_best(&self.checkpoint(&log.lengths()?))?;
        }
        Ok(())
    }
}
