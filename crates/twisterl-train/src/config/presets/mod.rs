//! Configs for environments of which no more than the name is given: a policy and an algorithm that learn, chosen by the
//! spaces of the environment.
//!
//! A config without the section `algorithm` is completed by the preset of its environment; what it gives goes before what
//! the preset says. A config that names its classes by the peer's paths keeps the peer's defaults, since that is what it
//! was written for. docs/guide.md lists the presets.

mod describe;
mod goal;
mod policy;
mod reward;
#[cfg(test)]
mod tests;

use super::json::overlay;
use super::{AlgorithmClass, IgnoredField, Override, RunConfig};
use crate::system::plugins;
use crate::{Error, Result};
use serde_json::{Value, json};
use std::sync::Arc;
use twisterl_core::envs::registry::{EnvSpec, Registry, Trust};
use twisterl_core::space::{ActionComponent, ActionSpace, ObservationSpace};

/// A config for a kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// The kind of problem.
    pub problem: Problem,
    /// The kind of network.
    pub inputs: Inputs,
    /// The algorithm.
    pub algorithm: AlgorithmClass,
}

/// The kinds of problems, by how their episodes start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// A goal is to be reached from starts of a difficulty that a curriculum raises.
    Goal,
    /// The return of episodes is to be large.
    Reward,
}

/// The kinds of observations, by which the network is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inputs {
    /// Bits, perhaps with numbers beside them.
    Bits,
    /// A vector of numbers.
    Numbers,
    /// A grid or image of numbers.
    Image,
}

/// The kinds of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ActionKind {
    /// Choices and bits only.
    Discrete,
    /// Numbers only.
    Continuous,
    /// Both.
    Mixed,
}

impl ActionKind {
    fn of(space: &ActionSpace) -> Self {
        let continuous =
            |part: &ActionComponent| matches!(part, ActionComponent::Continuous { .. });
        let parts = space.components();
        match parts.iter().filter(|part| continuous(part)).count() {
            0 => Self::Discrete,
            count if count == parts.len() => Self::Continuous,
            _ => Self::Mixed,
        }
    }
}

impl Preset {
    /// Returns true if observations are symbols or pixels, whose likeness says nothing about that of states.
    fn is_symbolic(self) -> bool {
        matches!(self.inputs, Inputs::Bits | Inputs::Image)
    }

    /// Returns the preset for an environment.
    pub fn of(spec: &dyn EnvSpec, algorithm: AlgorithmClass) -> Self {
        let problem = match spec.starts().curriculum {
            true => Problem::Goal,
            false => Problem::Reward,
        };
        let inputs = match spec.observation_space() {
            ObservationSpace::Dense { shape } if shape.len() > 1 => Inputs::Image,
            ObservationSpace::Dense { .. } => Inputs::Numbers,
            ObservationSpace::SparseBinary { .. } | ObservationSpace::Mixed { .. } => Inputs::Bits,
        };
        Self { problem, inputs, algorithm }
    }

    /// Returns the config for the environment that the preset was chosen for, without its name and parameters, below a
    /// config that gives some of its fields.
    fn config(self, spec: &dyn EnvSpec, given: &Value) -> Value {
        let (algorithm, num_iterations) = match self.problem {
            Problem::Goal => goal::algorithm(self.algorithm, spec.starts()),
            Problem::Reward => reward::algorithm(self, spec),
        };
        json!({
            "policy": policy::network(self, spec, given),
            "algorithm_cls": self.algorithm.name(),
            "algorithm": algorithm,
            "num_iterations": num_iterations,
        })
    }
}

/// A config that was read.
#[derive(Debug)]
pub struct ReadConfig {
    /// The config.
    pub config: RunConfig,
    /// The fields that were ignored, see [`RunConfig::read`].
    pub ignored: Vec<IgnoredField>,
    /// The preset that was used and the reasons for it, a line each; none if the config did not need one.
    pub notes: Vec<String>,
}

