//! The config of a run: the peer's JSON layout, extended with defaulted fields.
//!
//! A config names an algorithm and is resolved into a struct for it ([`AlgorithmConfig`]), beside what all runs share.
//! The types below are the schema: ranges stand beside the fields, and reach both the check ([`RunConfig::read`]) and the
//! JSON Schema for editors ([`RunConfig::schema`]), which has exactly the fields of each algorithm. Every error gives the
//! JSON path, what was expected and what was found.

mod algorithm;
mod check;
mod evals;
mod json;
pub(crate) mod limits;
mod names;
mod policy;
pub mod presets;
mod schema;
mod shared;
#[cfg(test)]
mod tests;

pub use crate::system::num_cores::NumCores;
pub use algorithm::{
    AlgorithmClass, AlgorithmConfig, AlphaZeroCollecting, AlphaZeroConfig,
    BackwardScrambleCollecting, BackwardScrambleConfig, CommonName, EsCollecting, EsConfig,
    EsOptimizer, EvolutionConfig, ExpertsConfig, Fitness, PpoCollecting, PpoConfig, PpoStarts,
    PpoTraining, SelectionName, Shaping, StartsConfig, SupervisedTraining,
};
pub use check::changes::ChangedField;
pub use check::source::ConfigSource;
pub use check::unused::IgnoredField;
pub use evals::{EvalConfig, EvalStart, Evals, MAX_DIFFICULTY, ROLLOUT_METRIC};
pub use names::engine::EngineName;
pub(crate) use policy::descriptions;
pub use policy::{
    ActivationName, DistributionConfig, InitConfig, LayersConfig, LogStdName, PolicyClass,
    PolicyConfig, SchemeName, SymmetryName,
};
pub use shared::{
    Device, LearningConfig, LoggingConfig, OptimizerConfig, Schedule, SharedCollecting,
    SharedConfig,
};

use crate::system::plugins::wasm::is_module;
use crate::{Error, Result};
pub use json::Override;
use json::{config_error, from_json, overlay, to_json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;
use twisterl_core::error::from_serde::{describe, shorten};
use twisterl_wasm::Sandbox;

/// Everything needed to start a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunConfig {
    /// Name of the environment.
    pub env_cls: String,
    /// Parameters of the environment, an object.
    pub env: Value,
    /// Bounds on an environment in a WebAssembly module; without them, those by default.
    pub env_sandbox: Option<Sandbox>,
    /// Kind of policy.
    pub policy_cls: PolicyClass,
    /// The policy's network.
    pub policy: PolicyConfig,
    /// The learning algorithm with its parameters.
    pub algorithm: AlgorithmConfig,
    /// The parameters that all algorithms share.
    pub shared: SharedConfig,
    /// Seed of all randomness of the run.
    pub seed: u64,
    /// Iterations after which the run ends; without it, it continues until stopped.
    pub num_iterations: Option<u64>,
    /// The engine that collects; without it, threads of this process do.
    pub engine: Option<EngineName>,
}

