//! `schema`: prints the JSON Schema of configs.

use super::Output;
use crate::config::RunConfig;
use clap::Args;

/// Print the JSON Schema of configs, for editors.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {}

impl SchemaArgs {
    pub(super) fn run(self) -> Output {
        format!("{:#}\n", RunConfig::schema()).into()
    }
}
