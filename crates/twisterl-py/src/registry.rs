//! The environments that Python can ask for: the built-in ones, and any that Python can import.

use crate::python_env::PythonEnvSpec;
use serde_json::{Map, Value};
use std::sync::{Arc, LazyLock};
use twisterl_core::envs::registry::{EnvSpec, Registry};
use twisterl_core::{Error, Result};

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry::default();
    let native: Vec<String> = registry.names().map(str::to_owned).collect();
    registry.set_resolver(move |name, params| resolve(name, params, &native));
    registry.register_maker("PyEnv", pyenv);
    registry
});

/// The registry of the process.
pub fn registry() -> &'static Registry {
    &REGISTRY
}

/// Names with a module path are classes or functions of Python, except those of this package. Where the module is not
/// there, the name may still be that of a native environment.
fn resolve(name: &str, params: &Value, native: &[String]) -> Option<Result<Arc<dyn EnvSpec>>> {
    let (module, short) = name.rsplit_once([':', '.'])?;
    if module.split('.').next() == Some("twisterl") {
        return None;
    }
    match PythonEnvSpec::new(name, params) {
        Ok(None) if native.iter().any(|known| known == short) => None,
        Ok(None) => Some(Err(Error::UnknownEnvironment {
            name: name.to_owned(),
            known: format!("{}; and no Python module {module} is to be found", native.join(", ")),
        })),
        Ok(Some(spec)) => Some(Ok(Arc::new(spec))),
        Err(error) => Some(Err(error)),
    }
}

/// The published package's way to name an environment of Python: `pyenv_cls` beside its parameters.
fn pyenv(params: &Value) -> Result<Arc<dyn EnvSpec>> {
    let mut params: Map<String, Value> = params.as_object().cloned().unwrap_or_default();
    let Some(Value::String(class)) = params.shift_remove("pyenv_cls") else {
        return Err(Error::config(
            "env.pyenv_cls",
            "the path of a Python class, such as module.Class",
            "none",
        ));
    };
    match PythonEnvSpec::new(&class, &Value::Object(params))? {
        Some(spec) => Ok(Arc::new(spec)),
        None => Err(Error::config("env.pyenv_cls", "a class that can be imported", class)),
    }
}
