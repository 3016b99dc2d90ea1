//! Errors of the crates as the exceptions of `twisterl.errors`.

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::io::ErrorKind;
use twisterl_core::Error as CoreError;
use twisterl_core::error::escape::{escape_controls, escape_lines};
use twisterl_train::Error;

/// Returns the exception for `error`: the very one that was raised where an environment written in Python raised it.
pub fn exception(py: Python<'_>, error: &Error) -> PyErr {
    if let Error::Core(CoreError::Raised { raised, .. }) = error
        && let Some(raised) = raised.downcast_ref::<PyErr>()
    {
        return raised.clone_ref(py);
    }
    if error.is_interrupted() {
        return PyKeyboardInterrupt::new_err("interrupted");
    }
    let text = message(error);
    match error {
        // Their text has several lines, which `raise` escapes.
        Error::Mistakes(_) | Error::Worker { .. } => raise(py, class(error), &text),
        _ => raise(py, class(error), &escape_controls(&text)),
    }
}

/// The name of the class in `twisterl.errors`.
fn class(error: &Error) -> &'static str {
    match error {
        Error::Core(error) => class_of_core(error),
        Error::Mistakes(mistakes) => match mistakes.list.as_slice() {
            [mistake] => class_of_core(&mistake.error),
            _ => "ConfigError",
        },
        Error::Input { .. } | Error::Changed { .. } => "ConfigError",
        Error::Checkpoint { .. } => "CheckpointError",
        Error::Missing { .. } => "MissingError",
        Error::Io { source, .. } if source.kind() == ErrorKind::NotFound => "MissingError",
        Error::Io { .. } => "FileError",
        Error::Diverged { .. } => "DivergedError",
        Error::Worker { .. } => "WorkerError",
        Error::Usage { .. }
        | Error::NoFixedSteps { .. }
        | Error::Occupied { .. }
        | Error::InUse { .. } => "UsageError",
        _ => "TwisteRLError",
    }
}

/// The name of the class in `twisterl.errors`.
fn class_of_core(error: &CoreError) -> &'static str {
    match error {
        CoreError::Config { .. } => "ConfigError",
        CoreError::UnknownEnvironment { .. } | CoreError::UntrustedEnvironment { .. } => {
            "UnknownEnvError"
        }
        CoreError::State { .. } => "StateError",
        CoreError::Action { .. } => "ActionError",
        CoreError::Observation { .. } => "ObservationError",
        CoreError::Weights { .. } | CoreError::Bundle { .. } => "CheckpointError",
        CoreError::Contract { .. } | CoreError::Raised { .. } => "EnvError",
        CoreError::NonFinite { .. } => "DivergedError",
        _ => "TwisteRLError",
    }
}

/// The message, with advice in Python's words where the command line has its own.
fn message(error: &Error) -> String {
    match error {
        Error::Occupied { path } => format!(
            "{}: expected a new or empty folder, found one with files in it; continue its run with \
             twisterl.resume({path:?}), or choose another run_path",
            path.display()
        ),
        Error::NoFixedSteps { steps } => format!(
            "steps: expected num_steps, a number of iterations, {}, found {steps}",
            Error::NO_FIXED_STEPS
        ),
        Error::Changed { path, fields } => format!(
            "{}: expected the values with which the run was trained, found {} (restore them to resume the run, or start \
             another one from its weights with load_checkpoint=)",
            path.display(),
            fields.join("; ")
        ),
        Error::Core(CoreError::UntrustedEnvironment { name }) => format!(
            "env_cls: expected a built-in or registered environment, found {name:?}; code that a file names is not \
             imported: pass its class (env=...), register it (twisterl.register) or trust the file (trust=True)"
        ),
        _ => error.to_string(),
    }
}

/// Prints an exception with its traceback to standard error, with control characters escaped.
pub fn print_traceback(py: Python<'_>, error: &PyErr) {
    let printed = py.import("traceback").and_then(|traceback| {
        let lines = traceback.call_method1(
            "format_exception",
            (error.get_type(py), error.value(py), error.traceback(py)),
        )?;
        lines.extract::<Vec<String>>().map(|lines| lines.concat())
    });
    // If it cannot be printed, there is nobody to tell.
    if let Ok(text) = printed {
        write(py, &text);
    }
}

/// Prints a line to standard error, with control characters escaped.
pub fn say(py: Python<'_>, text: &str) {
    write(py, &format!("{text}\n"));
}

fn write(py: Python<'_>, text: &str) {
    let written = py.import("sys").and_then(|sys| sys.getattr("stderr")).and_then(|stderr| {
        stderr.call_method1("write", (escape_lines(text).as_ref(),))?;
        stderr.call_method0("flush").map(drop)
    });
    // If it cannot be printed, there is nobody to tell.
    drop(written);
}

/// Returns the exception `class` of `twisterl.errors`.
pub fn raise(py: Python<'_>, class: &str, message: &str) -> PyErr {
    let found = py
        .import("twisterl.errors")
        .and_then(|errors| errors.getattr(class))
        .and_then(|class| Ok(class.cast_into::<PyType>()?));
    match found {
        Ok(class) => PyErr::from_type(class, (escape_lines(message).into_owned(),)),
        Err(error) => error,
    }
}

/// Returns the exception for an argument `what` that cannot be used.
pub fn refuse(py: Python<'_>, class: &str, what: &str, expected: &str, found: &str) -> PyErr {
    raise(py, class, &format!("{what}: expected {expected}, found {found}"))
}
