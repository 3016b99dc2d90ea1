//! Training, the default command.

use super::envs::EnvFlags;
use super::solve::print_episode;
use super::{Exit, Output, count, seed, whole};
use crate::config::presets::ReadConfig;
use crate::config::{ConfigSource, EngineName, NumCores, Override, RunConfig};
use crate::error::{meant, neighbours};
use crate::record::run_folder::{RunFolder, RunPath};
use crate::system::plugins;
use crate::system::terminal::signals::Stop;
use crate::system::terminal::{message, numbers};
use crate::trainer;
use crate::trainer::{EngineChoice, Engines, GRACE, Options, StartObserver, Summary};
use crate::{Error, Result};
use clap::Args;
use serde_json::json;
use std::fmt::{Display, Write as _};
use std::path::{Path, PathBuf};
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::counts::counted;
use twisterl_core::error::escape::escape_controls;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::error::names::{nearest_environment, question};
use twisterl_core::error::registered;

/// Arguments of training. Aliases with underscores are the peer's spelling.
#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    /// Config file of the run, or the name of an environment, which is learned by its preset.
    #[arg(value_name = "CONFIG|ENV", required_unless_present_any = ["config_flag", "resume"])]
    config: Option<PathBuf>,
    /// The same as CONFIG.
    #[arg(long = "config", value_name = "CONFIG", conflicts_with = "config", hide = true)]
    config_flag: Option<PathBuf>,
    /// Folder of the run, new or empty; by default a new one under `runs/`.
    #[arg(long, alias = "run_path", value_name = "DIR")]
    run_path: Option<PathBuf>,
    /// Total number of iterations, overriding the config's `num_iterations`.
    #[arg(long, alias = "num_steps", value_name = "N", allow_negative_numbers = true, value_parser = whole(0, u64::MAX))]
    num_steps: Option<u64>,
    /// Number of steps of environments, from which the number of iterations follows (PPO).
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = whole(1, u64::MAX),
        conflicts_with_all = ["num_steps", "resume"]
    )]
    steps: Option<u64>,
    /// Random seed, overriding the config's.
    #[arg(long, value_name = "S", allow_negative_numbers = true, value_parser = seed())]
    seed: Option<u64>,
    /// Maximum number of threads; 0 or -1: as many as there are processors. Results do not depend on it.
    #[arg(long, alias = "num_cores", value_name = "N", allow_negative_numbers = true)]
    num_cores: Option<NumCores>,
    /// Resume the run in this folder; it continues bit-identically, also if it was killed.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["config", "config_flag", "run_path", "load_checkpoint"]
    )]
    resume: Option<PathBuf>,
    /// Start from the weights of a run, a checkpoint, or a file of weights.
    #[arg(
        long,
        aliases = ["load_checkpoint", "load_checkpoint_path", "load-checkpoint-path"],
        value_name = "FILE"
    )]
    load_checkpoint: Option<PathBuf>,
    /// Write configs and weights also to files with the names of the PyPI package `twisterl`.
    #[arg(long, alias = "peer_names", conflicts_with = "resume")]
    peer_names: bool,
    /// Override a field of the config by its path, such as `algorithm.training.ent_coef=0.02`; may be repeated.
    #[arg(long, value_name = "PATH=VALUE", value_parser = Override::parse)]
    set: Vec<Override>,
    #[command(flatten)]
    env: EnvFlags,
    /// Have other processes collect, instead of threads of this one: `processes`, `processes:N` with N of them, or `ray`
    /// (in the Python package). Overrides the config's `engine`. Results do not depend on it.
    #[arg(long, value_name = "NAME", value_parser = EngineName::parse)]
    engine: Option<EngineName>,
    /// Number of processes of this machine that collect, with one thread each: the same as `--engine processes:N`.
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = count(EngineName::MAX_WORKERS as u64),
        conflicts_with = "engine"
    )]
    workers: Option<usize>,
    /// Print errors only.
    #[arg(long, short)]
    quiet: bool,
}

impl TrainArgs {
    /// Trains, then solves a problem of the reached difficulty and prints the solution.
    pub(super) fn run(self, registry: &Registry, engines: &Engines, stop: &Stop) -> Result<Output> {
        let workers = self.workers.map(|workers| EngineName::Processes(Some(workers)));
        let options = Options {
            engine: self.engine.or(workers).map(EngineChoice::Named).unwrap_or_default(),
            engines: Some(engines.clone()),
            env: self.env.env.clone(),
            load_checkpoint: self.load_checkpoint.clone(),
            peer_names: self.peer_names,
            quiet: self.quiet,
            threads: self.num_cores.map(NumCores::threads),
            overrides: self.overrides()?,
            stop: stop.with_grace(GRACE),
            interrupt: stop.interrupt().clone(),
            start_observer: Some(StartObserver::new({
                let stop = stop.clone();
                move |run| stop.advise(advice(run))
            })),
            ..Options::default()
        };
        let summary = match (&self.resume, self.config.as_ref().or(self.config_flag.as_ref())) {
            (Some(folder), _) => {
                show(&RunFolder::open(folder)?.config_with(&options.overrides)?.1);
                let changes = trainer::changes(folder, &options.overrides)?;
                if !self.quiet {
                    show(&changes);
                }
                let registry = self.env.registry(registry);
                trainer::resume(folder, &options, &registry)?
            }
            (None, Some(_)) if self.env.env.is_some() => {
                let expected = "--resume with it, since a config names its environment";
                return Err(Error::usage("--env", expected, "a config"));
            }
            (None, Some(file)) => {
                let source = source_of(file)?.with(&options.overrides);
                let config = self.config(file, &source, registry)?;
                let default = default_path(file);
                let path =
                    self.run_path.as_deref().map_or(RunPath::Numbered(&default), RunPath::At);
                trainer::train(&config, path, &options, registry)
                    .map_err(|error| source.explain(error, Some(registry)))?
            }
            (None, None) => return Err(Error::usage("CONFIG", "a config or --resume", "neither")),
        };
        let exit = if summary.interrupted { Exit::Interrupted } else { Exit::Done };
        let text = if self.quiet { String::new() } else { report(&summary, stop.interrupt())? };
        Ok(Output { text, exit })
    }

