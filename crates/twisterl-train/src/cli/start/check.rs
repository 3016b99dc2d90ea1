//! `check`: whether an environment keeps the contract.

use crate::cli::{Output, seed};
use crate::config::{ConfigSource, Override};
use crate::{Error, Result};
use clap::Args;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::path::Path;
use twisterl_core::env::check::Report;
use twisterl_core::envs::registry::{Registry, Trust};
use twisterl_core::error::escape::escape_lines;

/// Check that an environment keeps the contract that training and solving rely on.
#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArgs {
    /// Name of the environment, or a config (.json) that names it.
    #[arg(value_name = "ENV|CONFIG")]
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
    /// The first broken rule, what was found, and what usually mends it; or if there is no such environment or config.
    pub(in crate::cli) fn run(self, registry: &Registry) -> Result<Output> {
        let path = Path::new(&self.env);
        let is_config = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
        let mut registry = registry.with_trust(Trust::Code);
        let (name, mut params) = if is_config {
            let source = ConfigSource::open(path)?;
            registry = source.bounded(&registry);
            source.environment()?
        } else {
            (self.env, Value::Object(Map::new()))
        };
        for change in &self.set {
            change.apply(&mut params)?;
        }
        let spec = registry.make(&name, &params)?;
        let report = spec.check(self.seed).map_err(Error::from)?;
        let done = Report { not_checked: Vec::new(), ..report.clone() };
        let mut text = format!("{name}: keeps the contract (checked: {done})\n");
        for what in &report.not_checked {
            let _ = writeln!(text, "not checked: {what}");
        }
        Ok(escape_lines(&text).into_owned().into())
    }
}
