//! Policies from files: where a path leads to, and which config describes a file of bare tensors.

mod convert;
mod initial;
mod source;

pub use convert::{NamedTensor, convert, convert_tensors, from_tensors, read_tensors};
pub use initial::{build_policy_network, detached_policy, initial_policy, weights_for};

use crate::config::RunConfig;
use crate::record::run_folder::CONFIG;
use crate::system::plugins;
use crate::{Error, Result};
use source::PolicySource;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use twisterl_core::Error as CoreError;
use twisterl_core::envs::registry::{EnvSpec, Registry};
use twisterl_core::error::from_serde::shorten;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::policy::Policy;
use twisterl_core::policy::executor::Executor;

/// A policy from a file, with its environment if the registry has one for the name in the file.
#[derive(Debug)]
pub struct LoadedPolicy {
    /// The policy.
    pub policy: Policy,
    env: Result<Arc<dyn EnvSpec>, CoreError>,
}

impl LoadedPolicy {
    /// Finds the environment of `policy`, which was read from `path`.
    fn new(mut policy: Policy, path: &Path, registry: &Registry) -> Result<Self> {
        registry.complete(&mut policy.network)?;
        let env = match registry.make(&policy.env_cls, &policy.env) {
            Ok(spec) => {
                check_fit(path, &policy, &*spec)?;
                Ok(spec)
            }
            Err(
                error @ (CoreError::UnknownEnvironment { .. }
                | CoreError::UntrustedEnvironment { .. }),
            ) => Err(error),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { policy, env })
    }

    /// Reads the bytes of a self-contained file.
    ///
    /// # Errors
    /// Those of [`open_policy`].
    pub fn from_bytes(bytes: &[u8], registry: &Registry) -> Result<Self> {
        Self::new(Policy::from_safetensors(bytes, None)?, Path::new("policy"), registry)
    }

    /// Returns the environment.
    ///
    /// # Errors
    /// If the name in the file is unknown, or leads to code that is not
    /// [trusted](twisterl_core::envs::registry::Trust).
    pub fn env(&self) -> Result<Arc<dyn EnvSpec>, CoreError> {
        self.env.clone()
    }

    /// Returns the executor of the policy, whose evaluations end after an interruption.
    ///
    /// # Errors
    /// If the parts of the policy do not fit each other.
    pub fn executor(&self, interrupt: &Interrupt) -> Result<Executor> {
        let mut executor = Executor::of(&self.policy)?;
        executor.interrupt_by(interrupt);
        Ok(executor)
    }
}

/// Loads the policy that `path` leads to as [`load_policy`] does, also if there is no environment of the name in the file:
/// such a policy evaluates observations, but solves no problems.
///
/// # Errors
/// Those of [`load_policy`], except for an unknown or untrusted environment of a self-contained file.
pub fn open_policy(
    path: &Path,
    config: Option<&Path>,
    registry: &Registry,
) -> Result<LoadedPolicy> {
    LoadedPolicy::new(
        read_policy(path, config, registry)?,
        path,
        &bounded_as_trained(path, registry),
    )
}

/// Loads the policy that `path` leads to: a run folder (its best checkpoint, or its last if there is no best yet), a
/// checkpoint folder, a `.safetensors` file, or a `.pt` file of PyTorch.
///
/// Files written by this project are self-contained. For files of bare tensors, as the peer writes them, `config`
/// describes the environment and the network. By default, it is the file of the same name that ends in `.json`, or else
/// the `config.json` in the same folder.
///
/// # Errors
/// If nothing is there, a file is corrupt, a config is needed and missing, the registry has no environment of the name in
/// the file, or the network does not fit the environment.
pub fn load_policy(path: &Path, config: Option<&Path>, registry: &Registry) -> Result<Policy> {
    let loaded = open_policy(path, config, registry)?;
    loaded.env()?;
    Ok(loaded.policy)
}

/// Returns `registry` with the bounds of the run that `path` belongs to, if there are any: those of its config.
fn bounded_as_trained(path: &Path, registry: &Registry) -> Registry {
    let folders = path.ancestors().take(2);
    let config = folders.map(|folder| folder.join(CONFIG)).find(|file| file.is_file());
    match config.map(|file| RunConfig::load(&file, &[])) {
        Some(Ok((config, _))) => plugins::bounded(registry, config.env_sandbox),
        _ => registry.clone(),
    }
}

/// Checks that a policy, which was read from `path`, fits its environment.
pub(crate) fn check_fit(path: &Path, policy: &Policy, spec: &dyn EnvSpec) -> Result<()> {
    let fits = spec.check_network(&policy.network);
    fits.map_err(|(expected, found)| Error::checkpoint(path, expected, found))?;
    let declared = spec.declared_spaces();
    if let (Some(own), Some(of_env)) = (&policy.spaces, &declared)
        && !own.agrees_with(of_env)
    {
        let text = |spaces| shorten(&serde_json::json!(spaces).to_string());
        let expected = format!("a policy for the spaces of {}, {}", spec.name(), text(of_env));
        return Err(Error::checkpoint(path, expected, text(own)));
    }
    Ok(())
}

/// Reads the policy that `path` leads to, without its environment.
fn read_policy(path: &Path, config: Option<&Path>, registry: &Registry) -> Result<Policy> {
    PolicySource::locate(path)?.read(|file| {
        let config = match config {
            Some(config) => config.to_owned(),
            None => config_next_to(file)?,
        };
        // Fields that training ignores do not matter here.
        let (config, _) = RunConfig::load(&config, &[])?;
        let registry = &plugins::bounded(registry, config.env_sandbox);
        let spec = registry.make(&config.env_cls, &config.env)?;
        initial::header(&config, &*spec, registry)
    })
}

/// Returns the path of the config for a file of bare tensors.
fn config_next_to(file: &Path) -> Result<PathBuf> {
    let same_name = file.with_extension("json");
    let of_folder = file.with_file_name(CONFIG);
    [&same_name, &of_folder].into_iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        Error::missing(
            &same_name,
            format!(
                "the config of the run that trained {}, which holds bare tensors",
                file.display()
            ),
        )
    })
}

#[cfg(test)]
mod tests;
