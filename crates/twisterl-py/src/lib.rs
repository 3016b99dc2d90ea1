//! The Python module `twisterl._core`: it converts types and maps errors, and holds no logic of its own.

use pyo3::prelude::*;

/// The compiled half of the package `twisterl`.
#[pymodule(gil_used = false)]
mod _core {
    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
