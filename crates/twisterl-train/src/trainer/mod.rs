//! The loop around an algorithm: evaluate, iterate, move the curriculum, log, save.

pub mod curriculum;
pub mod distributed_es;
pub mod evaluation;
pub mod progress;
pub mod solving;

use crate::algorithms::alphazero::AlphaZero;
use crate::algorithms::backward_scramble::BackwardScramble;
use crate::algorithms::es::Es;
use crate::algorithms::ppo::Ppo;
use crate::algorithms::{Algorithm, Iteration, IterationOutput};
use crate::config::{AlgorithmClass, ROLLOUT_METRIC, RunConfig};
use crate::record::checkpoint::Checkpoint;
use crate::record::load;
use crate::record::metrics::{LogLengths, RunLog};
use crate::record::run_folder::RunFolder;
use crate::record::snapshot::Snapshot;
use crate::threads;
use crate::trainer::curriculum::Curriculum;
use crate::trainer::evaluation::{EvaluationResult, evaluate};
use crate::trainer::progress::{Progress, Status};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use twisterl_core::envs::registry::{EnvSpec, Registry};
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::policy::Policy;

/// How long a run that is to stop may go on with its iteration before it is interrupted midway.
pub const GRACE: Duration = Duration::from_millis(700);
/// An iteration that takes so many seconds is worth a checkpoint of its own, which a stop midway then goes back to.
const SLOW: f64 = 0.5;
/// But checkpoints take no more than this share of the time for that.
const SAVING: f64 = 0.05;

/// Is shown the metrics of each iteration, as they stand in `metrics.jsonl`; false stops the run after it, with a
/// checkpoint.
#[derive(Clone)]
pub struct Observer(Arc<Show>);

type Show = dyn Fn(&Map<String, Value>) -> bool + Send + Sync;

impl Observer {
    /// Shows them to `show`.
    pub fn new(show: impl Fn(&Map<String, Value>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(show))
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// What a run is started with beside its config.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Weights to start from instead of random ones.
    pub load_checkpoint: Option<PathBuf>,
    /// Show nothing.
    pub quiet: bool,
    /// Exactly this many threads, whatever the config and the machine say.
    pub threads: Option<usize>,
    /// Set from outside to stop after the current iteration, with a checkpoint.
    pub stop: Arc<AtomicBool>,
    /// Stops the run in the middle of an iteration. The last checkpoint stays, which is that of the iteration's
    /// beginning where iterations take long.
    pub interrupt: Interrupt,
    /// Sees the metrics of each iteration.
    pub observer: Option<Observer>,
}

/// What came of a run.
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
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// The best policy, as in `checkpoint_best`.
    pub best: Policy,
}

/// Starts a run in the folder `path`, which must not exist yet.
///
/// # Errors
/// If the config does not fit the environment, a file cannot be written, or training fails.
pub fn train(
    config: &RunConfig,
    path: &Path,
    options: &Options,
    registry: &Registry,
) -> Result<Summary> {
    let spec = registry.make(&config.env_cls, &config.env)?;
    let policy = match &options.load_checkpoint {
        Some(file) => load::weights_for(config, &*spec, file, registry)?,
        None => load::initial_policy(config, &*spec, registry)?,
    };
    let mut trainer = Trainer::of(config.clone(), spec, policy)?;
    let first = trainer.checkpoint(&LogLengths::default());
    let folder = RunFolder::create(path, config, &first)?;
    let log = RunLog::create(folder.path(), config.algorithm.logging.tensorboard)?;
    trainer.in_pool(options, |trainer| trainer.run(&folder, log, options))
}

/// Goes on with the run in the folder `path`, exactly from its last checkpoint.
///
/// # Errors
/// If the folder does not hold a run, or as for [`train`].
pub fn resume(
    path: &Path,
    num_iterations: Option<u64>,
    options: &Options,
    registry: &Registry,
) -> Result<Summary> {
    let folder = RunFolder::open(path)?;
    let mut config = folder.config()?;
    config.num_iterations = num_iterations.or(config.num_iterations);
    let mut checkpoint = Checkpoint::read(&folder.last())?;
    registry.complete(&mut checkpoint.policy.network)?;
    let spec = registry.make(&config.env_cls, &config.env)?;
    let tensorboard = config.algorithm.logging.tensorboard;
    let mut trainer = Trainer::of(config, spec, checkpoint.policy.clone())?;
    let lengths = trainer.restore(checkpoint)?;
    let log = RunLog::resume(folder.path(), &lengths, tensorboard)?;
    trainer.in_pool(options, |trainer| trainer.run(&folder, log, options))
}

