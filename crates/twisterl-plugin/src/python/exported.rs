//! An environment that an extension exports, as its class knows it.

use crate::abi::{CAPSULE, Table};
use crate::guest::{About, Maker};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyType};
use std::ffi::{CStr, c_void};
use std::ptr::{self, NonNull};

/// The attribute of a class that leads to its [`Exported`].
pub(super) const ATTRIBUTE: &str = "_exported";
const EXPORTED: &CStr = c"twisterl.exported";

/// An environment that is exported.
pub struct Exported {
    /// Its functions.
    pub table: &'static Table,
    /// Returns the maker of its environments.
    pub maker: fn() -> Maker,
    /// Returns its name, version and licence.
    pub about: fn() -> About,
}

impl Exported {
    /// Returns what the class `class` exports.
    #[allow(unsafe_code)]
    pub(super) fn of(class: &Bound<'_, PyType>) -> PyResult<&'static Self> {
        let capsule = class.getattr(ATTRIBUTE)?.cast_into::<PyCapsule>()?;
        let pointer = capsule.pointer_checked(Some(EXPORTED))?;
        // SAFETY: A capsule of this name holds a static of this type. Code that makes another one could as well load any
        // library.
        Ok(unsafe { pointer.cast::<Self>().as_ref() })
    }

    /// Returns the capsule by which a class knows what it exports.
    pub(super) fn capsule<'py>(&'static self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule(py, ptr::from_ref(self).cast(), EXPORTED)
    }

    /// Returns the capsule with the functions of the environment.
    pub(super) fn functions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule(py, ptr::from_ref(self.table).cast(), CAPSULE)
    }
}

/// Returns a capsule that holds the address of a static.
#[allow(unsafe_code)]
fn capsule<'py>(
    py: Python<'py>,
    pointer: *const c_void,
    name: &'static CStr,
) -> PyResult<Bound<'py, PyCapsule>> {
    let pointer = NonNull::new(pointer.cast_mut());
    let pointer = pointer.ok_or_else(|| pyo3::exceptions::PyRuntimeError::new_err("no address"))?;
    // SAFETY: The address is that of a static.
    unsafe { PyCapsule::new_with_pointer(py, pointer, name) }
}
