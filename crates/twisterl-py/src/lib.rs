//! The Python module `twisterl._core`: it converts types and maps errors, and holds no logic of its own.

mod collect;
mod convert;
mod distributed;
mod enter;
mod env;
mod error;
mod files;
mod policy;
mod python_env;
mod registry;
mod train;

use enter::calls::interrupt_envs;
use enter::{Enter as _, LOOK, RETURN};
use error::print_traceback;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::time::Instant;
use twisterl_core::error::escape;
use twisterl_train::system::plugins::web;
use twisterl_train::{Error, cli};

/// Downloads by Python's standard library.
fn download(url: &str, most: u64) -> Result<Vec<u8>, String> {
    Python::attach(|py| {
        let module = py.import("twisterl._internal.environments.download")?;
        module.call_method1("download", (url, most))?.extract()
    })
    .map_err(|error: PyErr| Python::attach(|py| error.value(py).to_string()))
}

/// Runs the command line with these arguments, the program's name first, and returns its exit code. Signals stop it as
/// they stop the program `twisterl-train`. An exception that an environment written in Python raised is printed with its
/// traceback.
#[pyfunction]
fn run_cli(py: Python<'_>, args: Vec<OsString>) -> PyResult<u8> {
    web::set_download(download);
    let engines = distributed::engines();
    let work = move || Ok::<_, Error>(cli::run_from(args, registry::registry(), Some(engines)));
    let mut raised = None;
    let mut interrupted: Option<Instant> = None;
    let ended = py.enter_watched(work, LOOK, |heard| {
        if let Err(error) = heard {
            cli::interrupt();
            raised.get_or_insert(error);
        }
        if cli::is_interrupted() && interrupted.get_or_insert_with(Instant::now).elapsed() >= RETURN
        {
            interrupt_envs(py);
        }
        ControlFlow::Continue(())
    })?;
    // One that came at the end of the command is answered by its exit code as well.
    for error in raised.into_iter().chain(py.check_signals().err()) {
        if !error.is_instance_of::<PyKeyboardInterrupt>(py) {
            return Err(error);
        }
    }
    let Some((exit, error)) = ended else { return Ok(1) };
    if let Some(Error::Core(twisterl_core::Error::Raised { raised, .. })) = error
        && let Some(raised) = raised.downcast_ref::<PyErr>()
    {
        print_traceback(py, raised);
    }
    Ok(exit)
}

/// Returns the text with the control characters escaped that change the display of a terminal, except newlines and tabs.
#[pyfunction]
fn escape_lines(text: &str) -> String {
    escape::escape_lines(text).into_owned()
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
    use super::convert::arguments::flag;
    #[pymodule_export]
    use super::distributed::{Answerer, Crew, CrewData, DistributedEs, engine_name};
    #[pymodule_export]
    use super::enter::exit::{call_within, park_abandoned};
    #[pymodule_export]
    use super::env::{EnvBatch, EnvSpec, circuit, revive_env};
    #[pymodule_export]
    use super::files::{
        complete_config, convert, convert_tensors, read_config, read_tensors, resolve_config,
        schema,
    };
    #[pymodule_export]
    use super::policy::Policy;
    #[pymodule_export]
    use super::policy::parts::permuted;
    #[cfg(unix)]
    #[pymodule_export]
    use super::python_env::workers::{serve_worker, warn_of_worker};
    #[pymodule_export]
    use super::train::{config_changes, forget_locks, resume, train};
    use super::*;
    #[pymodule_export]
    use super::{env_names, escape_lines, run_cli};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
