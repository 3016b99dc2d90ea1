//! Native libraries and Python classes as modules: tables of functions.

use super::{Function, Instance, Module};
use crate::abi::{self, Table};
use libloading::Library;
use std::any::Any;
use std::ffi::c_void;
use std::mem::offset_of;
use std::path::Path;
use std::sync::Arc;
use twisterl_core::{Error, Result};

/// The number of bytes of a table up to its optional functions, and of words of a whole one.
const REQUIRED: usize = offset_of!(Table, keys);
const WORDS: usize = size_of::<Table>() / size_of::<usize>();

#[cfg(target_endian = "big")]
compile_error!("buffers of plugins are little-endian");

/// A table of functions with the context of its instances.
#[derive(Clone)]
pub struct TableModule {
    name: String,
    table: Table,
    context: usize,
    /// Keeps the functions and the context alive.
    keeper: Arc<dyn Any + Send + Sync>,
}

impl TableModule {
    /// Loads a library. It stays loaded until the program ends.
    ///
    /// # Errors
    /// If it cannot be loaded, exports no table, or one of another version.
    #[allow(unsafe_code)]
    pub fn load(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let expected =
            "a native library with an environment (`twisterl_environment` of twisterl.h)";
        // SAFETY: The user has named the library to be run; it may do in this process what it wants.
        let library = unsafe { Library::new(path) };
        let library = library.map_err(|error| Error::config("env_cls", expected, error))?;
        let library: &'static Library = Box::leak(Box::new(library));
        // SAFETY: The header declares the symbol as this function.
        let table = unsafe {
            library.get::<unsafe extern "C" fn() -> *const Table>(abi::TABLE_SYMBOL.as_bytes())
        };
        let table = table.map_err(|error| Error::config("env_cls", expected, error))?;
        // SAFETY: As above. The library stays loaded.
        unsafe { Self::new(&name, table(), std::ptr::null(), Arc::new(())) }
    }

    /// Returns the module of a table, which `keeper` keeps alive together with the context.
    ///
    /// # Errors
    /// If the table is null, or of another version.
    ///
    /// # Safety
    /// `table` is null or begins with the version and size of a table, which the functions of that version follow, and is
    /// valid, like `context`, for as long as `keeper` lives.
    #[allow(unsafe_code)]
    pub unsafe fn new(
        name: &str,
        table: *const Table,
        context: *const c_void,
        keeper: Arc<dyn Any + Send + Sync>,
    ) -> Result<Self> {
        if table.is_null() {
            return Err(Error::contract(name, "a plugin has a table of functions", "none"));
        }
        // SAFETY: The table begins with its version and size.
        let (version, size) = unsafe { ((*table).abi, (*table).size as usize) };
        if version >> 16 != abi::VERSION >> 16 || size < REQUIRED {
            let rule = "a plugin has version 1 of the interface: build it with the twisterl.h or twisterl-plugin of this release";
            let found = format!("version {}.{} of {size} bytes", version >> 16, version & 0xffff);
            return Err(Error::contract(name, rule, found));
        }
        // The functions that an older minor version does not know are null, as optional functions may be.
        let mut words = [0usize; WORDS];
        let known = size.min(size_of::<Table>());
        // SAFETY: The table has so many bytes, and so have the words.
        unsafe {
            std::ptr::copy_nonoverlapping(table.cast::<u8>(), words.as_mut_ptr().cast(), known);
        }
        let required = REQUIRED / size_of::<usize>();
        let first = offset_of!(Table, create) / size_of::<usize>();
        if words.iter().take(required).skip(first).any(|&function| function == 0) {
            let rule = "a plugin has all functions of twisterl.h that are not optional";
            return Err(Error::contract(name, rule, "a null one"));
        }
        // SAFETY: The words are those of a table whose functions are there, or optional and null.
        let table = unsafe { std::mem::transmute::<[usize; WORDS], Table>(words) };
        Ok(Self { name: name.to_owned(), table, context: context as usize, keeper })
    }
}

impl Module for TableModule {
    #[allow(unsafe_code)]
    fn instance(&self) -> Result<Box<dyn Instance>> {
        // SAFETY: The context is that of the table.
        let instance = unsafe { (self.table.create)(self.context as *const c_void) };
        if instance.is_null() {
            return Err(Error::contract(&self.name, "create gives an instance", "none"));
        }
        let (table, keeper) = (self.table, Arc::clone(&self.keeper));
        Ok(Box::new(TableInstance { table, instance, _keeper: keeper }))
    }

