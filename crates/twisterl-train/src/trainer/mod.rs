//! The trainer: the loop around an algorithm, with evaluations, the curriculum, metrics and checkpoints.

mod checkpoints;
pub mod curriculum;
pub mod distributed;
pub mod evaluation;
mod iteration_metrics;
mod notices;
mod options;
pub mod progress;
pub mod solving;
pub mod threads;
mod train_loop;

pub use self::checkpoints::changes;
pub use self::notices::reached_limit;
pub use self::options::{
    EngineChoice, Engines, GRACE, Observer, Options, StartObserver, Summary, Warner,
};

use self::checkpoints::{Best, CheckpointClock};
use self::curriculum::Curriculum;
use self::evaluation::{Evaluation, EvaluationResult};
use self::notices::Notices;
use crate::Result;
use crate::algorithms::alphazero::AlphaZero;
use crate::algorithms::backward_scramble::BackwardScramble;
use crate::algorithms::es::Es;
use crate::algorithms::policy_in_training::PolicyInTraining;
use crate::algorithms::ppo::Ppo;
use crate::algorithms::spread::{Engine, Spread};
use crate::algorithms::{Algorithm, Iteration, IterationOutput};
use crate::config::{AlgorithmConfig, ROLLOUT_METRIC, RunConfig};
use crate::record::load;
use crate::record::metrics::{LogLengths, RunLog};
use crate::record::run_folder::{CONFIG, LockedFolder, RunFolder, RunPath};
use crate::system::plugins;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use twisterl_core::envs::registry::{EnvSpec, Registry, Trust};
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::policy::Policy;

/// Starts a run in the folder `path`, which must be new or empty. The config is the user's: the name of its environment may
/// lead to [code](Trust::Code).
///
/// # Errors
/// If the config does not fit the environment, a file cannot be written, or training fails.
pub fn train<'a>(
    config: &RunConfig,
    path: impl Into<RunPath<'a>>,
    options: &Options,
    registry: &Registry,
) -> Result<Summary> {
    let registry = &plugins::bounded(registry, config.env_sandbox);
    let spec = registry.with_trust(Trust::Code).make(&config.env_cls, &config.env)?;
    let mut config = pinned(config, &*spec);
    let fitted = evaluation::fit_defaults(&mut config, &*spec);
    let config = &config;
    let policy = match &options.load_checkpoint {
        Some(file) => load::weights_for(config, &*spec, file, registry)?,
        None => load::initial_policy(config, &*spec, registry)?,
    };
    let differs = spec.check_replay()?;
    let spec = in_workers(spec, config)?;
    let mut trainer = Trainer::of(config.clone(), spec, policy, &options.interrupt)?;
    trainer.work_by(options.engine(config.engine)?, options.env.as_deref());
    differs.into_iter().chain(fitted).for_each(|text| trainer.notices.add(text));
    if let Some(difficulty) = options.difficulty {
        trainer.curriculum.set(difficulty);
    }
    let first = trainer.checkpoint(&LogLengths::default());
    let folder = LockedFolder::create(path.into(), config, &first)?;
    options.started(&folder.path());
    if options.peer_names {
        folder.add_peer_names(config, &first)?;
    }
    folder.warning().into_iter().for_each(|text| trainer.notices.add(text));
    let log = RunLog::create(&folder, config.shared.logging.tensorboard)?;
    trainer.in_pool(options, |trainer| trainer.run(&folder, log, options))
}

/// Resumes the run in the folder `path` from its last checkpoint, and continues bit-identically. The folder may be of
/// anyone's making: the name of its environment leads to what `registry` trusts.
///
/// # Errors
/// If the folder does not hold a run, if another process trains in it, if its config was changed where it must not
/// change, if its files are damaged, or as for [`train`]. Until it trains, the folder stays as it was.
pub fn resume(path: &Path, options: &Options, registry: &Registry) -> Result<Summary> {
    let mut folder = LockedFolder::resume(path)?;
    options.started(path);
    let files = RunFolder::open(path)?;
    let recorded = files.config()?.0.to_value();
    let config = files.config_with(&options.overrides)?.0;
    let mut checkpoint = folder.read_last()?;
    let config_file = path.join(CONFIG);
    let registry = &plugins::bounded(registry, config.env_sandbox);
    checkpoints::check_changes(&checkpoint.state, &config, &config_file, registry)?;
    registry.complete(&mut checkpoint.policy.network)?;
    let spec = in_workers(registry.make(&config.env_cls, &config.env)?, &config)?;
    load::check_fit(path, &checkpoint.policy, &*spec)?;
    let tensorboard = config.shared.logging.tensorboard;
    let mut trainer = Trainer::of(config, spec, checkpoint.policy.clone(), &options.interrupt)?;
    trainer.recorded_config = recorded;
    trainer.work_by(options.engine(trainer.config.engine)?, options.env.as_deref());
    folder.warning().into_iter().for_each(|text| trainer.notices.add(text));
    let lengths = trainer.restore(checkpoint)?;
    if let Some(difficulty) = options.difficulty {
        trainer.curriculum.set(difficulty);
    }
    trainer.in_pool(options, |trainer| {
        let log = RunLog::resume(&folder, &lengths, tensorboard)?;
        folder.keep_lock();
        trainer.run(&folder, log, options)
    })
}