/// A config as it stands in a file, without the fields of its algorithm, which stand beside the shared ones.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RunConfig", description = "Everything needed to start a run.")]
struct Document {
    /// Name of the environment; a leading Python module path is ignored (`twisterl.envs.Puzzle` is `Puzzle`). Also the path
    /// of a WebAssembly module (`./puzzle.wasm`), relative to the folder of the config or, if there is none, to the current
    /// one. In Python also the path of a class or an id of Gymnasium.
    env_cls: String,
    /// Parameters of the environment; `twisterl-train envs` lists them.
    #[serde(default = "empty")]
    #[schemars(with = "Map<String, Value>")]
    env: Value,
    /// Bounds on what an environment in a WebAssembly module may use.
    #[serde(default)]
    env_sandbox: Option<Sandbox>,
    /// Kind of policy.
    #[serde(default = "default_policy")]
    #[schemars(extend("enum" = [
        "twisterl.nn.BasicPolicy", "BasicPolicy", "Mlp", "twisterl.nn.Conv1dPolicy", "Conv1dPolicy"
    ]))]
    policy_cls: String,
    /// The policy's network.
    #[serde(default)]
    policy: PolicyConfig,
    /// Learning algorithm.
    #[serde(default = "default_algorithm")]
    algorithm_cls: String,
    /// Parameters of the algorithm and of the run around it.
    #[serde(default)]
    algorithm: SharedConfig,
    /// Seed of all randomness of the run, below 2^64.
    #[serde(default)]
    seed: u64,
    /// Iterations after which the run ends; without it, it continues until stopped. The peer's command line calls this
    /// `num_steps`.
    #[serde(default)]
    num_iterations: Option<u64>,
    /// Collect by other processes instead of by threads of this one: `processes` or `processes:N` of this machine, or
    /// `ray`. Results do not depend on it. See docs/distributed.md.
    #[serde(default)]
    #[schemars(regex(pattern = EngineName::PATTERN))]
    engine: Option<String>,
}

fn empty() -> Value {
    Value::Object(Map::new())
}

fn default_policy() -> String {
    PolicyClass::default().name().into()
}

fn default_algorithm() -> String {
    AlgorithmClass::default().name().into()
}

