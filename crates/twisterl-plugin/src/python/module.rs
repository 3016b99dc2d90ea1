//! The module of an extension, and its class.

use super::class::NativeEnvironment;
use super::exported::{ATTRIBUTE, Exported};
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// Fills a new module with the class of an environment. Returns 0, or -1 with an exception set.
///
/// # Safety
/// The interpreter is attached, and `module` is a module.
#[allow(unsafe_code)]
pub unsafe fn fill(module: *mut ffi::PyObject, exported: &'static Exported) -> c_int {
    // SAFETY: Promised by the caller.
    let (py, module) = unsafe {
        let py = Python::assume_attached();
        (py, Bound::from_borrowed_ptr(py, module))
    };
    let added = catch_unwind(AssertUnwindSafe(|| add_class(&module, exported)));
    let failed = |_| Err(PyRuntimeError::new_err("the module could not be made"));
    match added.unwrap_or_else(failed) {
        Ok(()) => 0,
        Err(error) => {
            error.restore(py);
            -1
        }
    }
}

fn add_class(module: &Bound<'_, PyAny>, exported: &'static Exported) -> PyResult<()> {
    let py = module.py();
    let name = (exported.about)().name;
    let members = PyDict::new(py);
    members.set_item("__module__", module.getattr("__name__")?)?;
    members.set_item("__doc__", format!("The environment {name}, which runs natively."))?;
    members.set_item(ATTRIBUTE, exported.capsule(py)?)?;
    let bases = (py.get_type::<NativeEnvironment>(),);
    let class = py.get_type::<PyType>().call1((&name, bases, members))?;
    module.setattr(name.as_str(), class)?;
    module.setattr("__all__", vec![name])
}

/// Returns the definition of the module `name`, which ends in a zero byte, for `PyInit_...` to return.
///
/// # Safety
/// Python calls `PyInit_...`, and `fill` is a function that fills a module.
#[allow(unsafe_code)]
pub unsafe fn init(
    name: &'static str,
    fill: unsafe extern "C" fn(*mut ffi::PyObject) -> c_int,
) -> *mut ffi::PyObject {
    let slots = [
        ffi::PyModuleDef_Slot { slot: ffi::Py_mod_exec, value: fill as *mut c_void },
        ffi::PyModuleDef_Slot { slot: 0, value: ptr::null_mut() },
    ];
    // Both live as long as the program, as Python demands.
    let slots: &'static mut [ffi::PyModuleDef_Slot] = Box::leak(Box::new(slots));
    let definition = ffi::PyModuleDef {
        m_base: ffi::PyModuleDef_HEAD_INIT,
        m_name: name.as_ptr().cast(),
        m_doc: ptr::null(),
        m_size: 0,
        m_methods: ptr::null_mut(),
        m_slots: slots.as_mut_ptr(),
        m_traverse: None,
        m_clear: None,
        m_free: None,
    };
    // SAFETY: The definition is complete and lives as long as the program.
    unsafe { ffi::PyModuleDef_Init(Box::leak(Box::new(definition))) }
}