/// Returns the environment of a run with its batches in as many processes as `config` asks for.
///
/// # Errors
/// As for [`EnvSpec::in_workers`].
pub fn in_workers(spec: Arc<dyn EnvSpec>, config: &RunConfig) -> Result<Arc<dyn EnvSpec>> {
    match config.shared.collecting.workers {
        1 => Ok(spec),
        workers => Ok(spec.in_workers(workers)?),
    }
}

/// Returns the config of a run, bound to the file of its environment.
fn pinned(config: &RunConfig, spec: &dyn EnvSpec) -> RunConfig {
    let mut config = config.clone();
    if let Some(name) = plugins::pinned_name(spec) {
        config.env_cls = name.to_owned();
        config.env_sandbox.get_or_insert_default();
    }
    config
}

/// A run at some moment: the policy in training, the algorithm that it is lent to, and its progress.
pub(crate) struct Trainer<A: Algorithm + ?Sized = dyn Algorithm> {
    config: RunConfig,
    /// The config as it stands in the run folder, for checkpoints.
    recorded_config: Value,
    spec: Arc<dyn EnvSpec>,
    policy: PolicyInTraining,
    algorithm: Box<A>,
    curriculum: Curriculum,
    /// True if episodes are known to be solved or not. Once they are, they stay so.
    measures_success: bool,
    best: Option<Best>,
    /// Iterations made.
    iteration: u64,
    env_steps: u64,
    /// Seconds of earlier sessions of this run.
    earlier: f64,
    begun: Instant,
    clock: CheckpointClock,
    notices: Notices,
    /// Play, if that is not done here.
    workers: Option<Workers>,
}

/// Workers of a run.
struct Workers {
    engine: Arc<dyn Engine>,
    /// The config that they have to know, as JSON.
    config: String,
}

impl Workers {
    fn spread<'a>(&'a self, interrupt: &'a Interrupt) -> Spread<'a> {
        Spread { engine: &*self.engine, config: &self.config, interrupt }
    }
}

impl Trainer {
    /// Begins with `policy` and the algorithm that `config` names.
    fn of(
        config: RunConfig,
        spec: Arc<dyn EnvSpec>,
        policy: Policy,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let mut policy = PolicyInTraining::new(&config.shared.optimizer, policy, interrupt)?;
        let env = Arc::clone(&spec);
        let seed = config.seed;
        let algorithm: Box<dyn Algorithm> = match &config.algorithm {
            AlgorithmConfig::Ppo(ppo) => Box::new(Ppo::new(ppo, seed, env, &policy)?),
            AlgorithmConfig::AlphaZero(alphazero) => {
                Box::new(AlphaZero::new(alphazero, seed, &*env, &policy)?)
            }
            AlgorithmConfig::BackwardScramble(backward) => {
                Box::new(BackwardScramble::new(backward, seed, env, &policy)?)
            }
            AlgorithmConfig::Es(es) => Box::new(Es::new(es, seed, env, &mut policy)?),
        };
        evaluation::check(&config.shared.evals, &*spec)?;
        Ok(Self::new(config, spec, policy, algorithm))
    }
}

impl<A: Algorithm + ?Sized> Trainer<A> {
    /// Begins with `policy`, for which `algorithm` was built.
    fn new(
        config: RunConfig,
        spec: Arc<dyn EnvSpec>,
        policy: PolicyInTraining,
        algorithm: Box<A>,
    ) -> Self {
        Self {
            curriculum: Curriculum::new(&config.shared.learning, spec.difficulty()),
            measures_success: spec.measures_success(),
            recorded_config: config.to_value(),
            config,
            spec,
            policy,
            algorithm,
            best: None,
            iteration: 0,
            env_steps: 0,
            earlier: 0.0,
            begun: Instant::now(),
            clock: CheckpointClock::start(),
            notices: Notices::default(),
            workers: None,
        }
    }

    /// Has workers play, in the environment `env` if that is not the one of the config.
    fn work_by(&mut self, engine: Option<Arc<dyn Engine>>, env: Option<&str>) {
        let config = || {
            let env_cls = env.unwrap_or(&self.config.env_cls).to_owned();
            // The engine is no matter for workers.
            RunConfig { env_cls, engine: None, ..self.config.clone() }.to_value().to_string()
        };
        self.workers = engine.map(|engine| Workers { engine, config: config() });
    }

