//! `schema`: prints the JSON Schema of configs.

use crate::cli::Output;
use crate::config::RunConfig;
use clap::Args;

/// Print the JSON Schema of configs, for editors.
#[derive(Debug, Args)]
pub(in crate::cli) struct SchemaArgs {}

impl SchemaArgs {
    pub(in crate::cli) fn run(self) -> Output {
        format!("{:#}\n", RunConfig::schema()).into()
    }
}
