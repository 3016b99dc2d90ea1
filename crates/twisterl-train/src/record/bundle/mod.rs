//! Bundles: a policy and the program that plays it in one file, made from a template.

mod templates;

pub use templates::Kind;

use super::disk::write_file;
use crate::system::plugins::is_plugin;
use crate::{Error, Result};
use std::path::Path;
use std::sync::Arc;
use templates::Template;
use twisterl_agent::Agent;
use twisterl_agent::bundle::{module, page, payload, program};
use twisterl_core::envs::registry::{EnvSpec, Registry};
use twisterl_core::policy::Policy;
use twisterl_core::solve::{SOLVE_SEARCHES, SolveOptions};

/// The parts of a bundle beside its policy.
#[derive(Debug, Clone, Copy)]
pub struct BundleOptions<'a> {
    /// The template; by default the one that has the environment ([`Registry::template_of`]).
    pub template: Option<&'a Path>,
    /// The folder of the templates; by default beside this program.
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
    let (spec, template) = template_of(&mut policy, env, options, registry)?;
    let template = templates::read(kind, template)?;
    let payload = payload::write(&policy, spec.as_deref(), options.solve)?;
    let own = match &spec {
        Some(_) => registry.clone(),
        None => Registry::empty(),
    };
    let agent = Agent::open(&payload, &own)?;
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

/// Returns the environment of the policy if a template has it, and the template; names the environment in the policy as the
/// template does.
fn template_of<'a>(
    policy: &mut Policy,
    env: Option<Arc<dyn EnvSpec>>,
    options: BundleOptions<'a>,
    registry: &Registry,
) -> Result<(Option<Arc<dyn EnvSpec>>, Template<'a>)> {
    // No template of ours has environments of Python and of plugins.
    let is_elsewhere = |spec: &dyn EnvSpec| {
        spec.foreign_spec().is_some() || options.template.is_none() && is_plugin(spec.name())
    };
    let env = env.filter(|spec| !is_elsewhere(&**spec));
    if let Some(spec) = &env {
        policy.env_cls = spec.name().to_owned();
        policy.env = spec.params();
    }
    let named = |name| Template::Named(name, options.templates);
    let template = match (options.template, &env) {
        // A template that is given may have environments that nobody knows here.
        (Some(path), _) => Template::File(path),
        // Without an environment, any template will do.
        (None, None) => named("agent"),
        (None, Some(spec)) => named(registry.template_of(spec.name()).ok_or_else(|| {
            let expected = "a template that has the environment of the policy";
            Error::usage("template", expected, format!("{}, which is in none", spec.name()))
        })?),
    };
    Ok((env, template))
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
