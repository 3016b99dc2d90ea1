//! Environments in WebAssembly modules, by name.
//!
//! A name is a path that ends in `.wasm`, or `wasm:NAME@VERSION` of the [cache](super::index). In files that this program writes,
//! `#sha256=...` is behind it: a run or a policy is bound to the very module that it was trained on.

use super::index::{self, SCHEME};
use super::module_file::{read, sha256};
use crate::Error;
use serde_json::Value;
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use twisterl_core::Error as CoreError;
use twisterl_core::envs::registry::{EnvSpec, Trust};
use twisterl_plugin::host::{Module, PluginSpec};
use twisterl_wasm::{EngineName, Sandbox, Wasmi, load};

/// Stands between a name and the hash of its file.
const PIN: &str = "#sha256=";

/// Returns true for names of WebAssembly modules.
pub fn is_module(name: &str) -> bool {
    let (path, _) = split(name);
    let is_file = |path: &Path| path.extension().is_some_and(|it| it.eq_ignore_ascii_case("wasm"));
    path.starts_with(SCHEME) || is_file(Path::new(path))
}

/// Returns true for names with the hash of their file.
pub(super) fn is_pinned(name: &str) -> bool {
    split(name).1.is_some()
}

/// Returns a name without the hash of its file.
pub(super) fn unpinned(name: &str) -> &str {
    split(name).0
}

/// Returns the path and the hash of a name.
fn split(name: &str) -> (&str, Option<&str>) {
    name.split_once(PIN).map_or((name, None), |(path, hash)| (path, Some(hash)))
}

/// Makes the environment of a module; `None` for other names.
pub(super) fn resolve(
    name: &str,
    params: &Value,
    trust: Trust,
    sandbox: Sandbox,
) -> Option<Result<Arc<dyn EnvSpec>, CoreError>> {
    if !is_module(name) {
        return None;
    }
    Some(match trust {
        Trust::Registered => Err(CoreError::UntrustedEnvironment { name: name.to_owned() }),
        Trust::Code => {
            let found = find(name).map_err(of_core);
            found.and_then(|found| Ok(Arc::new(found.spec(params, sandbox)?) as Arc<dyn EnvSpec>))
        }
    })
}

/// Returns an error as one about the name of an environment.
fn of_core(error: Error) -> CoreError {
    match error {
        Error::Core(error) => error,
        other => CoreError::config("env_cls", "a WebAssembly module", other),
    }
}

/// A module with its name.
#[derive(Debug)]
pub struct Found<'n> {
    /// The name without a hash.
    pub name: Cow<'n, str>,
    /// The module.
    pub bytes: Vec<u8>,
}

/// Finds the module of a name.
///
/// # Errors
/// If it is not there, or is another one than the name says.
pub fn find(name: &str) -> crate::Result<Found<'_>> {
    let (path, pin) = split(name);
    let (name, bytes) = match path.strip_prefix(SCHEME) {
        Some(wanted) => {
            let (label, bytes) = index::cached(wanted)?;
            (Cow::Owned(label), bytes)
        }
        None => (Cow::Borrowed(path), read(Path::new(path))?),
    };
    if let (Some(pin), hash) = (pin, sha256(&bytes))
        && pin != hash
    {
        let expected = format!("the module {name} of sha256 {pin}, with which this was trained");
        return Err(CoreError::config("env_cls", expected, format!("one of sha256 {hash}")).into());
    }
    Ok(Found { name, bytes })
}

impl Found<'_> {
    /// Makes the environment, whose name in files pins the module.
    ///
    /// # Errors
    /// If the module is refused, or the parameters are.
    pub fn spec(&self, params: &Value, sandbox: Sandbox) -> Result<PluginSpec, CoreError> {
        let module = match sandbox.engine {
            EngineName::Wasmi => load::<Wasmi>(&self.name, &self.bytes, sandbox)?,
            EngineName::Wasmtime => on_wasmtime(&self.name, &self.bytes, sandbox)?,
        };
        let spec = PluginSpec::new(&self.name, module, params)?;
        Ok(spec.named(format!("{}{PIN}{}", self.name, sha256(&self.bytes))))
    }
}

#[cfg(feature = "wasmtime")]
fn on_wasmtime(name: &str, bytes: &[u8], sandbox: Sandbox) -> Result<Arc<dyn Module>, CoreError> {
    load::<twisterl_wasmtime::Wasmtime>(name, bytes, sandbox)
}

#[cfg(not(feature = "wasmtime"))]
fn on_wasmtime(_: &str, _: &[u8], _: Sandbox) -> Result<Arc<dyn Module>, CoreError> {
    let expected = "wasmi, since this program was built without the feature `wasmtime`";
    Err(CoreError::config("env_sandbox.engine", expected, "wasmtime"))
}
