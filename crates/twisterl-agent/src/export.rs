//! The functions that a module exports, and the macro [`export!`](crate::export!) that exports them.
//!
//! All parameters and results are `i32`. The host calls `ta_start` once, writes a request of `len` bytes to the address that
//! `ta_scratch(len)` returns, and calls `ta_call(len)`. The result is the address of two numbers of 32 bits: the address and
//! the length of the answer, which stay until the next call. `ta_error` returns the address of two such numbers for the text
//! of the last failure; ask for it before anything fails, since a module that has trapped cannot be called again.

use crate::agent::{Agent, MAX_REQUEST, error_answer};
use std::panic;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use twisterl_core::registry::Registry;
use twisterl_core::{Error, Result};

/// The version of the exported functions: the major one in the upper half, which hosts check.
pub const ABI: i32 = 1 << 16;

/// An address and a length, which a bundle or the module writes.
pub type Span = [AtomicU32; 2];

static AGENT: Mutex<Option<Agent>> = Mutex::new(None);
static SCRATCH: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static ANSWER: Text = Text::new();
static ERROR: Text = Text::new();

/// A text that the host reads.
struct Text {
    text: Mutex<String>,
    span: Span,
}

impl Text {
    const fn new() -> Self {
        Self { text: Mutex::new(String::new()), span: [AtomicU32::new(0), AtomicU32::new(0)] }
    }

    /// Replaces the text, unless it is being replaced.
    fn set(&self, text: String) {
        if let Ok(mut kept) = self.text.try_lock() {
            *kept = text;
            self.span[0].store(address(kept.as_ptr()), Ordering::Relaxed);
            self.span[1].store(kept.len() as u32, Ordering::Relaxed);
        }
    }

    fn address(&self) -> i32 {
        address(self.span.as_ptr()) as i32
    }
}

/// Returns an address as the host knows it: of 32 bits in a module.
fn address<T>(pointer: *const T) -> u32 {
    pointer as usize as u32
}

/// Opens the payload at `slot`. Returns 0, or -1 after an error, which `ta_error` tells.
pub fn start(slot: &'static Span, registry: impl FnOnce() -> Registry) -> i32 {
    panic::set_hook(Box::new(|panic| ERROR.set(panic.to_string())));
    let agent = payload(slot).and_then(|payload| Agent::open(payload, &registry()));
    match agent {
        Ok(agent) => {
            *AGENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(agent);
            0
        }
        Err(error) => {
            ERROR.set(error.to_string());
            -1
        }
    }
}

/// Returns an address for a request of `len` bytes; 0 if that is too long.
pub fn scratch(len: i32) -> i32 {
    let mut scratch = SCRATCH.lock().unwrap_or_else(PoisonError::into_inner);
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let more = len.saturating_sub(scratch.len());
    if len > MAX_REQUEST || scratch.try_reserve(more).is_err() {
        return 0;
    }
    let size = scratch.len() + more;
    scratch.resize(size, 0);
    address(scratch.as_ptr()) as i32
}

/// Answers the request in the first `len` bytes of the scratch memory. Returns the address of the answer's span.
pub fn call(len: i32) -> i32 {
    let scratch = SCRATCH.lock().unwrap_or_else(PoisonError::into_inner);
    let request = usize::try_from(len).ok().and_then(|len| scratch.get(..len));
    let agent = AGENT.lock().unwrap_or_else(PoisonError::into_inner);
    let refused = |expected: &str, found: String| {
        error_answer(&Error::config("request", expected, found)).to_string()
    };
    ANSWER.set(match (&*agent, request) {
        (Some(agent), Some(request)) => agent.answer(request),
        (None, _) => refused("ta_start before it", "a module that was not started".into()),
        (_, None) => refused("the length given to ta_scratch", len.to_string()),
    });
    ANSWER.address()
}

/// Returns the address of the span of the last failure's text.
pub fn error() -> i32 {
    ERROR.address()
}

/// Repeats the self-test. Returns 0 if all results are those of the machine that wrote it, 1 if one differs, and 2 if the
/// module cannot be started; `ta_error` tells more.
pub fn self_test(slot: &'static Span, registry: impl FnOnce() -> Registry) -> i32 {
    let started = AGENT.lock().unwrap_or_else(PoisonError::into_inner).is_some();
    if !started && start(slot, registry) != 0 {
        return 2;
    }
    let agent = AGENT.lock().unwrap_or_else(PoisonError::into_inner);
    match agent.as_ref().map(Agent::self_test) {
        Some(Ok(())) => 0,
        Some(Err(error)) => {
            ERROR.set(error.to_string());
            1
        }
        None => 2,
    }
}

/// Returns the payload that a bundle has in its memory.
#[cfg(target_arch = "wasm32")]
fn payload(slot: &'static Span) -> Result<&'static [u8]> {
    let [address, length] = slot.each_ref().map(|part| part.load(Ordering::Relaxed) as usize);
    if (address, length) == (0, 0) {
        return Err(no_payload());
    }
    let size = core::arch::wasm32::memory_size::<0>() << 16;
    if address == 0 || length > isize::MAX as usize || address.saturating_add(length) > size {
        let expected = format!("a payload within the {size} bytes of memory");
        return Err(Error::bundle("module", expected, format!("{length} bytes at {address}")));
    }
    // SAFETY: The bytes lie within the memory, as was just checked, which never shrinks. They are those of a data segment, which
    // is written before the first call, in pages that the allocator does not have: it takes only what `memory.grow` gives it.
    #[allow(unsafe_code)]
    Ok(unsafe { core::slice::from_raw_parts(address as *const u8, length) })
}

/// Returns an error: payloads at addresses are those of modules.
#[cfg(not(target_arch = "wasm32"))]
fn payload(_: &'static Span) -> Result<&'static [u8]> {
    Err(no_payload())
}

fn no_payload() -> Error {
    Error::bundle("module", "a bundle with a policy", "a template without one")
}

/// Exports the functions of a template of bundles with the environments of a registry: a function or a path that makes it.
#[macro_export]
macro_rules! export {
    ($registry:expr) => {
        /// The exports of a template of bundles.
        #[allow(unsafe_code)]
        pub mod twisterl_exports {
            #[allow(unused_imports)] // for what the registry is written with
            use super::*;
            use $crate::export::{self, Span};

            /// The address and the length of the payload, which a bundle writes here.
            #[unsafe(no_mangle)]
            pub static TWISTERL_PAYLOAD: Span =
                [const { ::core::sync::atomic::AtomicU32::new(0) }; 2];

            /// Returns the version of these functions.
            #[unsafe(no_mangle)]
            pub extern "C" fn ta_abi() -> i32 {
                export::ABI
            }

            /// Opens the policy.
            #[unsafe(no_mangle)]
            pub extern "C" fn ta_start() -> i32 {
                export::start(&TWISTERL_PAYLOAD, $registry)
            }

            /// Returns an address for a request.
            #[unsafe(no_mangle)]
            pub extern "C" fn ta_scratch(len: i32) -> i32 {
                export::scratch(len)
            }

            /// Answers a request.
            #[unsafe(no_mangle)]
            pub extern "C" fn ta_call(len: i32) -> i32 {
                export::call(len)
            }

            /// Returns the address of the text of the last failure.
            #[unsafe(no_mangle)]
            pub extern "C" fn ta_error() -> i32 {
                export::error()
            }

            /// Repeats the self-test; 0 if all is well.
            #[unsafe(no_mangle)]
            pub extern "C" fn twisterl_selftest() -> i32 {
                export::self_test(&TWISTERL_PAYLOAD, $registry)
            }
        }
    };
}
