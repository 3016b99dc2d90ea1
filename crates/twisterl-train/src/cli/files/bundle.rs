//! `bundle`: puts a policy and the program that plays it into one file.

use super::templates::{self, Kind};
use crate::cli::Output;
use crate::cli::envs::PolicyArgs;
use crate::cli::solve::options::SolveFlags;
use crate::record::disk::write_file;
use crate::system::terminal::message;
use crate::{Error, Result};
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use twisterl_agent::Agent;
use twisterl_agent::bundle::{module, page, payload, program};
use twisterl_core::envs::registry::{EnvSpec, Registry};
use twisterl_core::error::escape::escape_controls;
use twisterl_core::policy::Policy;
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
        let kind = Kind::of(&self.output)?;
        self.solve.plan(SOLVE_SEARCHES)?;
        payload::check_options(&self.solve.options())?;
        if let Some(cores) = self.solve.num_cores() {
            let expected = "none (bundles use one thread)";
            return Err(Error::usage("--num-cores", expected, cores.threads().to_string()));
        }
        let loaded = self.policy.open(registry)?;
        let env = loaded.env().ok();
        let mut policy = loaded.policy;
        let spec = self.env_of_template(&mut policy, env)?;
        let template = templates::read(kind, self.template.as_deref())?;
        let payload = payload::write(&policy, spec.as_deref(), &self.solve.options())?;
        let own = match &spec {
            Some(_) => registry.clone(),
            None => Registry::empty(),
        };
        let agent = Agent::open(&payload, &own)?;
        agent.self_test()?;
        let module = || {
            let description = agent.answer(br#"{"call": "describe"}"#);
            module::splice(&template, &payload, &description)
        };
        let bundle = match kind {
            Kind::Module => module()?,
            Kind::Page => page::write(&module()?).into_bytes(),
            Kind::Program => program::append(&template, &payload)?,
        };
        write_file(&self.output, &bundle)?;
        if kind == Kind::Program {
            make_executable(&self.output)?;
        }
        let path = self.output.display().to_string();
        Ok(format!("{}: {} bytes\n", escape_controls(&path), bundle.len()).into())
    }

    /// Returns the environment of the policy if the template has it; a policy of another one evaluates observations alone.
    fn env_of_template(
        &self,
        policy: &mut Policy,
        env: Option<Arc<dyn EnvSpec>>,
    ) -> Result<Option<Arc<dyn EnvSpec>>> {
        let Some(spec) = env.filter(|spec| spec.foreign_spec().is_none()) else {
            message(format_args!(
                "warning: the template does not have the environment {}: the file will evaluate observations, but solve nothing",
                policy.env_cls
            ));
            return Ok(None);
        };
        policy.env_cls = spec.name().to_owned();
        policy.env = spec.params();
        // A template that is given may have environments that nobody knows here.
        if self.template.is_none() {
            Registry::default().make(&policy.env_cls, &policy.env).map_err(|error| {
                let found = format!("{} ({error})", policy.env_cls);
                Error::usage(
                    "--template",
                    "a template that has the environment of the policy",
                    found,
                )
            })?;
        }
        Ok(Some(spec))
    }
}

/// Lets everyone who may read a file run it.
fn make_executable(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let failed = |e| Error::io("make executable", path, e);
        let mut permissions = path.metadata().map_err(failed)?.permissions();
        permissions.set_mode(permissions.mode() | ((permissions.mode() & 0o444) >> 2));
        std::fs::set_permissions(path, permissions).map_err(failed)?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
