//! Configs for environments of which no more than the name is given: a policy and an algorithm that learn, chosen by the
//! spaces of the environment.
//!
//! A config without the section `algorithm` is completed by the preset of its environment; what it gives goes before what
//! the preset says. A config that names its classes by the peer's paths keeps the peer's defaults, since that is what it
//! was written for. [`docs/guide.md`](https://github.com/twisterl/twisterl/blob/main/docs/guide.md) lists the presets.

mod goal;
mod policy;
mod reward;
#[cfg(test)]
mod tests;

use super::json::overlay;
use super::{AlgorithmClass, IgnoredField, Override, RunConfig};
use crate::{Error, Result};
use serde_json::{Value, json};
use std::fmt::{self, Display, Formatter};
use twisterl_core::envs::registry::{EnvSpec, Registry};
use twisterl_core::space::ObservationSpace;

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

impl Preset {
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

    /// Returns the config for the environment that the preset was chosen for, without its name and parameters.
    pub fn config(self, spec: &dyn EnvSpec) -> Value {
        let (algorithm, num_iterations) = match self.problem {
            Problem::Goal => goal::algorithm(self.algorithm, spec.starts()),
            Problem::Reward => reward::algorithm(self.algorithm, spec),
        };
        json!({
            "policy": policy::network(self, spec),
            "algorithm_cls": self.algorithm.name(),
            "algorithm": algorithm,
            "num_iterations": num_iterations,
        })
    }
}

impl Display for Preset {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            Problem::Goal => "goals with a curriculum",
            Problem::Reward => "rewards",
        };
        let inputs = match self.inputs {
            Inputs::Bits => "bits",
            Inputs::Numbers => "numbers",
            Inputs::Image => "images",
        };
        write!(f, "{} for {problem}, observations of {inputs}", self.algorithm)
    }
}

/// Reads a config with `overrides` set in it, completed by the preset of its environment if the config itself has no section
/// `algorithm` and was not written for the peer. Returns the preset that was used, too; for the rest see
/// [`RunConfig::read`].
///
/// # Errors
/// As for [`RunConfig::read_changed`]. With a preset also if there is no such environment, or its parameters are wrong.
pub fn read(
    mut config: Value,
    overrides: &[Override],
    registry: &Registry,
) -> Result<(RunConfig, Vec<IgnoredField>, Option<Preset>)> {
    let preset = complete(&mut config, overrides, registry)?;
    let (config, ignored) = RunConfig::read_changed(config, overrides)?;
    Ok((config, ignored, preset))
}

/// Puts the preset below what the config gives. Returns `None` if the config needs none.
fn complete(
    config: &mut Value,
    overrides: &[Override],
    registry: &Registry,
) -> Result<Option<Preset>> {
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
    let spec = registry.make(env_cls, params.unwrap_or(&json!({})))?;
    let preset = Preset::of(&*spec, algorithm);
    let mut completed = preset.config(&*spec);
    overlay(&mut completed, config.take());
    *config = completed;
    Ok(Some(preset))
}

/// Returns the number of iterations in which a run makes at least `steps` steps of its environments.
///
/// # Errors
/// If the number of steps of an iteration does not follow from the config.
pub fn iterations(config: &Value, steps: u64) -> Result<u64> {
    let collecting = &config["algorithm"]["collecting"];
    let (envs, length) = (&collecting["num_envs"], &collecting["rollout_length"]);
    match (envs.as_u64(), length.as_u64()) {
        (Some(envs), Some(length)) if envs > 0 && length > 0 => {
            Ok(steps.div_ceil(envs.saturating_mul(length)))
        }
        _ => {
            let expected = "num_steps, in iterations, for a config whose iterations have no fixed number of steps";
            Err(Error::usage("steps", expected, steps))
        }
    }
}
