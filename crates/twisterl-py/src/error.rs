//! Errors of the crates as the exceptions of `twisterl.errors`.

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::io::ErrorKind;
use twisterl_train::Error;

/// The exception for `error`: the very one that was raised where an environment written in Python raised it.
pub fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let class = match error {
        Error::Core(twisterl_core::Error::Raised { raised, .. }) => {
            if let Some(raised) = raised.downcast_ref::<PyErr>() {
                return raised.clone_ref(py);
            }
            "EnvError"
        }
        Error::Core(core) => match core {
            twisterl_core::Error::Interrupted => {
                return PyKeyboardInterrupt::new_err("interrupted");
            }
            twisterl_core::Error::Config { .. } => "ConfigError",
            twisterl_core::Error::UnknownEnvironment { .. } => "UnknownEnvError",
            twisterl_core::Error::State { .. } => "StateError",
            twisterl_core::Error::Action { .. } => "ActionError",
            twisterl_core::Error::Observation { .. } => "ObservationError",
            twisterl_core::Error::Weights { .. } => "CheckpointError",
            twisterl_core::Error::Contract { .. } => "EnvError",
            twisterl_core::Error::NonFinite { .. } => "DivergedError",
            _ => "TwisteRLError",
        },
        Error::Input { .. } => "ConfigError",
        Error::Checkpoint { .. } => "CheckpointError",
        Error::Missing { .. } => "MissingError",
        Error::Io { source, .. } if source.kind() == ErrorKind::NotFound => "MissingError",
        Error::Io { .. } => "FileError",
        Error::Diverged { .. } => "DivergedError",
        Error::Usage(_) | Error::Occupied { .. } => "UsageError",
        _ => "TwisteRLError",
    };
    raise(py, class, &error.to_string())
}

/// The same for an error of core.
pub fn core_exception(py: Python<'_>, error: twisterl_core::Error) -> PyErr {
    exception(py, &Error::Core(error))
}

/// The exception `class` of `twisterl.errors`.
pub fn raise(py: Python<'_>, class: &str, message: &str) -> PyErr {
    let found = py
        .import("twisterl.errors")
        .and_then(|errors| errors.getattr(class))
        .and_then(|class| Ok(class.cast_into::<PyType>()?));
    match found {
        Ok(class) => PyErr::from_type(class, (message.to_owned(),)),
        Err(error) => error,
    }
}

/// An observation, mask, action or option that cannot be used.
pub fn refuse(py: Python<'_>, class: &str, what: &str, expected: &str, found: &str) -> PyErr {
    raise(py, class, &format!("{what}: expected {expected}, found {found}"))
}
