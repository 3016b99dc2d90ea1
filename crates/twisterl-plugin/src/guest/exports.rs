//! The interface as exports of a WebAssembly module, and the macro that exports an environment in all forms.

use super::about::About;
use super::instance::{Guest, Maker};
use crate::abi::Text;
use std::ffi::c_char;
use std::panic;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The only instance of a WebAssembly module.
pub struct WasmInstance {
    guest: Mutex<Option<Guest>>,
    error: Mutex<String>,
    span: WasmText,
}

/// A function that is told of panics.
type Listener = Box<dyn Fn(&str) + Send + Sync>;

static LISTENERS: Mutex<Vec<Listener>> = Mutex::new(Vec::new());

/// Gives the text of each panic to `listener`, in place of the standard error, which a module does not have.
pub fn on_panic(listener: impl Fn(&str) + Send + Sync + 'static) {
    LISTENERS.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
    panic::set_hook(Box::new(|panic| {
        // A panic of a listener has nowhere to go.
        if let Ok(listeners) = LISTENERS.try_lock() {
            let text = panic.to_string();
            listeners.iter().for_each(|listener| listener(&text));
        }
    }));
}

/// A [`Text`] that is written while others may read it.
#[repr(C)]
struct WasmText {
    text: AtomicPtr<c_char>,
    len: AtomicUsize,
}

impl WasmInstance {
    /// Returns an instance without environments.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        let span = WasmText { text: AtomicPtr::new(ptr::null_mut()), len: AtomicUsize::new(0) };
        Self { guest: Mutex::new(None), error: Mutex::new(String::new()), span }
    }

    /// Calls the instance, which is made at the first call.
    pub fn call<T>(
        &'static self,
        make: fn() -> (Maker, About),
        work: impl FnOnce(&mut Guest) -> T,
    ) -> T {
        let mut guest = self.guest.lock().unwrap_or_else(PoisonError::into_inner);
        let guest = guest.get_or_insert_with(|| self.make(make));
        let result = work(guest);
        self.fail(guest.error_text().to_owned());
        result
    }

    #[inline(never)] // one copy for all functions
    fn make(&'static self, make: fn() -> (Maker, About)) -> Guest {
        on_panic(|text| self.fail(text.to_owned()));
        let (maker, about) = make();
        Guest::new(maker, about)
    }

    /// Returns the address of the text of the last error, which stays.
    pub fn error(&'static self) -> *const Text {
        (&raw const self.span).cast()
    }

    fn fail(&self, text: String) {
        // A panic while the text is being replaced has nowhere to go.
        if let Ok(mut kept) = self.error.try_lock() {
            *kept = text;
            self.span.text.store(kept.as_mut_ptr().cast(), Ordering::Relaxed);
            self.span.len.store(kept.len(), Ordering::Relaxed);
        }
    }
}

/// Exports an environment: a type that implements [`Environment`](twisterl_core::env::Environment).
///
/// The crate is built as a `cdylib`. For `wasm32-unknown-unknown` that is a module with the exports of `twisterl.h`, for the
/// machine a library with its table, and with the feature `python` of this crate a Python extension, too, whose class has the
/// name of the environment.
#[macro_export]
macro_rules! export_environment {
    ($environment:ty) => {
        #[allow(unsafe_code)]
        const _: () = {
            use $crate::abi::Table;
            use $crate::core::env::Environment;
            use $crate::guest::{About, ForTable, Maker, maker, table};

            struct Exported;

            impl ForTable for Exported {
                unsafe fn maker(_: *const ::core::ffi::c_void) -> Maker {
                    maker::<$environment>()
                }

                fn about() -> About {
                    About {
                        name: <$environment as Environment>::NAME.to_owned(),
                        version: env!("CARGO_PKG_VERSION").to_owned(),
                        licence: env!("CARGO_PKG_LICENSE").to_owned(),
                    }
                }
            }

            static TABLE: Table = table::<Exported>();

            /// Returns the functions of the environment.
            #[unsafe(no_mangle)]
            pub extern "C" fn twisterl_environment() -> *const Table {
                &raw const TABLE
            }

            $crate::__export_to_wasm!(|| {
                // SAFETY: An environment of Rust has no context.
                let maker = unsafe { Exported::maker(::core::ptr::null()) };
                (maker, Exported::about())
            });
            $crate::__export_to_python!(Exported, TABLE);
        };
    };
}