impl RunConfig {
    /// Reads a config as [`read`](Self::read) does, without its notes: for configs that are resolved already, and
    /// callers with nobody to show notes to.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn from_value(value: Value) -> Result<Self> {
        Self::read(value).map(|(config, _)| config)
    }

    /// Reads a config, fills in the defaults and checks all ranges. Returns also the fields that were ignored because the
    /// algorithm does not use them: in a config that was written for the peer, which names `algorithm_cls` and
    /// `policy_cls` by the peer's paths, or by an older version of this package. The caller is to show them to the user.
    ///
    /// # Errors
    /// [`twisterl_core::Error::Config`] for the first key that is unknown, missing or not used by the algorithm, and the first value that
    /// is of a wrong type or out of range.
    pub fn read(value: Value) -> Result<(Self, Vec<IgnoredField>)> {
        let read = Self::read_fields(value)?;
        read.0.check()?;
        Ok(read)
    }

    /// Reads a config as [`read`](Self::read) does, without checking whether values fit each other.
    fn read_fields(mut value: Value) -> Result<(Self, Vec<IgnoredField>)> {
        json::plain_lists(&mut value)?;
        schema::remove_reference(&mut value);
        let class = match value.get("algorithm_cls") {
            Some(Value::String(name)) => AlgorithmClass::parse(name)?,
            Some(other) => {
                return Err(Error::config("algorithm_cls", "a string", describe(other)));
            }
            None => AlgorithmClass::default(),
        };
        let ignored = check::unused::remove(&mut value, class)?;
        check::ranges(&value, schema::of(class))?;
        let algorithm = AlgorithmConfig::read(class, value.get("algorithm").cloned())?;
        // Read apart from serde, which would turn the errors of layers into text.
        let layers = value.pointer_mut("/policy/layers").map(Value::take);
        let layers = layers.filter(|layers| !layers.is_null()).map(LayersConfig::read).transpose();
        let layers = layers.map_err(|error| config_error(error.below("policy.layers")))?;
        let document: Document = from_json(value)?;
        let config = Self {
            env_cls: document.env_cls,
            env: document.env,
            env_sandbox: document.env_sandbox,
            policy_cls: PolicyClass::parse(&document.policy_cls)?,
            policy: PolicyConfig { layers, ..document.policy },
            algorithm,
            shared: document.algorithm,
            seed: document.seed,
            num_iterations: document.num_iterations,
            engine: document.engine.as_deref().map(EngineName::parse).transpose()?,
        };
        Ok((config, ignored))
    }

    /// Reads the config file at `path`, with `overrides` set in it one after the other. For what is returned see
    /// [`read`](Self::read).
    ///
    /// # Errors
    /// If the file cannot be read, is larger than 1 MiB, is not JSON or repeats a key, and as for [`read`](Self::read).
    pub fn load(path: &Path, overrides: &[Override]) -> Result<(Self, Vec<IgnoredField>)> {
        ConfigSource::open_resolved(path)?.with(overrides).read(None)
    }

    /// Reads a config with `overrides` set in it one after the other. For what is returned see [`read`](Self::read).
    ///
    /// # Errors
    /// As for [`read`](Self::read), and if a place cannot be reached.
    pub fn read_changed(
        mut value: Value,
        overrides: &[Override],
    ) -> Result<(Self, Vec<IgnoredField>)> {
        for change in overrides {
            change.apply(&mut value)?;
        }
        Self::read(value)
    }

    /// Returns the resolved config, with exactly the fields of its algorithm, every default written out.
    /// [`from_value`](Self::from_value) reads it back to the same.
    pub fn to_value(&self) -> Value {
        let mut algorithm = to_json(&self.shared);
        overlay(&mut algorithm, self.algorithm.to_json());
        let mut value = serde_json::json!({
            "env_cls": self.env_cls,
            "env": self.env,
            "policy_cls": self.policy_cls.name(),
            "policy": to_json(&self.policy),
            "algorithm_cls": self.algorithm.class().name(),
            "algorithm": algorithm,
            "seed": self.seed,
            "num_iterations": self.num_iterations,
        });
        if let Some(sandbox) = &self.env_sandbox {
            value["env_sandbox"] = to_json(sandbox);
        }
        if let Some(engine) = &self.engine {
            value["engine"] = engine.to_string().into();
        }
        schema::in_order(value, schema::of(self.algorithm.class()))
    }

    /// [`to_value`](Self::to_value) as indented text that ends with a newline, as in a run's `config.json`.
    pub fn to_pretty(&self) -> String {
        format!("{:#}\n", self.to_value())
    }

    /// Returns the JSON Schema of configs, for editors: `algorithm_cls` selects the fields.
    pub fn schema() -> Value {
        schema::for_editors()
    }

    /// Checks values that have no range in the schema, or must fit each other.
    fn check(&self) -> Result<()> {
        if self.env_cls.is_empty() {
            return Err(Error::config("env_cls", "the name of an environment", "an empty one"));
        }
        if !self.env.is_object() {
            let found = shorten(&self.env.to_string());
            return Err(Error::config("env", "an object", found));
        }
        if self.env_sandbox.is_some() && !is_module(&self.env_cls) {
            let expected = "none, for an environment that is no WebAssembly module";
            return Err(Error::config("env_sandbox", expected, "bounds"));
        }
        self.policy.check()?;
        self.algorithm.check()?;
        self.shared.check()?;
        let mut scheduled = self.algorithm.final_values();
        scheduled.push(("algorithm.optimizer.lr_final", self.shared.optimizer.lr_final));
        let scheduled = scheduled.into_iter().find(|(_, value)| value.is_some());
        match (scheduled, self.num_iterations) {
            (Some((path, _)), None) => {
                let expected = format!("the number of iterations after which {path} is reached");
                Err(Error::config("num_iterations", expected, "none"))
            }
            _ => Ok(()),
        }
    }
}

impl EvalConfig {
    /// Reads one evaluation, fills in the defaults and checks all ranges. Paths in errors begin at the evaluation.
    ///
    /// # Errors
    /// As for [`RunConfig::read`].
    pub fn from_value(value: Value) -> Result<Self> {
        // All algorithms have the same evaluations.
        let schema = &schema::of(AlgorithmClass::default())["properties"]["algorithm"];
        check::ranges(&value, &schema["properties"]["evals"]["additionalProperties"])?;
        let eval: Self = from_json(value)?;
        limits::tree_growth("evaluation", eval.num_mcts_searches, eval.max_expand_depth)?;
        Ok(eval)
    }
}
