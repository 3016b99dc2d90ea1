//! The config of a run: the peer's JSON layout, extended with defaulted fields.
//!
//! The types below are the schema: serde fills in what is not given, key by key, and refuses unknown keys; the ranges
//! stand beside the fields and reach both the check ([`RunConfig::from_value`]) and the JSON Schema for editors
//! ([`RunConfig::schema`]). Every error gives the JSON path, what was expected and what was found.

mod algorithm;
mod check;
mod collecting;
mod distribution;
mod es;
mod evals;
mod explain;
mod overrides;
mod policy;
#[cfg(test)]
mod tests;

pub use algorithm::{
    AlgorithmClass, AlgorithmConfig, Device, LearningConfig, LoggingConfig, OptimizerConfig,
    ROLLOUT_METRIC, Schedule, TrainingConfig,
};
pub use collecting::{CollectingConfig, ExpertsConfig, SelectionName, StartsConfig};
pub(crate) use distribution::descriptions;
pub use distribution::{DistributionConfig, LogStdName};
pub use es::{CommonName, EsConfig, EsOptimizer, Fitness, Shaping};
pub use evals::{EvalConfig, EvalStart, Evals};
pub use overrides::Override;
pub use policy::{
    ActivationName, InitConfig, LayersConfig, PolicyClass, PolicyConfig, SchemeName, SymmetryName,
};

use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::LazyLock;

/// The largest config file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// The deepest nesting of a config that is accepted; what follows recurses no deeper than this.
const MAX_DEPTH: usize = 192;

/// All that a run needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Name of the environment; a leading Python module path is ignored (`twisterl.envs.Puzzle` is `Puzzle`).
    pub env_cls: String,
    /// Parameters of the environment; `twisterl-train envs` lists them.
    #[serde(default = "empty")]
    #[schemars(with = "Map<String, Value>")]
    pub env: Value,
    /// Kind of policy.
    #[serde(default)]
    #[schemars(extend("enum" = [
        "twisterl.nn.BasicPolicy", "BasicPolicy", "Mlp", "twisterl.nn.Conv1dPolicy", "Conv1dPolicy"
    ]))]
    pub policy_cls: PolicyClass,
    /// The policy's network.
    #[serde(default)]
    pub policy: PolicyConfig,
    /// Learning algorithm.
    #[serde(default)]
    #[schemars(extend("enum" = [
        "twisterl.rl.PPO", "PPO", "twisterl.rl.AZ", "AZ", "twisterl.rl.BackwardScramble", "BackwardScramble",
        "twisterl.rl.ES", "ES"
    ]))]
    pub algorithm_cls: AlgorithmClass,
    /// Parameters of the algorithm and of what surrounds it.
    #[serde(default)]
    pub algorithm: AlgorithmConfig,
    /// Seed of all randomness of the run.
    #[serde(default)]
    pub seed: u64,
    /// Iterations after which the run ends; without it, it goes on until stopped. The peer's word on the command line
    /// is `num_steps`.
    #[serde(default)]
    pub num_iterations: Option<u64>,
}

fn empty() -> Value {
    Value::Object(Map::new())
}

impl RunConfig {
    /// Reads a config, fills in the defaults and checks all ranges.
    ///
    /// # Errors
    /// [`Error::Config`] for the first key that is unknown or missing and the first value that is of a wrong type or
    /// out of range.
    pub fn from_value(mut value: Value) -> Result<Self> {
        plain_lists(&mut value, 0)?;
        // The peer's resolved configs repeat default policy sizes here, and the peer itself never reads them.
        if let Some(Value::Object(algorithm)) = value.get_mut("algorithm") {
            algorithm.shift_remove("policy");
        }
        algorithm::fill_defaults(&mut value);
        check::ranges(&value)?;
        let config: Self = serde_path_to_error::deserialize(value)
            .map_err(|e| explain::error(&e.path().to_string(), &e.inner().to_string()))?;
        config.check()?;
        Ok(config)
    }

    /// Reads the config file at `path`, with `overrides` set in it one after the other.
    ///
    /// # Errors
    /// If the file cannot be read, is larger than 1 MB or is not JSON, and as for [`from_value`](Self::from_value).
    pub fn load(path: &Path, overrides: &[Override]) -> Result<Self> {
        let mut value = read_json(path)?;
        for change in overrides {
            change.apply(&mut value)?;
        }
        Self::from_value(value)
    }

    /// The resolved config, every default written out; [`from_value`](Self::from_value) reads it back to the same.
    pub fn to_value(&self) -> Value {
        // Cannot fail: all keys are strings.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// [`to_value`](Self::to_value) as indented text that ends with a newline, as in a run's `config.json`.
    pub fn to_pretty(&self) -> String {
        format!("{:#}\n", self.to_value())
    }

    /// The JSON Schema of configs, for editors.
    pub fn schema() -> Value {
        SCHEMA.clone()
    }
}

impl EvalConfig {
    /// Reads one evaluation, fills in the defaults and checks all ranges. Paths in errors begin at the evaluation.
    ///
    /// # Errors
    /// As for [`RunConfig::from_value`].
    pub fn from_value(value: Value) -> Result<Self> {
        check::ranges_of("EvalConfig", &value)?;
        let config: Self = serde_path_to_error::deserialize(value)
            .map_err(|e| explain::error(&e.path().to_string(), &e.inner().to_string()))?;
        check::check_growth("evaluation", config.num_mcts_searches, config.max_expand_depth)?;
        Ok(config)
    }
}

/// Built once: every check walks it.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(RunConfig).to_value());

/// Reads a JSON file of at most 1 MB.
///
/// # Errors
/// If the file cannot be read, is larger, or is not JSON; the error gives line and column.
pub(crate) fn read_json(path: &Path) -> Result<Value> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|e| Error::io("read", path, e))?;
    if bytes.len() as u64 > MAX_BYTES {
        let found = "a larger one";
        return Err(Error::config(path.display().to_string(), "a file of at most 1 MB", found));
    }
    serde_json::from_slice(&bytes).map_err(|e| {
        let message = e.to_string();
        let what = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
        let place = format!("{}:{}:{}", path.display(), e.line(), e.column());
        Error::config(place, "JSON", what)
    })
}

/// Replaces the peer's `{"__tuple_list__": true, "list": [...]}` objects by their lists, and refuses nesting that is
/// deeper than any config needs.
fn plain_lists(value: &mut Value, depth: usize) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(Error::config("config", format!("at most {MAX_DEPTH} nested levels"), "more"));
    }
    if let Value::Object(map) = value
        && map.contains_key("__tuple_list__")
        && let Some(list @ Value::Array(_)) = map.get_mut("list").map(Value::take)
    {
        *value = list;
    }
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|v| plain_lists(v, depth + 1)),
        Value::Object(map) => map.values_mut().try_for_each(|v| plain_lists(v, depth + 1)),
        _ => Ok(()),
    }
}
