//! The environments that Python can ask for: the built-in ones, and those written in Python.

use crate::enter::calls::call_env;
use crate::python_env::{Factory, PythonEnvSpec, raised};
use pyo3::prelude::*;
use serde_json::{Map, Value};
use std::sync::{Arc, LazyLock};
use twisterl_core::envs::registry::{EnvSpec, Registry, Trust};
use twisterl_core::{Error, Result};
use twisterl_train::system::plugins;

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry::default();
    twisterl_quantum::register(&mut registry);
    let native: Vec<String> = registry.names().map(str::to_owned).collect();
    registry.add_resolver(move |name, params, trust| resolve(name, params, trust, &native));
    // Again, so that its names of classes of `qiskit_gym` are found before Python is asked.
    twisterl_quantum::register(&mut registry);
    plugins::install(&mut registry);
    registry
});

/// Returns the registry of the process. Names lead to registered environments only.
pub fn registry() -> &'static Registry {
    &REGISTRY
}

/// Returns the registry for a file that the caller loads: with `env`, a name, class or factory, one with this environment
/// in place of those that the file names; with `trust`, one that imports the modules that the file names.
///
/// # Errors
/// `UsageError` if `env` is something else; what the import of its module raises.
pub fn registry_for_file(env: Option<&Bound<'_, PyAny>>, trust: bool) -> PyResult<Registry> {
    let Some(env) = env else {
        return Ok(registry().with_trust(if trust { Trust::Code } else { Trust::Registered }));
    };
    let (name, factory) = given(env, false)?;
    Ok(registry().replacing_envs(move |params| match &factory {
        Some(factory) => PythonEnvSpec::make(&name, factory, params),
        None => registry().with_trust(Trust::Code).make(&name, params),
    }))
}

/// Returns the name of an environment that the caller gives for a file, by which other processes import it.
///
/// # Errors
/// As for [`registry_for_file`].
pub fn name_of(env: &Bound<'_, PyAny>) -> PyResult<String> {
    Ok(given(env, false)?.0)
}

/// Makes the environment that the caller gives, as a name, class or factory, with the caller's parameters. A factory has
/// `name`, by default its path.
///
/// # Errors
/// As for [`registry_for_file`], and if a parameter is wrong.
pub fn env_of_caller(
    env: &Bound<'_, PyAny>,
    params: &Value,
    name: Option<&str>,
) -> PyResult<Result<Arc<dyn EnvSpec>>> {
    let (path, factory) = given(env, true)?;
    Ok(match factory {
        Some(factory) => PythonEnvSpec::make(name.unwrap_or(&path), &factory, params),
        None => registry().with_trust(Trust::Code).make(&path, params),
    })
}

/// Returns the name of an environment that the caller gives, and its factory if it is one of Python. `trust` says whether
/// the parameters are the caller's, too.
fn given(env: &Bound<'_, PyAny>, trust: bool) -> PyResult<(String, Option<Factory>)> {
    env.py()
        .import("twisterl._internal.environments")?
        .call_method1("given", (env, trust))?
        .extract()
}

/// Finds environments of Python by name. `None` leaves the name to the native environments, which ignore its module path.
fn resolve(
    name: &str,
    params: &Value,
    trust: Trust,
    native: &[String],
) -> Option<Result<Arc<dyn EnvSpec>>> {
    let (module, short) = name.rsplit_once([':', '.']).unwrap_or(("", name));
    let ours = module.is_empty() || module.split('.').next() == Some("twisterl");
    if ours && short == "PyEnv" {
        return Some(of_pyenv(params, trust));
    }
    let is_native = native.iter().any(|known| known == short);
    match find(name, trust, is_native) {
        Ok(Some(factory)) => Some(PythonEnvSpec::make(name, &factory, params)),
        Ok(None) if ours || is_native => None,
        Ok(None) => Some(Err(Error::UnknownEnvironment {
            name: name.to_owned(),
            known: native.iter().map(ToString::to_string).collect(),
            also: format!("; and there is no Python module {module}"),
        })),
        Err(error) => Some(Err(error)),
    }
}

/// Returns the factory of an environment of Python, or `None` if there is none of this name.
fn find(name: &str, trust: Trust, is_native: bool) -> Result<Option<Factory>> {
    let arguments = (name, trust == Trust::Code, is_native);
    let found = call_env(None, |py| {
        py.import("twisterl._internal.environments")?.call_method1("find", arguments)?.extract()
    });
    match found.map_err(|e| raised(name, e))? {
        (_, true) => Err(Error::UntrustedEnvironment { name: name.to_owned() }),
        (factory, false) => Ok(factory),
    }
}

/// Makes the environment that the peer's configs name as `pyenv_cls` among its parameters.
fn of_pyenv(params: &Value, trust: Trust) -> Result<Arc<dyn EnvSpec>> {
    let mut params: Map<String, Value> = params.as_object().cloned().unwrap_or_default();
    let Some(Value::String(class)) = params.shift_remove("pyenv_cls") else {
        let expected = "the path of a Python class, such as module.Class";
        return Err(Error::config("env.pyenv_cls", expected, "none"));
    };
    match find(&class, trust, false)? {
        Some(factory) => PythonEnvSpec::make(&class, &factory, &Value::Object(params)),
        None => Err(Error::config("env.pyenv_cls", "a class that can be imported", class)),
    }
}
