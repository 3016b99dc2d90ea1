//! `bundle`: puts a policy and the program that plays it into one file.

use crate::cli::Output;
use crate::cli::envs::PolicyArgs;
use crate::cli::solve::options::SolveFlags;
use crate::record::bundle::{BundleOptions, bundle};
use crate::system::terminal::message;
use crate::{Error, Result};
use clap::Args;
use std::path::PathBuf;
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::counts::grouped;
use twisterl_core::error::escape::escape_controls;
use twisterl_core::solve::SOLVE_SEARCHES;

/// Put a policy and the program that plays it into one file, which answers alike on every machine.
#[derive(Debug, Args)]
pub(in crate::cli) struct BundleArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// The file to write: a WebAssembly module if its name ends in .wasm, a page for browsers if in .html, a program
    /// for this system without an ending.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Template with environments of your own: a module or program of your crate (docs/bundles.md).
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    // The options below are kept in the file, and apply where a request gives no others.
    #[command(flatten)]
    solve: SolveFlags,
}

impl BundleArgs {
    pub(in crate::cli) fn run(self, registry: &Registry) -> Result<Output> {
        // Refused in the words of the command line.
        self.solve.plan(SOLVE_SEARCHES)?;
        if let Some(cores) = self.solve.num_cores() {
            let expected = "none (bundles use one thread)";
            return Err(Error::usage("--num-cores", expected, cores.threads().to_string()));
        }
        let loaded = self.policy.open(registry)?;
        let solve = self.solve.options();
        let options =
            BundleOptions { template: self.template.as_deref(), templates: None, solve: &solve };
        let env = loaded.env().ok();
        let bundled = bundle(&loaded.policy, env, &self.output, options, registry)?;
        if !bundled.plays {
            message(format_args!(
                "warning: the template does not have the environment {}: the file evaluates observations, but solves nothing",
                loaded.policy.env_cls
            ));
        }
        let path = self.output.display().to_string();
        Ok(format!("{}: {} bytes\n", escape_controls(&path), grouped(bundled.size as u64)).into())
    }
}
