//! Training: the command without a name.

use super::{Exit, Output, count, print_episode};
use crate::config::{Override, RunConfig};
use crate::record::run_folder::RunFolder;
use crate::threads;
use crate::trainer;
use crate::trainer::{GRACE, Options, Summary};
use crate::{Error, Result};
use clap::Args;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::interrupt::Interrupt;

/// Names with underscores are the peer's spelling.
#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    /// Config file of the run.
    #[arg(required_unless_present_any = ["config_flag", "resume"])]
    config: Option<PathBuf>,
    /// The same as CONFIG.
    #[arg(long = "config", value_name = "CONFIG", conflicts_with = "config", hide = true)]
    config_flag: Option<PathBuf>,
    /// Folder of the run, new or empty; a new one under `runs/` if not given.
    #[arg(long, alias = "run_path", value_name = "DIR")]
    run_path: Option<PathBuf>,
    /// Iterations to make in all, instead of the config's `num_iterations`.
    #[arg(long, alias = "num_steps", value_name = "N")]
    num_steps: Option<u64>,
    /// Seed of the run, instead of the config's.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Upper bound on threads; the results do not depend on their number.
    #[arg(long, alias = "num_cores", value_name = "N", value_parser = count(4096))]
    num_cores: Option<usize>,
    /// Go on with the run in this folder, exactly from where it was stopped or killed.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["config", "config_flag", "run_path", "seed", "load_checkpoint", "set"]
    )]
    resume: Option<PathBuf>,
    /// Start from these weights: a run, a checkpoint, or a file of weights.
    #[arg(
        long,
        aliases = ["load_checkpoint", "load_checkpoint_path", "load-checkpoint-path"],
        value_name = "FILE"
    )]
    load_checkpoint: Option<PathBuf>,
    /// Change a value of the config, such as `algorithm.training.ent_coef=0.02`; may be repeated.
    #[arg(long, value_name = "PATH=VALUE", value_parser = Override::parse)]
    set: Vec<Override>,
    /// Show nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

impl TrainArgs {
    /// Trains, then solves a problem of the difficulty reached before the user's eyes.
    pub(super) fn run(self, registry: &Registry) -> Result<Output> {
        let (stop, interrupt) = stop_on_interrupt()?;
        let options = Options {
            load_checkpoint: self.load_checkpoint.clone(),
            quiet: self.quiet,
            threads: self.num_cores.map(threads::available),
            stop,
            interrupt,
            observer: None,
        };
        let summary = match (&self.resume, self.config.as_ref().or(self.config_flag.as_ref())) {
            (Some(folder), _) => trainer::resume(folder, self.num_steps, &options, registry)?,
            (None, Some(file)) => {
                let config = RunConfig::load(file, &self.overrides()?)?;
                let path = self.run_path.clone().unwrap_or_else(|| default_path(file));
                trainer::train(&config, &path, &options, registry)?
            }
            (None, None) => return Err(Error::usage("expected CONFIG or --resume, found neither")),
        };
        let exit = if summary.interrupted { Exit::Interrupted } else { Exit::Done };
        let text = if self.quiet { String::new() } else { report(&summary, registry)? };
        Ok(Output { text, exit })
    }

    /// The changes to the config: those of `--set`, then the flags with names of their own.
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

/// The switches that Ctrl-C throws: the one that stops after the iteration at once, the one that stops midway
/// a little later. A second Ctrl-C ends the process; no file is left half-written even then.
fn stop_on_interrupt() -> Result<(Arc<AtomicBool>, Interrupt)> {
    type Switches = (Arc<AtomicBool>, Interrupt);
    // A process can have one handler only.
    static SWITCHES: LazyLock<Result<Switches, ctrlc::Error>> = LazyLock::new(|| {
        let switches = Switches::default();
        let (stop, interrupt) = switches.clone();
        ctrlc::set_handler(move || {
            if stop.swap(true, Ordering::Relaxed) {
                std::process::exit(Exit::Interrupted as i32);
            }
            let interrupt = interrupt.clone();
            std::thread::spawn(move || {
                std::thread::sleep(GRACE);
                interrupt.set();
            });
        })?;
        Ok(switches)
    });
    match &*SWITCHES {
        Ok((stop, interrupt)) => {
            stop.store(false, Ordering::Relaxed);
            interrupt.clear();
            Ok((Arc::clone(stop), interrupt.clone()))
        }
        Err(error) => Err(Error::usage(format!("cannot listen for Ctrl-C: {error}"))),
    }
}

/// `runs/NAME` for a config `NAME.json`, or `runs/NAME-2` and so on where that exists.
fn default_path(config: &Path) -> PathBuf {
    RunFolder::free(&Path::new("runs").join(config.file_stem().unwrap_or("run".as_ref())))
}

fn report(summary: &Summary, registry: &Registry) -> Result<String> {
    let path = summary.path.display();
    let mut text = format!(
        "{path}: {} iterations, {} steps, {:.1} s\n",
        summary.iterations, summary.env_steps, summary.elapsed
    );
    if summary.interrupted {
        let _ = writeln!(text, "stopped; go on with --resume {path}");
    } else {
        let problem = print_episode::solve_scramble(&summary.best, summary.difficulty, registry)?;
        let _ = write!(text, "\n{problem}");
    }
    Ok(text)
}
