//! The options of a run that are not in its config, and its result.

use crate::algorithms::spread::Engine;
use crate::config::{EngineName, Override};
use crate::trainer::evaluation::Score;
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::policy::Policy;

/// The time that a run has to finish its iteration after it was asked to stop. Then it is to be interrupted.
pub const GRACE: Duration = Duration::from_millis(500);

/// A function of the caller that a run calls from its own thread.
pub struct Callback<T: ?Sized, R = ()>(Arc<dyn Fn(&T) -> R + Send + Sync>);

/// A callback that receives the metrics of each iteration, as they stand in `metrics.jsonl`. Returns false to stop the run
/// after this iteration, with a checkpoint.
pub type Observer = Callback<Map<String, Value>, bool>;

/// A callback that receives each warning of a run, once.
pub type Warner = Callback<str>;

/// A callback that receives the folder of a run once it has one.
pub type StartObserver = Callback<Path>;

/// A callback that makes engines by their names.
pub type Engines = Callback<EngineName, Result<Arc<dyn Engine>>>;

/// The engine of a run.
#[derive(Debug, Clone, Default)]
pub enum EngineChoice {
    /// The one that its config names, if it names one.
    #[default]
    OfConfig,
    /// The one of a name.
    Named(EngineName),
    /// This one.
    Given(Arc<dyn Engine>),
}

impl<T: ?Sized, R> Callback<T, R> {
    /// Wraps a function.
    pub fn new(function: impl Fn(&T) -> R + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }

    /// Calls it.
    pub(super) fn call(&self, value: &T) -> R {
        (self.0)(value)
    }
}

impl<T: ?Sized, R> Clone for Callback<T, R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized, R> fmt::Debug for Callback<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callback")
    }
}

/// The options of a run that are not in its config.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Weights to start from instead of random ones.
    pub load_checkpoint: Option<PathBuf>,
    /// The difficulty at which the run begins or continues, instead of that of its config or its checkpoint.
    pub difficulty: Option<usize>,
    /// Write configs and weights of a new run also to files with the names of the peer.
    pub peer_names: bool,
    /// Values to set in the config of a run that is resumed, for this time. The same fields may change as in its file.
    pub overrides: Vec<Override>,
    /// Show no progress.
    pub quiet: bool,
    /// Use exactly this many threads, whatever the config and the machine say.
    pub threads: Option<usize>,
    /// Set from outside to stop after the current iteration, with a checkpoint.
    pub stop: Arc<AtomicBool>,
    /// Set from outside to stop in the middle of an iteration. The run can then be resumed from its last checkpoint, which
    /// was written at the beginning of the iteration if iterations take long.
    pub interrupt: Interrupt,
    /// Makes the iterations, if they are not made here.
    pub engine: EngineChoice,
    /// The environment that workers make in place of the one that the config names, as the registry does here.
    pub env: Option<String>,
    /// Makes engines of names.
    pub engines: Option<Engines>,
    /// Receives the metrics of each iteration.
    pub observer: Option<Observer>,
    /// Receives the warnings of the run, which go to standard error otherwise.
    pub warner: Option<Warner>,
    /// Receives the folder of the run.
    pub start_observer: Option<StartObserver>,
}

impl Options {
    /// Tells where the run is.
    pub(super) fn started(&self, folder: &Path) {
        if let Some(observer) = &self.start_observer {
            observer.call(folder);
        }
    }

    /// Returns the engine of a run whose config names `configured`.
    ///
    /// # Errors
    /// If the program has no engine of this name, or it cannot be made.
    pub(super) fn engine(&self, configured: Option<EngineName>) -> Result<Option<Arc<dyn Engine>>> {
        let name = match (&self.engine, configured) {
            (EngineChoice::Given(engine), _) => return Ok(Some(Arc::clone(engine))),
            (EngineChoice::OfConfig, None) => return Ok(None),
            (EngineChoice::OfConfig, Some(name)) => name,
            (EngineChoice::Named(name), _) => *name,
        };
        match &self.engines {
            Some(engines) => engines.call(&name).map(Some),
            None => Err(Error::usage("engine", "none in a program without engines", name)),
        }
    }

    /// Returns `true` if the run was asked to stop after the current iteration.
    pub(super) fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The run folder.
    pub path: PathBuf,
    /// Iterations made since the run began.
    pub iterations: u64,
    /// Environment steps made since the run began.
    pub env_steps: u64,
    /// The difficulty that the curriculum has reached.
    pub difficulty: usize,
    /// Seconds of training since the run began.
    pub elapsed: f64,
    /// True if it was stopped before its end.
    pub interrupted: bool,
    /// The best policy, as in `checkpoint_best`.
    pub best: Policy,
    /// The score of the best policy, and the name of the evaluation that chose it; `None` if it was not evaluated.
    pub best_score: Option<(Score, String)>,
    /// The environment.
    pub env: Arc<dyn EnvSpec>,
}
