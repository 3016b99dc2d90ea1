//! The Python module `twisterl._core`: it converts types and maps errors, and holds no logic of its own.

mod collect;
mod convert;
mod distributed_es;
mod enter;
mod env;
mod error;
mod files;
mod policy;
mod python_env;
mod registry;
mod train;

use pyo3::prelude::*;
use std::ffi::OsString;
use twisterl_train::Error;

/// Runs the command line with these arguments, the program's name first, and returns its exit code. An exception that an
/// environment written in Python raised is printed with its traceback.
#[pyfunction]
fn run_cli(py: Python<'_>, args: Vec<OsString>) -> u8 {
    let (exit, error) = py.detach(|| twisterl_train::cli::run_from(args, registry::registry()));
    if let Some(Error::Core(twisterl_core::Error::Raised { raised, .. })) = error
        && let Some(raised) = raised.downcast_ref::<PyErr>()
    {
        raised.print(py);
    }
    exit
}

/// Returns the names of the built-in environments.
#[pyfunction]
fn env_names() -> Vec<String> {
    registry::registry().names().map(str::to_owned).collect()
}

/// The compiled half of the package `twisterl`.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::collect::{AzCollector, PpoCollector};
    #[pymodule_export]
    use super::distributed_es::DistributedEs;
    #[pymodule_export]
    use super::env::{EnvBatch, EnvSpec, revive_env};
    #[pymodule_export]
    use super::files::{
        convert, convert_tensors, free_run_path, read_tensors, resolve_config, schema,
    };
    #[pymodule_export]
    use super::policy::Policy;
    #[pymodule_export]
    use super::train::{resume, train};
    use super::*;
    #[pymodule_export]
    use super::{env_names, run_cli};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