    /// The iteration that comes next.
    fn now(&self) -> Iteration {
        let (number, end) = (self.iteration, self.config.num_iterations);
        Iteration {
            number,
            difficulty: self.curriculum.difficulty,
            progress: end.map_or(0.0, |n| number as f64 / n.max(1) as f64),
        }
    }

    /// Returns `true` if iterations are left.
    fn unfinished(&self) -> bool {
        self.config.num_iterations.is_none_or(|end| self.iteration < end)
    }

    /// Seconds of training since the run began.
    fn elapsed(&self) -> f64 {
        self.earlier + self.begun.elapsed().as_secs_f64()
    }

    /// Runs `work` on a thread pool of the run's own.
    fn in_pool<T: Send>(
        &mut self,
        options: &Options,
        work: impl FnOnce(&mut Self) -> Result<T> + Send,
    ) -> Result<T> {
        let allowed = self.config.shared.collecting.num_cores.threads();
        threads::on_threads(options.threads.unwrap_or(allowed), || work(self))
    }

    /// Makes the iteration of the algorithm, by workers if there are some.
    fn iterate(&mut self, now: &Iteration) -> Result<IterationOutput> {
        let Self { algorithm, policy, workers, .. } = self;
        let interrupt = policy.interrupt().clone();
        let spread = workers.as_ref().map(|workers| workers.spread(&interrupt));
        algorithm.iterate(policy, now, spread.as_ref())
    }

    /// Makes the evaluations that are due, by workers if there are some; all of them if `all`.
    fn evaluate(&mut self, all: bool) -> Result<Vec<(String, EvaluationResult)>> {
        let (spec, now, seed) = (&*self.spec, self.now(), self.config.seed);
        let spread = self.workers.as_ref().map(|workers| workers.spread(self.policy.interrupt()));
        let evals = self.config.shared.evals.iter().enumerate();
        let results = evals
            .filter(|(_, (_, eval))| all || now.number.is_multiple_of(eval.every))
            .map(|(position, (name, eval))| {
                let evaluation = Evaluation::new(eval, position, spec, &now, seed)?;
                let result = match &spread {
                    None => threads::at_most(eval.num_cores, || {
                        evaluation.run(self.policy.evaluated())
                    })?,
                    Some(spread) => {
                        evaluation.ask(position, &self.policy.to_policy(), &now, spread)?
                    }
                };
                Ok((name.clone(), result))
            })
            .collect::<Result<Vec<_>>>()?;
        self.notices.add_long_evaluations(&results);
        Ok(results)
    }

    /// Records the result of iteration `now`, and advances the curriculum. Returns the success that the curriculum uses,
    /// where this iteration measured it.
    fn advance(
        &mut self,
        now: &Iteration,
        results: &[(String, EvaluationResult)],
        output: &IterationOutput,
    ) -> Option<f64> {
        self.notices.add_long_episodes(output, self.algorithm.default_limit());
        let learning = &self.config.shared.learning;
        let success =
            iteration_metrics::success(learning, results, &output.episodes, now.difficulty);
        let hard = output.episodes.iter().filter(|e| e.difficulty == Some(now.difficulty));
        let solved = hard.clone().filter(|e| e.solved).count() as u64;
        self.curriculum.observe(hard.count() as u64, solved);
        self.curriculum.advance(learning, now.number, success);
        let solved = output.episodes.iter().any(|episode| episode.solved);
        self.note_success(results, solved);
        if !self.measures_success && (!results.is_empty() || !output.episodes.is_empty()) {
            let curriculum = self.spec.starts().curriculum;
            self.notices.add_missing_success(&self.config, self.curriculum.difficulty, curriculum);
        }
        // A checkpoint may hold any numbers.
        self.iteration = self.iteration.saturating_add(1);
        self.env_steps = self.env_steps.saturating_add(output.env_steps);
        success
    }

    /// Notes whether episodes are solved or not, from evaluations and if one was `solved` in training.
    fn note_success(&mut self, results: &[(String, EvaluationResult)], solved: bool) {
        let solved = solved || results.iter().any(|(_, result)| result.success > 0.0);
        self.measures_success |= solved || self.spec.measures_success();
    }

    /// Returns the result that tells which policy is the best, where that evaluation was made: the one that the curriculum
    /// uses, or else the first.
    fn deciding<'a>(
        &self,
        results: &'a [(String, EvaluationResult)],
    ) -> Option<&'a EvaluationResult> {
        let metric = self.deciding_name()?;
        results.iter().find(|(name, _)| name == metric).map(|(_, result)| result)
    }

    /// Returns the name of this evaluation, if there is one.
    fn deciding_name(&self) -> Option<&str> {
        let shared = &self.config.shared;
        match shared.learning.diff_metric.as_str() {
            ROLLOUT_METRIC => shared.evals.keys().next().map(String::as_str),
            name => Some(name),
        }
    }
}
