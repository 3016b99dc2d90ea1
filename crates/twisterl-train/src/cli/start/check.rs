//! `check`: whether an environment keeps the contract.

use crate::cli::{Output, seed};
use crate::config::Override;
use crate::{Error, Result};
use clap::Args;
use serde_json::{Map, Value};
use twisterl_core::envs::registry::{Registry, Trust};
use twisterl_core::error::escape::escape_lines;

/// Check that an environment keeps the contract that training and solving rely on.
#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArgs {
    /// Name of the environment.
    env: String,
    /// Set a parameter of the environment, such as `width=4`; may be repeated.
    #[arg(long, value_name = "PARAMETER=VALUE", value_parser = Override::parse)]
    set: Vec<Override>,
    /// Seed of the episodes that are played.
    #[arg(long, value_name = "S", default_value_t = 0, allow_negative_numbers = true, value_parser = seed())]
    seed: u64,
}

impl CheckArgs {
    /// Plays episodes and checks every rule.
    ///
    /// # Errors
    /// The first broken rule, what was found, and what usually mends it; or if there is no such environment.
    pub(in crate::cli) fn run(self, registry: &Registry) -> Result<Output> {
        let mut params = Value::Object(Map::new());
        for change in &self.set {
            change.apply(&mut params)?;
        }
        let spec = registry.with_trust(Trust::Code).make(&self.env, &params)?;
        let report = spec.check(self.seed).map_err(Error::from)?;
        let text = format!("{}: keeps the contract (checked: {report})\n", self.env);
        Ok(escape_lines(&text).into_owned().into())
    }
}
