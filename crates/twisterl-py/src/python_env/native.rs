//! Environments of extensions that run natively: a class hands over their functions in a capsule.

use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use std::sync::Arc;
use twisterl_core::Result;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_plugin::abi::{CAPSULE, Table};
use twisterl_plugin::host::PluginSpec;
use twisterl_plugin::host::library::TableModule;

/// The capsule of an environment, and its parameters as JSON.
pub(super) type Native = (Py<PyCapsule>, String);

/// Makes the environment `name` of the functions in a capsule.
pub(super) fn make(
    py: Python<'_>,
    name: &str,
    (capsule, params): Native,
) -> PyResult<Result<Arc<dyn EnvSpec>>> {
    let bound = capsule.bind(py);
    let table = bound.pointer_checked(Some(CAPSULE))?.as_ptr().cast_const().cast::<Table>();
    let context = bound.context()?.cast_const();
    // SAFETY: A capsule of this name holds a table and its context, which live as long as it does.
    #[allow(unsafe_code)]
    let module = unsafe { TableModule::new(name, table, context, Arc::new(capsule)) };
    let params = serde_json::from_str(&params);
    let params = params.map_err(|e| pyo3::exceptions::PyValueError::new_err(e.to_string()))?;
    Ok(module.and_then(|module| {
        let spec = PluginSpec::new(name, Arc::new(module), &params)?;
        Ok(Arc::new(spec) as Arc<dyn EnvSpec>)
    }))
}