    /// Returns the config in a file, or the preset of an environment, with the overrides.
    fn config(
        &self,
        given: &Path,
        source: &ConfigSource,
        registry: &Registry,
    ) -> Result<RunConfig> {
        let read = source.complete(self.steps, registry).map_err(|error| match error {
            Error::Core(twisterl_core::Error::UnknownEnvironment { name, known, also })
                if is_name(given) =>
            {
                let hint = match is_versioned(given) {
                    true => "; for those of Gymnasium, use python -m twisterl",
                    false => "",
                };
                let near = missing_name(&name, &known);
                let known = registered(&known, &also);
                let expected =
                    format!("a config file, or the name of an environment ({known}{hint})");
                Error::usage("CONFIG|ENV", expected, format!("{name:?}{near}"))
            }
            other => other,
        });
        let ReadConfig { config, ignored, notes } = read?;
        show(&ignored);
        if !self.quiet {
            notes.iter().for_each(message);
        }
        Ok(config)
    }

    /// Returns the overrides of the config: those of `--set`, then `--seed` and `--num-steps`.
    fn overrides(&self) -> Result<Vec<Override>> {
        let mut overrides = self.set.clone();
        for (path, value) in [("seed", self.seed), ("num_iterations", self.num_steps)] {
            if let Some(value) = value {
                overrides.push(Override::new(path, value)?);
            }
        }
        Ok(overrides)
    }
}

/// Writes a note to standard error for each of these fields of a config.
fn show(fields: &[impl Display]) {
    for field in fields {
        message(format_args!("note: {field}"));
    }
}

/// Returns the advice for the user of an interrupted run.
fn advice(run: &Path) -> String {
    format!("continue with --resume {}", escape_controls(&run.display().to_string()))
}

/// Returns true for what can only be the name of an environment: there is no such file, nor could there be a config.
fn is_name(given: &Path) -> bool {
    let is_config = given.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    !is_config && (given.components().count() == 1 || is_versioned(given)) && !given.exists()
}

/// Returns true for a name with a version, such as `CartPole-v1` and `ALE/Pong-v5`.
fn is_versioned(name: &Path) -> bool {
    let name = name.to_string_lossy();
    let version = name.rsplit_once("-v").map_or("", |(_, version)| version);
    !version.is_empty() && version.bytes().all(|digit| digit.is_ascii_digit())
}

/// Returns the config in a file, or one that only names an environment.
fn source_of(given: &Path) -> Result<ConfigSource> {
    match given.to_str() {
        Some(name) if is_name(given) || plugins::is_plugin(name) => {
            Ok(ConfigSource::of(json!({"env_cls": name})))
        }
        _ => ConfigSource::open(given),
    }
}

/// Returns the environment or the file that is meant by a name that is none of either, as a question.
fn missing_name(name: &str, known: &[String]) -> String {
    match nearest_environment(name, known) {
        Some(meant) => question(meant),
        None => meant(neighbours::nearest(Path::new(name)).as_deref()),
    }
}

/// Returns `runs/NAME` for a config `NAME.json` or an environment `NAME`.
fn default_path(given: &Path) -> PathBuf {
    let name = if is_name(given) { given.file_name() } else { given.file_stem() };
    Path::new("runs").join(name.unwrap_or("run".as_ref()))
}

/// Returns a summary of the run, with the solution of a problem if the run is finished.
fn report(summary: &Summary, interrupt: &Interrupt) -> Result<String> {
    let path = summary.path.display().to_string();
    let path = escape_controls(&path);
    let mut text = format!(
        "{path}: {}, {} steps, {}\n",
        counted(summary.iterations, "iteration"),
        numbers::quantity(summary.env_steps as f64),
        numbers::duration(summary.elapsed)
    );
    if let Some((score, evaluation)) = &summary.best_score {
        let evaluation = escape_controls(evaluation);
        let _ = writeln!(text, "best policy: {score} (evaluation {evaluation})");
    }
    if summary.interrupted {
        let _ = writeln!(text, "interrupted; {}", advice(&summary.path));
    } else {
        let (policy, spec) = (&summary.best, &*summary.env);
        let problem = print_episode::solve_scramble(policy, spec, summary.difficulty, interrupt)?;
        let _ = write!(text, "\n{problem}");
    }
    Ok(text)
}