/// Where a run stands, beside the algorithm.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progressed {
    iteration: u64,
    env_steps: u64,
    elapsed: f64,
    curriculum: Curriculum,
    best: Option<Best>,
    log: LogLengths,
    algorithm: Value,
}

/// How good the best policy so far is; compared field by field in this order.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
struct Best {
    difficulty: usize,
    success: f64,
    reward: f64,
}

/// A run and where it stands.
pub(crate) struct Trainer<A: Algorithm + ?Sized = dyn Algorithm> {
    config: RunConfig,
    spec: Arc<dyn EnvSpec>,
    /// What it began with.
    pub(crate) policy: Policy,
    pub(crate) algorithm: Box<A>,
    curriculum: Curriculum,
    best: Option<Best>,
    iteration: u64,
    env_steps: u64,
    /// Seconds of earlier sessions of this run.
    before: f64,
    begun: Instant,
    saved: Instant,
    /// Seconds that the last checkpoint took to write.
    saving: f64,
}

impl Trainer {
    /// Begins with the algorithm that `config` names.
    fn of(config: RunConfig, spec: Arc<dyn EnvSpec>, policy: Policy) -> Result<Self> {
        let algorithm: Box<dyn Algorithm> = match config.algorithm_cls {
            AlgorithmClass::Ppo => Box::new(Ppo::new(&config, Arc::clone(&spec), &policy)?),
            AlgorithmClass::AlphaZero => Box::new(AlphaZero::new(&config, &*spec, &policy)?),
            AlgorithmClass::BackwardScramble => {
                Box::new(BackwardScramble::new(&config, Arc::clone(&spec), &policy)?)
            }
            AlgorithmClass::Es => Box::new(Es::new(&config, Arc::clone(&spec), &policy)?),
        };
        Ok(Self::new(config, spec, policy, algorithm))
    }
}

impl<A: Algorithm + ?Sized> Trainer<A> {
    /// Begins with `policy`, from which `algorithm` begins too.
    pub(crate) fn new(
        config: RunConfig,
        spec: Arc<dyn EnvSpec>,
        policy: Policy,
        algorithm: Box<A>,
    ) -> Self {
        Self {
            curriculum: Curriculum::new(&config.algorithm.learning, spec.difficulty()),
            config,
            spec,
            policy,
            algorithm,
            best: None,
            iteration: 0,
            env_steps: 0,
            before: 0.0,
            begun: Instant::now(),
            saved: Instant::now(),
            saving: 0.0,
        }
    }

    pub(crate) fn interrupt_by(&mut self, interrupt: &Interrupt) {
        self.algorithm.interrupt_by(interrupt);
    }

    /// The iteration that comes next.
    pub(crate) fn now(&self) -> Iteration {
        let (number, end) = (self.iteration, self.config.num_iterations);
        Iteration {
            number,
            difficulty: self.curriculum.difficulty,
            progress: end.map_or(0.0, |n| number as f64 / n.max(1) as f64),
        }
    }

    /// Runs `work` on a thread pool of the run's own.
    fn in_pool<T: Send>(
        &mut self,
        options: &Options,
        work: impl FnOnce(&mut Self) -> Result<T> + Send,
    ) -> Result<T> {
        let allowed = threads::available(self.config.algorithm.collecting.num_cores);
        self.interrupt_by(&options.interrupt);
        threads::on_threads(options.threads.unwrap_or(allowed), || work(self))
    }

    fn run(&mut self, folder: &RunFolder, mut log: RunLog, options: &Options) -> Result<Summary> {
        let end = self.config.num_iterations;
        let mut progress = Progress::new(options.quiet, end, self.iteration);
        (self.begun, self.saved) = (Instant::now(), Instant::now());
        let mut interrupted = options.stop.load(Ordering::Relaxed);
        let mut midway = false;
        let going = |this: &Self| end.is_none_or(|end| this.iteration < end);
        while !interrupted && going(self) {
            match self.step(folder, &mut log, &mut progress, options) {
                Ok(go_on) => interrupted = !go_on || options.stop.load(Ordering::Relaxed),
                Err(error) if error.is_interrupted() => (interrupted, midway) = (true, true),
                Err(error) => return Err(error),
            }
        }
        if !going(self) {
            match self.evaluate(true) {
                Ok(scores) => self.keep_best(folder, &log, &scores)?,
                Err(error) if error.is_interrupted() => (interrupted, midway) = (true, true),
                Err(error) => return Err(error),
            }
        }
        if !midway {
            self.save(folder, &log)?;
        }
        progress.finish();
        let best = match Checkpoint::read(&folder.best()) {
            Ok(checkpoint) => checkpoint.policy,
            Err(_) if self.best.is_none() => self.policy_now(),
            Err(error) => return Err(error),
        };
        Ok(Summary {
            path: folder.path().to_owned(),
            iterations: self.iteration,
            env_steps: self.env_steps,
            difficulty: self.curriculum.difficulty,
            elapsed: self.elapsed(),
            interrupted: midway || interrupted && going(self),
            best,
        })
    }

