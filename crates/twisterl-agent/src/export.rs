//! The functions that a module exports, and the macro [`export!`](crate::export!) that exports them.
//!
//! All parameters and results are `i32`. The host calls `ta_start` once, writes a request of `len` bytes to the address that
//! `ta_scratch(len)` returns, and calls `ta_call(len)`. The result is the address of two numbers of 32 bits: the address and
//! the length of the answer, which stay until the next call. `ta_error` returns the address of two such numbers for the text
//! of the last failure; ask for it before anything fails, since a module that has trapped cannot be called again.
//!
//! `ta_evaluate` evaluates numbers without JSON, and the functions `te_*` are those of environments as plugins
//! (docs/plugins.md): they play the environment of the policy.

use crate::agent::{Agent, MAX_REQUEST, Numbers, Outputs, error_answer};
use serde_json::Value;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use twisterl_core::registry::Registry;
use twisterl_core::{Error, Result};
use twisterl_plugin::guest::{About, Maker, on_panic};

/// The version of the exported functions: the major one in the upper half, which hosts check.
pub const ABI: i32 = 1 << 16 | 1;

/// The first argument of `ta_evaluate` if the numbers are those of a state.
const STATE: i32 = 0;
/// The first argument of `ta_evaluate` if the numbers are those of an observation.
const OBSERVATION: i32 = 1;

/// An address and a length, which a bundle or the module writes.
pub type Span = [AtomicU32; 2];

static AGENT: Mutex<Option<Agent>> = Mutex::new(None);
static SCRATCH: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static ANSWER: Text = Text::new();
static NUMBERS: Mutex<(Vec<f64>, Option<Numbers>)> = Mutex::new((Vec::new(), None));
/// Addresses and lengths of the logits and of the mask, and the value.
static OUTPUTS: [AtomicU32; 5] = [const { AtomicU32::new(0) }; 5];
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

/// Opens the payload at `slot` and repeats its self-test. Returns 0, or -1 after an error, which `ta_error` tells.
pub fn start(slot: &'static Span, registry: impl FnOnce() -> Registry) -> i32 {
    match opened(slot, registry, Agent::self_test).flatten() {
        Ok(()) => 0,
        Err(error) => {
            ERROR.set(error.to_string());
            -1
        }
    }
}

/// Opens the payload at `slot`, unless it is open, and reads from its agent.
fn opened<T>(
    slot: &'static Span,
    registry: impl FnOnce() -> Registry,
    read: impl FnOnce(&Agent) -> T,
) -> Result<T> {
    let mut agent = AGENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(agent) = &*agent {
        return Ok(read(agent));
    }
    on_panic(|text| ERROR.set(text.to_owned()));
    Ok(read(agent.insert(Agent::open_untested(payload(slot)?, &registry())?)))
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

/// Returns an address for `len` numbers of 64 bits; 0 if that is too long.
pub fn numbers(len: i32) -> i32 {
    let mut kept = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    let numbers = &mut kept.0;
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let more = len.saturating_sub(numbers.len());
    if len > MAX_REQUEST / size_of::<f64>() || numbers.try_reserve(more).is_err() {
        return 0;
    }
    let size = numbers.len() + more;
    numbers.resize(size, 0.0);
    address(numbers.as_ptr()) as i32
}

/// Evaluates the first `len` numbers: those of a state or of an observation. Returns the address of five words: address and
/// number of the logits, address and number of the entries of the mask, and the value; 0 after an error, which `ta_error`
/// tells.
pub fn evaluate(kind: i32, len: i32) -> i32 {
    let agent = AGENT.lock().unwrap_or_else(PoisonError::into_inner);
    let mut kept = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    let (numbers, evaluating) = &mut *kept;
    let numbers = usize::try_from(len).ok().and_then(|len| numbers.get(..len));
    let evaluating = evaluating.get_or_insert_default();
    let outputs = match (&*agent, numbers, kind) {
        (Some(agent), Some(state), STATE) => evaluating.state(agent, state),
        (Some(agent), Some(numbers), OBSERVATION) => evaluating.observation(agent, numbers),
        (None, ..) => Err(Error::config("module", "ta_start before it", "one not started")),
        (_, None, _) => Err(Error::config("len", "the length given to ta_numbers", len)),
        (.., kind) => Err(Error::config("kind", "0 (state) or 1 (observation)", kind)),
    };
    match outputs {
        Ok(Outputs { logits, value, mask }) => {
            let words = [
                address(logits.as_ptr()),
                logits.len() as u32,
                address(mask.as_ptr()),
                mask.len() as u32,
                value.to_bits(),
            ];
            OUTPUTS.iter().zip(words).for_each(|(kept, word)| kept.store(word, Ordering::Relaxed));
            address(OUTPUTS.as_ptr()) as i32
        }
        Err(error) => {
            ERROR.set(error.to_string());
            0
        }
    }
}

/// Returns the maker of the environment of the policy, which takes parameters in place of those of the policy, and what is to
/// be told about it.
pub fn environment(
    slot: &'static Span,
    registry: impl Fn() -> Registry + Send + Sync + 'static,
) -> (Maker, About) {
    let opened = opened(slot, &registry, |agent| {
        let (name, params) = agent.env_of_policy();
        (name.to_owned(), params.clone())
    });
    let name = opened.as_ref().map_or("agent", |(name, _)| name).to_owned();
    let maker: Maker = Box::new(move |given| {
        let (name, params) = opened.as_ref().map_err(Error::clone)?;
        let mut params = params.clone();
        if let (Value::Object(params), Value::Object(given)) = (&mut params, given) {
            params.extend(given.clone());
        }
        registry().make(name, &params)
    });
    let about = About { name, version: env!("CARGO_PKG_VERSION").into(), ..About::default() };
    (maker, about)
}

/// Returns the address of the span of the last failure's text.
pub fn error() -> i32 {
    ERROR.address()
}

/// Repeats the self-test. Returns 0 if all results are those of the machine that wrote it, 1 if one differs, and 2 if the
/// module cannot be started; `ta_error` tells more.
pub fn self_test(slot: &'static Span, registry: impl FnOnce() -> Registry) -> i32 {
    let (code, error) = match opened(slot, registry, Agent::self_test) {
        Ok(Ok(())) => return 0,
        Ok(Err(error)) => (1, error),
        Err(error) => (2, error),
    };
    ERROR.set(error.to_string());
    code
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

            /// Returns an address for numbers.
            #[unsafe(no_mangle)]
            pub extern "C" fn ta_numbers(len: i32) -> i32 {
                export::numbers(len)
            }

            /// Evaluates a state or an observation, given as numbers.
            #[unsafe(no_mangle)]
            pub extern "C" fn ta_evaluate(kind: i32, len: i32) -> i32 {
                export::evaluate(kind, len)
            }

            $crate::plugin::__export_to_wasm!(|| export::environment(&TWISTERL_PAYLOAD, $registry));

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
