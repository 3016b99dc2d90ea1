//! Bundles: a policy and the program that plays it in one file, made from a template.

mod templates;

pub use templates::Kind;

use super::disk::write_file;
use crate::{Error, Result};
use std::path::Path;
use std::sync::Arc;
use twisterl_agent::Agent;
use twisterl_agent::bundle::{module, page, payload, program};
use twisterl_core::envs::registry::{EnvSpec, Registry};
use twisterl_core::policy::Policy;
use twisterl_core::solve::{SOLVE_SEARCHES, SolveOptions};

/// The parts of a bundle beside its policy.
#[derive(Debug, Clone, Copy)]
pub struct BundleOptions<'a> {
    /// The template; by default that of the built-in environments.
    pub template: Option<&'a Path>,
    /// The folder of the templates of the built-in environments; by default beside this program.
    pub templates: Option<&'a Path>,
    /// The options of solving that apply where a request gives no others.
    pub solve: &'a SolveOptions,
}

/// A bundle that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bundled {
    /// Its size in bytes.
    pub size: usize,
    /// False if its template does not have the environment: it evaluates observations, but solves nothing.
    pub plays: bool,
}

/// Writes the bundle of a policy, whose kind follows from the ending of `output`. `env` is the environment of the policy, if
/// there is one, and `registry` has it.
///
/// # Errors
/// If the ending is of no kind, the options of solving do not go together or cannot be kept, there is no template, or it does
/// not have the environment, or the file cannot be written.
pub fn bundle(
    policy: &Policy,
    env: Option<Arc<dyn EnvSpec>>,
    output: &Path,
    options: BundleOptions<'_>,
    registry: &Registry,
) -> Result<Bundled> {
    let kind = Kind::of(output)?;
    options.solve.resolve(SOLVE_SEARCHES).map_err(|error| error.below(""))?;
    payload::check_options(options.solve)?;
    let mut policy = policy.clone();
    let spec = env_of_template(&mut policy, env, options.template.is_some())?;
    let template = templates::read(kind, options.template, options.templates)?;
    let payload = payload::write(&policy, spec.as_deref(), options.solve)?;
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
    let bytes = match kind {
        Kind::Module => module()?,
        Kind::Page => page::write(&module()?).into_bytes(),
        Kind::Program => program::append(&template, &payload)?,
    };
    write_file(output, &bytes)?;
    if kind == Kind::Program {
        make_executable(output)?;
    }
    Ok(Bundled { size: bytes.len(), plays: spec.is_some() })
}

/// Returns the environment of the policy if the template has it, and names it in the policy as the template does.
fn env_of_template(
    policy: &mut Policy,
    env: Option<Arc<dyn EnvSpec>>,
    own_template: bool,
) -> Result<Option<Arc<dyn EnvSpec>>> {
    let Some(spec) = env.filter(|spec| spec.foreign_spec().is_none()) else { return Ok(None) };
    policy.env_cls = spec.name().to_owned();
    policy.env = spec.params();
    // A template that is given may have environments that nobody knows here.
    if !own_template {
        Registry::default().make(&policy.env_cls, &policy.env).map_err(|error| {
            let found = format!("{} ({error})", policy.env_cls);
            Error::usage("template", "a template that has the environment of the policy", found)
        })?;
    }
    Ok(Some(spec))
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