    /// One iteration with all that surrounds it. Returns whether the observer wants more.
    fn step(
        &mut self,
        folder: &RunFolder,
        log: &mut RunLog,
        progress: &mut Progress,
        options: &Options,
    ) -> Result<bool> {
        let start = Instant::now();
        let now = self.now();
        let Iteration { number, difficulty, .. } = now;
        let scores = self.evaluate(false)?;
        let evaluated = start.elapsed().as_secs_f64();
        self.keep_best(folder, log, &scores)?;
        let outcome = self.algorithm.iterate(&now)?;
        let success = self.advance(&now, &scores, &outcome);
        let seconds = start.elapsed().as_secs_f64();
        let rate = outcome.env_steps as f64 / seconds;
        progress.update(&Status {
            iteration: self.iteration,
            difficulty: self.curriculum.difficulty,
            success,
            steps_per_second: rate,
        });
        let logging = &self.config.algorithm.logging;
        let logged = logging.log_freq > 0 && number.is_multiple_of(logging.log_freq);
        let mut go_on = true;
        if logged || options.observer.is_some() {
            let mut time = outcome.seconds.clone();
            time.insert("evaluate".into(), json!(evaluated));
            time.insert("total".into(), json!(seconds));
            time.insert("steps_per_second".into(), json!(rate));
            time.insert("elapsed".into(), json!(self.elapsed()));
            let metrics = self.metrics(difficulty, success, &scores, &outcome, time);
            if logged {
                log.log(number, &metrics)?;
            }
            if let Some(Observer(show)) = &options.observer {
                go_on = show(&metrics);
            }
        }
        let by_count =
            logging.checkpoint_freq > 0 && self.iteration.is_multiple_of(logging.checkpoint_freq);
        let by_time =
            logging.checkpoint_seconds.is_some_and(|s| self.saved.elapsed().as_secs_f64() >= s);
        let slow = seconds > SLOW && self.saved.elapsed().as_secs_f64() * SAVING > self.saving;
        if by_count || by_time || slow {
            self.save(folder, log)?;
        }
        Ok(go_on)
    }

    /// Takes note of what iteration `now` gave, and moves the curriculum on. Returns the success that this goes by,
    /// where this iteration measured it.
    pub(crate) fn advance(
        &mut self,
        now: &Iteration,
        scores: &[(String, EvaluationResult)],
        outcome: &IterationOutput,
    ) -> Option<f64> {
        let success = self.success(scores, outcome, now.difficulty);
        let hard = outcome.episodes.iter().filter(|e| e.difficulty == Some(now.difficulty));
        let solved = hard.clone().filter(|e| e.solved).count() as u64;
        self.curriculum.observe(hard.count() as u64, solved);
        self.curriculum.advance(&self.config.algorithm.learning, now.number, success);
        self.iteration += 1;
        self.env_steps += outcome.env_steps;
        success
    }

