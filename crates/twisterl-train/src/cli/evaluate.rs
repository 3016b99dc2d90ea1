//! `evaluate`: many problems, and how well they were solved.

use super::Output;
use super::envs::EnvFlags;
use super::states;
use super::states::Instance;
use crate::play;
use crate::play::{PlayArgs, count};
use crate::record::load::load_policy;
use crate::{Error, Result};
use clap::Args;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::{EnvSpec, Registry};
use twisterl_core::policy::executor::Executor;
use twisterl_core::rng::{Purpose, StreamKey};

/// BeamScore a policy on given states or on scrambles.
#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    /// A run, a checkpoint, or a file of weights.
    #[arg(value_name = "RUN|CHECKPOINT")]
    policy: PathBuf,
    /// States to solve: `{"instances": [{"state": [...], "optimal": 38}, ...]}`, or a list of states.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["num_episodes", "difficulty"])]
    states: Option<PathBuf>,
    /// Scrambles to solve.
    #[arg(long, alias = "num_episodes", value_name = "N", default_value_t = 1000, value_parser = count(10_000_000))]
    num_episodes: usize,
    /// Difficulty of the scrambles; that of the environment's parameters if not given.
    #[arg(long, value_name = "D", value_parser = count(1_000_000))]
    difficulty: Option<usize>,
    /// Config that belongs to a bare file of weights.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    env: EnvFlags,
    #[command(flatten)]
    play: PlayArgs,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl EvaluateArgs {
    pub(super) fn run(self, registry: &Registry) -> Result<Output> {
        let registry = self.env.registry(registry);
        let policy = load_policy(&self.policy, self.config.as_deref(), &registry)?;
        let spec = registry.make(&policy.env_cls, &policy.env)?;
        let executor = Executor::of(&policy)?;
        let instances = match &self.states {
            Some(file) => {
                let instances = states::read(file)?;
                check_states(&instances, &*spec, file)?;
                instances
            }
            None => Vec::new(),
        };
        let starts: Vec<Start<'_>> = if self.states.is_some() {
            instances.iter().map(at).collect()
        } else {
            let difficulty = self.difficulty.unwrap_or_else(|| spec.difficulty());
            vec![Start::Scramble { difficulty }; self.num_episodes]
        };
        let begun = Instant::now();
        let outcomes = self.play.solve(&*spec, &executor, (Purpose::Evaluate, 1), &starts)?;
        let seconds = begun.elapsed().as_secs_f64();
        let optimal: Vec<_> = instances.iter().map(|i| i.optimal).collect();
        let mut figures = play::figures(&outcomes, &optimal, seconds);
        if self.json {
            figures.insert("lengths".into(), play::lengths(&outcomes, &optimal));
            return Ok(format!("{}\n", Value::Object(figures)).into());
        }
        let mut text = String::new();
        for (name, value) in &figures {
            let _ = writeln!(text, "{name:18} {}", plain(value));
        }
        Ok(text.into())
    }
}

/// A start at this state, with the full budget.
fn at(instance: &Instance) -> Start<'_> {
    Start::State { state: &instance.state, difficulty: None }
}

/// Tries each state, so that a wrong one is named.
fn check_states(instances: &[Instance], spec: &dyn EnvSpec, file: &Path) -> Result<()> {
    let mut env = spec.batch(1);
    let mut rng = StreamKey::new(0, Purpose::Evaluate).stream();
    for (i, instance) in instances.iter().enumerate() {
        env.begin(0, at(instance), &mut rng).map_err(|error| match error {
            twisterl_core::Error::State { expected, found } => {
                Error::config(format!("{}: state {i}", file.display()), expected, found)
            }
            other => other.into(),
        })?;
    }
    Ok(())
}

fn plain(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if value.is_f64() && number.abs() >= 0.01 => format!("{number:.4}"),
        Some(number) if value.is_f64() => format!("{number:.3e}"),
        _ if value.is_null() => "-".into(),
        _ => value.to_string(),
    }
}
