//! Environments as classes of a Python extension.
//!
//! A class has the methods of environments of the PyPI package `twisterl` and follows the conventions of Gymnasium. TwisteRL
//! itself does not call them: `__twisterl_env__` hands over the functions of the environment, which it runs without Python.

mod class;
mod exported;
mod module;
mod values;

pub use exported::Exported;
pub use module::{fill, init};
pub use pyo3::ffi::PyObject;

/// Exports the module of an environment to Python.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_to_python {
    ($exported:ty, $table:ident) => {
        const _: () = {
            static EXPORTED: $crate::python::Exported = $crate::python::Exported {
                table: &$table,
                // SAFETY: An environment of Rust has no context.
                maker: || unsafe { <$exported>::maker(::core::ptr::null()) },
                about: <$exported>::about,
            };

            unsafe extern "C" fn fill(module: *mut $crate::python::PyObject) -> i32 {
                // SAFETY: Python calls this with the module that it makes.
                unsafe { $crate::python::fill(module, &EXPORTED) }
            }

            /// Returns the definition of the module.
            #[unsafe(export_name = concat!("PyInit_", env!("CARGO_CRATE_NAME")))]
            pub extern "C" fn define() -> *mut $crate::python::PyObject {
                // SAFETY: Python calls this once, to import the module.
                unsafe { $crate::python::init(concat!(env!("CARGO_CRATE_NAME"), "\0"), fill) }
            }
        };
    };
}
