//! The interface as a table of functions of a native library.

use super::about::About;
use super::instance::{Guest, Maker};
use crate::abi::{Instance, Layout, Table, Text, VERSION};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use twisterl_core::env::Environment;
use twisterl_core::registry::Registry;

/// An environment that a table makes.
pub trait ForTable {
    /// Returns the maker of environments, given the context of the table.
    ///
    /// # Safety
    /// The context is one that the table was handed over with.
    #[allow(unsafe_code)]
    unsafe fn maker(context: *const c_void) -> Maker;

    /// Returns the name, version and licence.
    fn about() -> About;
}

/// Returns the maker of an environment of Rust.
pub fn maker<E: Environment>() -> Maker {
    let mut registry = Registry::empty();
    registry.register::<E>();
    Box::new(move |params| registry.make(E::NAME, params))
}

/// Returns the table of an environment.
pub const fn table<T: ForTable>() -> Table {
    Table {
        abi: VERSION,
        size: size_of::<Table>() as u32,
        create: create::<T>,
        destroy,
        scratch,
        init,
        describe,
        layout,
        begin,
        step,
        observe,
        copy,
        state,
        render,
        action_name,
        error,
        keys: Some(keys),
        twisted_state: Some(twisted_state),
        duplicate: Some(duplicate),
        solution: Some(solution),
        inverse_state: Some(inverse_state),
        invert_solution: Some(invert_solution),
    }
}

#[allow(unsafe_code)]
unsafe extern "C" fn create<T: ForTable>(context: *const c_void) -> *mut Instance {
    // SAFETY: The host passes on the context that it was given with the table.
    let made = catch_unwind(|| Guest::new(unsafe { T::maker(context) }, T::about()));
    made.map_or(ptr::null_mut(), |guest| Box::into_raw(Box::new(guest)).cast())
}

#[allow(unsafe_code)]
unsafe extern "C" fn destroy(instance: *mut Instance) {
    if !instance.is_null() {
        // SAFETY: The instance is one of `create` or `duplicate`, which is destroyed once.
        let guest = unsafe { Box::from_raw(instance.cast::<Guest>()) };
        // A panic while dropping has no one who could hear of it.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(guest)));
    }
}

#[allow(unsafe_code)]
unsafe extern "C" fn duplicate(instance: *mut Instance) -> *mut Instance {
    // SAFETY: As in `guest!`.
    let guest = unsafe { &mut *instance.cast::<Guest>() };
    let copied = catch_unwind(AssertUnwindSafe(|| guest.duplicate()));
    copied.ok().flatten().map_or(ptr::null_mut(), |copy| Box::into_raw(Box::new(copy)).cast())
}

/// Defines functions of the table that are methods of [`Guest`], which catch panics themselves.
macro_rules! guest {
    ($($name:ident($($argument:ident),*) -> $result:ty => $method:ident($($passed:ident),*);)*) => {$(
        #[allow(unsafe_code)]
        unsafe extern "C" fn $name(instance: *mut Instance, $($argument: i32),*) -> $result {
            // SAFETY: The host passes an instance of `create` that it has not destroyed, and makes one call at a time.
            let guest = unsafe { &mut *instance.cast::<Guest>() };
            guest.$method($($passed),*)
        }
    )*};
}

guest! {
    scratch(bytes) -> *mut u8 => scratch(bytes);
    init(len, slots) -> i32 => init(len, slots);
    describe() -> *const Text => describe();
    layout() -> *const Layout => layout();
    begin(slot, kind, difficulty) -> i32 => begin(slot, kind, difficulty);
    step(n) -> i32 => step(n);
    observe(n) -> i32 => observe(n);
    copy(n) -> i32 => copy(n);
    state(slot) -> i32 => state(slot);
    twisted_state(slot, twist) -> i32 => twisted_state(slot, twist);
    keys(n) -> i32 => keys(n);
    solution(slot) -> i32 => solution(slot);
    inverse_state(slot) -> i32 => inverse_state(slot);
    invert_solution(slot, n) -> i32 => invert_solution(slot, n);
    render(slot) -> *const Text => render(slot);
    action_name(_choice) -> *const Text => action_name();
    error() -> *const Text => error();
}
