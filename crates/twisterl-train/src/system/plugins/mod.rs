//! Environments of plugins by name: configs name them by their files.

pub mod index;
pub mod module_file;
pub mod wasm;
pub mod web;

use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use twisterl_core::envs::registry::{EnvSpec, Registry, Trust};
use twisterl_core::{Error, Result};
use twisterl_plugin::host::PluginSpec;
use twisterl_plugin::host::library::TableModule;
use twisterl_wasm::Sandbox;

/// The endings of native libraries.
const LIBRARIES: [&str; 3] = ["so", "dylib", "dll"];

/// Makes the registry find environments of plugins: native libraries by their paths, such as `./libgrid_world.so`, and
/// WebAssembly modules, such as `./grid_world.wasm`, within the [`Sandbox`] by default. Only names that may lead to
/// [code](Trust::Code) are loaded.
pub fn install(registry: &mut Registry) {
    registry.add_resolver(resolve);
    bound(registry, Sandbox::default());
}

fn bound(registry: &mut Registry, sandbox: Sandbox) {
    registry.add_resolver(move |name, params, trust| wasm::resolve(name, params, trust, sandbox));
}

/// Returns `registry` with other bounds than those by default, if any are given.
pub(crate) fn bounded(registry: &Registry, sandbox: Option<Sandbox>) -> Registry {
    let mut registry = registry.clone();
    if let Some(sandbox) = sandbox {
        bound(&mut registry, sandbox);
    }
    registry
}

/// Returns the bounds that a config sets which is not checked yet.
pub(crate) fn sandbox_of(config: &Value) -> Option<Sandbox> {
    config.get("env_sandbox").and_then(|sandbox| serde_json::from_value(sandbox.clone()).ok())
}

/// Returns the name of an environment together with its file, if it comes from one that a run is bound to.
pub(crate) fn pinned_name(spec: &dyn EnvSpec) -> Option<&str> {
    Some(spec.name()).filter(|name| wasm::is_pinned(name))
}

/// Returns true for names of native libraries.
fn is_library(name: &str) -> bool {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| LIBRARIES.contains(&ending))
}

/// Returns true for names of plugins.
pub(crate) fn is_plugin(name: &str) -> bool {
    is_library(name) || wasm::is_module(name)
}

/// Returns the name of the plugin `name` in the folder of the config at `config`, if `name` is relative and there is a file.
pub(crate) fn beside(config: &Path, name: &str) -> Option<String> {
    let is_file = is_plugin(name) && !name.starts_with(index::SCHEME);
    if !is_file || Path::new(name).is_absolute() {
        return None;
    }
    let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    let found = folder.join(name.strip_prefix("./").unwrap_or(name));
    let exists = folder.join(wasm::unpinned(name)).is_file();
    found.to_str().filter(|_| exists).map(str::to_owned)
}

/// Finds the environment of a library; `None` for other names.
fn resolve(name: &str, params: &Value, trust: Trust) -> Option<Result<Arc<dyn EnvSpec>>> {
    let path = Path::new(name);
    if !is_library(name) {
        return None;
    }
    Some(match trust {
        Trust::Registered => Err(Error::UntrustedEnvironment { name: name.to_owned() }),
        Trust::Code => library(name, path, params),
    })
}

fn library(name: &str, path: &Path, params: &Value) -> Result<Arc<dyn EnvSpec>> {
    // A name without a folder would be looked up in the system's folders.
    let path = path.canonicalize().map_err(|error| {
        let found = format!("{}: {error}", path.display());
        Error::config("env_cls", "the path of a native library", found)
    })?;
    let module = TableModule::load(&path)?;
    Ok(Arc::new(PluginSpec::new(name, Arc::new(module), params)?))
}
