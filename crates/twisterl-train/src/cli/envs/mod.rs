//! Environments: the command `envs`, which lists them, and the flags for environments that files name.

mod repository;

pub(super) use repository::EnvArgs;

use super::Output;
use crate::Result;
use crate::record::load::{LoadedPolicy, open_policy};
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use twisterl_core::Error;
use twisterl_core::envs::registry::{EnvSpec, Registry, Trust};
use twisterl_core::error::counts::{counted, shaped};
use twisterl_core::error::escape::escape_lines;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::policy::{Arithmetic, Policy};
use twisterl_core::space::{ActionComponent, ObservationSpace};

/// List the environments with their parameters and defaults, their spaces, and the result of `check_env`.
#[derive(Debug, Args)]
pub(super) struct EnvsArgs {
    /// List only this environment.
    name: Option<String>,
}

impl EnvsArgs {
    pub(super) fn run(self, registry: &Registry, interrupt: &Interrupt) -> Result<Output> {
        let mut text = String::new();
        let registry = registry.with_trust(Trust::Code);
        let names = registry.names().map(str::to_owned);
        for name in self.name.map_or_else(|| names.collect(), |name| vec![name]) {
            interrupt.check()?;
            let described = match registry.make(&name, &json!({})) {
                Ok(spec) => describe(&*spec),
                // Some of its parameters have no default.
                Err(Error::Config { path, expected, found }) if path != "env_cls" => {
                    row("parameters", &Error::Config { path, expected, found }.to_string())
                }
                Err(error) => return Err(error.into()),
            };
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = write!(text, "{gap}{name}\n{described}");
        }
        Ok(escape_lines(&text).into_owned().into())
    }
}

/// Flags of commands that load files, for the environments that the files name.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct EnvFlags {
    /// Environment to use in place of the one that the file names, with the parameters in the file: a built-in one, a Python
    /// class, such as my_module.MyEnv, or a WebAssembly module, such as ./my_env.wasm.
    #[arg(long, value_name = "NAME", conflicts_with = "trust")]
    pub(super) env: Option<String>,
    /// Trust the file: load the environment that it names, which runs the code of a Python or WebAssembly module.
    #[arg(long)]
    trust: bool,
}

/// Arguments of commands that play a policy: its file, and the environment that the file names.
#[derive(Debug, Args)]
pub(super) struct PolicyArgs {
    /// A run, a checkpoint, or a file of weights.
    #[arg(value_name = "RUN|CHECKPOINT")]
    policy: PathBuf,
    /// Config for a file of bare weights.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    env: EnvFlags,
    #[command(flatten)]
    arithmetic: ArithmeticFlags,
}

impl PolicyArgs {
    /// Loads the policy.
    pub(super) fn open(&self, registry: &Registry) -> Result<LoadedPolicy> {
        let registry = self.env.registry(registry);
        let mut loaded = open_policy(&self.policy, self.config.as_deref(), &registry)?;
        self.arithmetic.apply(&mut loaded.policy);
        Ok(loaded)
    }
}

/// The arithmetic of commands that play a policy.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct ArithmeticFlags {
    /// Give the same answers on every machine, to the last bit. Large batches of wide networks take up to twice as long.
    #[arg(long)]
    portable: bool,
}

impl ArithmeticFlags {
    /// Sets the arithmetic of `policy`, if another than its own is asked for.
    pub(super) fn apply(self, policy: &mut Policy) {
        if self.portable {
            policy.arithmetic = Arithmetic::Portable;
        }
    }
}

impl EnvFlags {
    /// Returns the registry to load the file with.
    pub(super) fn registry(&self, registry: &Registry) -> Registry {
        let trusting = registry.with_trust(Trust::Code);
        match self.env.clone() {
            Some(name) => registry.replacing_envs(move |params| trusting.make(&name, params)),
            None if self.trust => trusting,
            None => registry.clone(),
        }
    }
}

/// Returns the description of an environment, one property per row.
fn describe(spec: &dyn EnvSpec) -> String {
    let mut text = String::new();
    let params = spec.params();
    let mut title = "parameters";
    // Parameters are an object, or null if there are none.
    let written = params.as_object().into_iter().flatten();
    let unwritten = spec.unwritten_defaults().iter();
    for (key, value) in written
        .map(|(key, value)| (key.as_str(), brief(value)))
        .chain(unwritten.map(|(key, value)| (*key, (*value).to_owned())))
    {
        text += &row(title, &format!("{key} = {value}"));
        title = "";
    }
    text += &row("observation", &observation(&spec.observation_space()));
    let actions: Vec<_> = spec.action_space().components().iter().map(action).collect();
    text += &row("action", &actions.join(", "));
    text += &row("symmetries", &spec.twists().len().to_string());
    text += &row(
        "check",
        &match spec.check(0) {
            Ok(report) => format!("passed: {report}"),
            Err(error) => format!("FAILED: {error}"),
        },
    );
    text
}

/// Returns one row of a description.
fn row(title: &str, text: &str) -> String {
    format!("  {title:12} {text}\n")
}

/// Formats a default. Single-precision numbers are printed without the digits that double precision adds.
fn brief(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if value.is_f64() => (number as f32).to_string(),
        _ => value.to_string(),
    }
}

/// Returns the observation space in words.
fn observation(space: &ObservationSpace) -> String {
    match space {
        ObservationSpace::SparseBinary { shape } => shaped(shape, "bit"),
        ObservationSpace::Dense { shape } => shaped(shape, "number"),
        ObservationSpace::Mixed { bits, values } => {
            format!("{}, {}", shaped(bits, "bit"), shaped(values, "number"))
        }
    }
}

/// Returns a component of the action space in words.
fn action(component: &ActionComponent) -> String {
    match component {
        ActionComponent::Discrete { n } => format!("one of {n}"),
        ActionComponent::Binary { n } => counted(n, "bit"),
        ActionComponent::Continuous { shape, .. } => shaped(shape, "number"),
    }
}