/// Reads a config with `overrides` set in it, completed by the preset of its environment if the config itself has no
/// section `algorithm` and was not written for the peer. The config is the user's: its environment may be
/// [code](Trust::Code). With `steps`, the run has the iterations in which it makes at least so many steps of its
/// environments.
///
/// # Errors
/// As for [`RunConfig::read_changed`]. With a preset also if there is no such environment, or its parameters are wrong; with
/// `steps` also if the number of steps of an iteration does not follow from the config.
pub fn read(
    mut config: Value,
    overrides: &[Override],
    steps: Option<u64>,
    registry: &Registry,
) -> Result<ReadConfig> {
    let used = complete(&mut config, overrides, steps, registry)?;
    let (mut config, ignored) = RunConfig::read_changed(config, overrides)?;
    if let Some(steps) = steps {
        config.num_iterations = Some(iterations(&config.to_value(), steps)?);
    }
    let notes = used.map(|(preset, spec)| describe::describe(preset, &*spec, &config).to_vec());
    Ok(ReadConfig { config, ignored, notes: notes.unwrap_or_default() })
}

/// Puts the preset below what the config gives. Returns `None` if the config needs none.
fn complete(
    config: &mut Value,
    overrides: &[Override],
    steps: Option<u64>,
    registry: &Registry,
) -> Result<Option<(Preset, Arc<dyn EnvSpec>)>> {
    if config.get("algorithm").is_some_and(|section| !section.is_null()) {
        return Ok(None);
    }
    // What decides on the preset may be given by overrides, too.
    let mut given = config.clone();
    overrides.iter().try_for_each(|change| change.apply(&mut given))?;
    let text = |key: &str| given.get(key).and_then(Value::as_str);
    let by_peer = ["algorithm_cls", "policy_cls"].into_iter().filter_map(text);
    let is_peers = by_peer.into_iter().any(|name| name.starts_with("twisterl."));
    let Some(env_cls) = text("env_cls").filter(|_| !is_peers) else { return Ok(None) };
    let algorithm = match text("algorithm_cls") {
        Some(name) => AlgorithmClass::parse(name)?,
        None => AlgorithmClass::default(),
    };
    let params = given.get("env").filter(|params| !params.is_null());
    let registry = plugins::bounded(registry, plugins::sandbox_of(&given)).with_trust(Trust::Code);
    let spec = registry.make(env_cls, params.unwrap_or(&json!({})))?;
    let preset = Preset::of(&*spec, algorithm);
    let mut completed = preset.config(&*spec, &given);
    let planned = match steps {
        Some(steps) => iterations(&completed, steps).ok(),
        None => given.get("num_iterations").and_then(Value::as_u64),
    };
    scale_evals(&mut completed, planned);
    if let Some(fields) = config.as_object_mut() {
        fields.retain(|_, field| !field.is_null());
    }
    overlay(&mut completed, config.take());
    *config = completed;
    Ok(Some((preset, spec)))
}

/// Makes as many evaluations in a run of `planned` iterations as the preset makes in its own number of iterations.
fn scale_evals(config: &mut Value, planned: Option<u64>) {
    let (Some(planned), Some(own)) = (planned, config["num_iterations"].as_u64()) else { return };
    let Some(evals) = config["algorithm"]["evals"].as_object_mut() else { return };
    for eval in evals.values_mut() {
        if let Some(every) = eval["every"].as_u64() {
            let scaled = u128::from(every) * u128::from(planned) / u128::from(own.max(1));
            eval["every"] = u64::try_from(scaled).unwrap_or(u64::MAX).max(1).into();
        }
    }
}

/// Returns the number of iterations in which a run makes at least `steps` steps of its environments.
///
/// # Errors
/// If the number of steps of an iteration does not follow from the config.
fn iterations(config: &Value, steps: u64) -> Result<u64> {
    let collecting = &config["algorithm"]["collecting"];
    let (envs, length) = (&collecting["num_envs"], &collecting["rollout_length"]);
    match (envs.as_u64(), length.as_u64()) {
        (Some(envs), Some(length)) if envs > 0 && length > 0 => {
            Ok(steps.div_ceil(envs.saturating_mul(length)))
        }
        _ => Err(Error::NoFixedSteps { steps }),
    }
}