/// Exports the functions of a WebAssembly module, given a function that returns the maker of the environments and what is to
/// be told about them.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_to_wasm {
    ($make:expr) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::abi::Text;
            use $crate::guest::WasmInstance;

            static INSTANCE: WasmInstance = WasmInstance::new();

            fn call<T>(work: impl FnOnce(&mut $crate::guest::Guest) -> T) -> T {
                INSTANCE.call($make, work)
            }

            #[unsafe(no_mangle)]
            extern "C" fn te_abi() -> i32 {
                $crate::abi::VERSION as i32
            }
            #[unsafe(no_mangle)]
            extern "C" fn te_scratch(bytes: i32) -> *mut u8 {
                call(|guest| guest.scratch(bytes))
            }
            #[unsafe(no_mangle)]
            extern "C" fn te_init(len: i32, slots: i32) -> i32 {
                call(|guest| guest.init(len, slots))
            }
            #[unsafe(no_mangle)]
            extern "C" fn te_describe() -> *const Text {
                call(|guest| guest.describe())
            }
            #[unsafe(no_mangle)]
            extern "C" fn te_layout() -> *const $crate::abi::Layout {
                call(|guest| guest.layout())
            }
            #[unsafe(no_mangle)]
            extern "C" fn te_begin(slot: i32, kind: i32, difficulty: i32) -> i32 {
                call(|guest| guest.begin(slot, kind, difficulty))
            }
            #[unsafe(no_mangle)]
            extern "C" fn te_step(n: i32) -> i32 {
                call(|guest| guest.step(n))
            }
            #[unsafe(no_mangle)]
            extern "C" fn te_observe(n: i32) -> i32 {
                call(|guest| guest.observe(n))
            }
            #[unsafe(no_mangle)]
            extern "C" fn te_copy(n: i32) -> i32 {
                call(|guest| guest.copy(n))
            }
            #[unsafe(no_mangle)]
            extern "C" fn te_state(slot: i32) -> i32 {
                call(|guest| guest.state(slot))
            }
            #[unsafe(no_mangle)]
            extern "C" fn te_twisted_state(slot: i32, twist: i32) -> i32 {
                call(|guest| guest.twisted_state(slot, twist))
            }
            #[unsafe(no_mangle)]
            extern "C" fn te_solution(slot: i32) -> i32 {
                call(|guest| guest.solution(slot))
            }
            #[unsafe(no_mangle)]
            extern "C" fn te_inverse_state(slot: i32) -> i32 {
                call(|guest| guest.inverse_state(slot))
            }
            #[unsafe(no_mangle)]
            extern "C" fn te_invert_solution(slot: i32, n: i32) -> i32 {
                call(|guest| guest.invert_solution(slot, n))
            }
            #[unsafe(no_mangle)]
            extern "C" fn te_keys(n: i32) -> i32 {
                call(|guest| guest.keys(n))
            }
            #[unsafe(no_mangle)]
            extern "C" fn te_render(slot: i32) -> *const Text {
                call(|guest| guest.render(slot))
            }
            #[unsafe(no_mangle)]
            extern "C" fn te_action_name(_choice: i32) -> *const Text {
                call(|guest| guest.action_name())
            }
            #[unsafe(no_mangle)]
            extern "C" fn te_error() -> *const Text {
                INSTANCE.error()
            }
        };
    };
}

/// Exports nothing to Python, without the feature `python`.
#[cfg(not(feature = "python"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_to_python {
    ($exported:ty, $table:ident) => {};
}
