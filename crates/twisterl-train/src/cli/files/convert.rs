//! `convert`: converts a policy to a self-contained file.

use crate::Result;
use crate::cli::Output;
use crate::cli::envs::EnvFlags;
use crate::record::load;
use clap::Args;
use std::path::PathBuf;
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::escape::escape_controls;

/// Write a policy as one self-contained file.
#[derive(Debug, Args)]
pub(in crate::cli) struct ConvertArgs {
    /// A run, a checkpoint, a `.safetensors` file, or a `.pt` file of PyTorch.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The `.safetensors` file to write.
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Config for a file of bare weights.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    env: EnvFlags,
}

impl ConvertArgs {
    pub(in crate::cli) fn run(self, registry: &Registry) -> Result<Output> {
        let registry = self.env.registry(registry);
        load::convert(&self.input, self.config.as_deref(), &self.output, &registry)?;
        let path = self.output.display().to_string();
        Ok(format!("{}\n", escape_controls(&path)).into())
    }
}