    fn has(&self, function: Function) -> bool {
        match function {
            Function::Keys => self.table.keys.is_some(),
            Function::TwistedState => self.table.twisted_state.is_some(),
            Function::Solution => self.table.solution.is_some(),
            Function::InverseState => self.table.inverse_state.is_some(),
            Function::InvertSolution => self.table.invert_solution.is_some(),
            _ => true,
        }
    }
}

/// An instance of a table.
struct TableInstance {
    table: Table,
    instance: *mut abi::Instance,
    _keeper: Arc<dyn Any + Send + Sync>,
}

// SAFETY: An instance is used by one thread at a time, which may be any, as the header demands.
#[allow(unsafe_code)]
unsafe impl Send for TableInstance {}

impl Drop for TableInstance {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: The instance is of this table, and destroyed once.
        unsafe { (self.table.destroy)(self.instance) }
    }
}

impl Instance for TableInstance {
    #[allow(unsafe_code)]
    fn call(&mut self, function: Function, arguments: &[i32], _: usize) -> Result<i64> {
        let (table, instance) = (&self.table, self.instance);
        let argument = |i: usize| arguments.get(i).copied().unwrap_or(0);
        let (a, b, c) = (argument(0), argument(1), argument(2));
        let missing = || Error::internal(format!("no function {}", function.name()));
        let address = |address: usize| address as i64;
        // SAFETY: The functions are those of the table of this instance.
        Ok(unsafe {
            match function {
                Function::Abi => i64::from(table.abi),
                Function::Scratch => address((table.scratch)(instance, a) as usize),
                Function::Init => (table.init)(instance, a, b).into(),
                Function::Describe => address((table.describe)(instance) as usize),
                Function::Layout => address((table.layout)(instance) as usize),
                Function::Begin => (table.begin)(instance, a, b, c).into(),
                Function::Step => (table.step)(instance, a).into(),
                Function::Observe => (table.observe)(instance, a).into(),
                Function::Copy => (table.copy)(instance, a).into(),
                Function::State => (table.state)(instance, a).into(),
                Function::Render => address((table.render)(instance, a) as usize),
                Function::ActionName => address((table.action_name)(instance, a) as usize),
                Function::Error => address((table.error)(instance) as usize),
                Function::Keys => (table.keys.ok_or_else(missing)?)(instance, a).into(),
                Function::TwistedState => {
                    (table.twisted_state.ok_or_else(missing)?)(instance, a, b).into()
                }
                Function::Solution => (table.solution.ok_or_else(missing)?)(instance, a).into(),
                Function::InverseState => {
                    (table.inverse_state.ok_or_else(missing)?)(instance, a).into()
                }
                Function::InvertSolution => {
                    (table.invert_solution.ok_or_else(missing)?)(instance, a, b).into()
                }
            }
        })
    }

    #[allow(unsafe_code)]
    fn read(&self, address: u64, len: usize) -> Result<&[u8]> {
        // SAFETY: Native code is trusted with its addresses, which lie in the memory of this process. It writes there during
        // calls alone, which need `&mut self`.
        Ok(unsafe { std::slice::from_raw_parts(address as usize as *const u8, len) })
    }

    #[allow(unsafe_code)]
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        // SAFETY: As in `read`; the buffers of the layout are the host's to write between calls.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), address as usize as *mut u8, bytes.len())
        };
        Ok(())
    }

    fn address_bytes(&self) -> usize {
        size_of::<usize>()
    }

    #[allow(unsafe_code)]
    fn duplicate(&mut self) -> Result<Option<Box<dyn Instance>>> {
        let Some(duplicate) = self.table.duplicate else { return Ok(None) };
        // SAFETY: The instance is of this table.
        let instance = unsafe { duplicate(self.instance) };
        if instance.is_null() {
            return Err(Error::config(
                "env_cls",
                "an environment that can be copied",
                "one that failed",
            ));
        }
        let (table, keeper) = (self.table, Arc::clone(&self._keeper));
        Ok(Some(Box::new(Self { table, instance, _keeper: keeper })))
    }
}