    /// Writes the checkpoint that a resume goes on from.
    fn save(&mut self, folder: &RunFolder, log: &RunLog) -> Result<()> {
        let begun = Instant::now();
        self.checkpoint(&log.lengths()?).write(&folder.last())?;
        (self.saved, self.saving) = (Instant::now(), begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// The evaluations that are due; all of them at the end.
    pub(crate) fn evaluate(&self, all: bool) -> Result<Vec<(String, EvaluationResult)>> {
        let evals = self.config.algorithm.evals.iter().enumerate();
        evals
            .filter(|(_, (_, eval))| all || self.iteration.is_multiple_of(eval.every))
            .map(|(position, (name, eval))| {
                let score = evaluate(
                    eval,
                    position,
                    &*self.spec,
                    self.algorithm.executor(),
                    self.curriculum.difficulty,
                    self.config.seed,
                    self.iteration,
                )?;
                Ok((name.clone(), score))
            })
            .collect()
    }

    /// The success that the curriculum goes by, where this iteration measured it.
    fn success(
        &self,
        scores: &[(String, EvaluationResult)],
        outcome: &IterationOutput,
        difficulty: usize,
    ) -> Option<f64> {
        let metric = &self.config.algorithm.learning.diff_metric;
        if metric != ROLLOUT_METRIC {
            return scores.iter().find(|(name, _)| name == metric).map(|(_, s)| s.success);
        }
        let hard: Vec<_> =
            outcome.episodes.iter().filter(|e| e.difficulty == Some(difficulty)).collect();
        let solved = hard.iter().filter(|e| e.solved).count();
        (!hard.is_empty()).then(|| solved as f64 / hard.len() as f64)
    }

    /// Saves the current policy as the best if the evaluation that decides says so.
    fn keep_best(
        &mut self,
        folder: &RunFolder,
        log: &RunLog,
        scores: &[(String, EvaluationResult)],
    ) -> Result<()> {
        let algorithm = &self.config.algorithm;
        let metric = match algorithm.learning.diff_metric.as_str() {
            ROLLOUT_METRIC => algorithm.evals.keys().next().map(String::as_str),
            name => Some(name),
        };
        let Some((_, score)) = scores.iter().find(|(name, _)| Some(name.as_str()) == metric) else {
            return Ok(());
        };
        let now = Best {
            difficulty: self.curriculum.difficulty,
            success: score.success,
            reward: score.reward,
        };
        if self.best.is_none_or(|best| now >= best) {
            self.best = Some(now);
            self.checkpoint(&log.lengths()?).write(&folder.best())?;
        }
        Ok(())
    }

    pub(crate) fn metrics(
        &self,
        difficulty: usize,
        success: Option<f64>,
        scores: &[(String, EvaluationResult)],
        outcome: &IterationOutput,
        time: Map<String, Value>,
    ) -> Map<String, Value> {
        let episodes = &outcome.episodes;
        let mean = |sum: f64| (!episodes.is_empty()).then(|| sum / episodes.len() as f64);
        let evals: Map<_, _> =
            scores.iter().map(|(name, s)| (name.clone(), Value::Object(s.to_map()))).collect();
        let fields = json!({
            "iteration": self.iteration - 1,
            "env_steps": self.env_steps,
            "difficulty": difficulty,
            "success": success,
            "evals": evals,
            "rollout": {
                "episodes": episodes.len(),
                "success": mean(episodes.iter().filter(|e| e.solved).count() as f64),
                "reward": mean(episodes.iter().map(|e| f64::from(e.total)).sum()),
                "length": mean(episodes.iter().map(|e| e.length as f64).sum()),
            },
            "losses": outcome.losses,
            "time": time,
        });
        match fields {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    fn elapsed(&self) -> f64 {
        self.before + self.begun.elapsed().as_secs_f64()
    }

    pub(crate) fn policy_now(&self) -> Policy {
        Policy {
            parameters: self.algorithm.parameters().to_vec(),
            scaling: self.algorithm.executor().scaling().cloned(),
            ..self.policy.clone()
        }
    }

    pub(crate) fn checkpoint(&self, lengths: &LogLengths) -> Checkpoint {
        let snapshot = self.algorithm.snapshot();
        let progressed = Progressed {
            iteration: self.iteration,
            env_steps: self.env_steps,
            elapsed: self.elapsed(),
            curriculum: self.curriculum.clone(),
            best: self.best,
            log: *lengths,
            algorithm: snapshot.state,
        };
        Checkpoint { policy: self.policy_now(), state: json!(progressed), arrays: snapshot.arrays }
    }

    pub(crate) fn restore(&mut self, checkpoint: Checkpoint) -> Result<LogLengths> {
        let state: Progressed =
            serde_path_to_error::deserialize(&checkpoint.state).map_err(|e| {
                Error::checkpoint(
                    "state.json",
                    format!("the state of a run at {}", e.path()),
                    e.inner(),
                )
            })?;
        let snapshot = Snapshot { state: state.algorithm, arrays: checkpoint.arrays };
        self.algorithm.restore(&checkpoint.policy.parameters, &snapshot)?;
        self.iteration = state.iteration;
        self.env_steps = state.env_steps;
        self.before = state.elapsed;
        self.curriculum = state.curriculum;
        self.best = state.best;
        Ok(state.log)
    }
}
