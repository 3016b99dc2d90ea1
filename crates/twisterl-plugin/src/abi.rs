//! The interface between an environment and its host: version 1.1 of `include/twisterl.h`.
//!
//! An *instance* holds `slots` environments with equal parameters and the buffers through which a host writes arguments and
//! reads results. All numbers in buffers are little-endian.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

/// The version: major in the upper half, minor in the lower. Hosts refuse another major version; a minor version only adds
/// optional functions.
pub const VERSION: u32 = 1 << 16 | 1;

/// The name of the function of a native library that returns its [`Table`].
pub const TABLE_SYMBOL: &str = "twisterl_environment";

/// The name of the capsule that a Python class hands over. Its pointer is a [`Table`], its context that of
/// [`Table::create`].
pub const CAPSULE: &CStr = c"twisterl.environment.1";

/// Result of a function that did what it was asked for.
pub const OK: i32 = 0;
/// Result of a function that failed; `error` tells why.
pub const FAILED: i32 = -1;
/// Result of `begin` if the environment can never be in the given state; `error` tells why.
pub const REFUSED: i32 = -2;
/// Result of `solution` if the environment reports none, and of `inverse_state` and `invert_solution` if there is none.
pub const NONE: i32 = -3;

/// The kinds of starts of [`Table::begin`].
pub mod start {
    /// An episode of the given difficulty.
    pub const SCRAMBLE: i32 = 0;
    /// A state drawn uniformly from all states, with the budget of the given difficulty.
    pub const UNIFORM: i32 = 1;
    /// The state in the buffer `state`, of as many numbers as `slots[0]` says.
    pub const STATE: i32 = 2;
    /// In place of a difficulty: the full budget.
    pub const FULL_BUDGET: i32 = -1;
}

/// Bits of the buffer `flags`, and of the result of `begin`.
pub mod flag {
    /// The episode reached a final state.
    pub const TERMINATED: i32 = 1;
    /// A budget is exhausted.
    pub const TRUNCATED: i32 = 2;
    /// The state is solved.
    pub const SOLVED: i32 = 4;
}

/// An instance, known to its own code alone.
#[repr(C)]
pub struct Instance {
    _private: [u8; 0],
}

/// UTF-8 text.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Text {
    /// The first byte.
    pub text: *const c_char,
    /// The number of bytes.
    pub len: usize,
}

/// The addresses of the buffers, null where the environment has none. Counts are in the terms of the description: `d` discrete
/// and `c` continuous components, `w` entries of a mask, `v` dense values, `s` slots.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Layout {
    /// [`VERSION`].
    pub version: usize,
    /// In: the randomness of the next `begin`, 32 bytes.
    pub key: *mut u8,
    /// In: the slots of a call, `[2 s]`.
    pub slots: *mut i32,
    /// In: choices, `[s, d]`.
    pub discrete: *mut u32,
    /// In: numbers, `[s, c]`.
    pub continuous: *mut f32,
    /// Out: rewards of `step`, `[s]`.
    pub rewards: *const f32,
    /// Out: [`flag`]s of `step`, `[s]`.
    pub flags: *const i32,
    /// Out: where the ones of each row of `observe` begin in `indices`, and where the last one's end, `[s + 1]`.
    pub offsets: *const u32,
    /// Out: the ones of the bits, all rows after each other.
    pub indices: *const u32,
    /// Out: dense values, `[s, v]`.
    pub values: *const f32,
    /// Out: masks, 1 for what is allowed, `[s, w]`.
    pub masks: *const u8,
    /// In and out: a state.
    pub state: *mut f64,
    /// Out: keys of `keys`, `[s]`.
    pub keys: *const u64,
    /// Out: bounds on the return of the rest of the episodes, of `step` one a row, of `begin` the first; NaN for none, `[s]`.
    pub best: *const f32,
}

impl Layout {
    /// No buffers.
    pub const EMPTY: Self = Self {
        version: 0,
        key: ptr::null_mut(),
        slots: ptr::null_mut(),
        discrete: ptr::null_mut(),
        continuous: ptr::null_mut(),
        rewards: ptr::null(),
        flags: ptr::null(),
        offsets: ptr::null(),
        indices: ptr::null(),
        values: ptr::null(),
        masks: ptr::null(),
        state: ptr::null_mut(),
        keys: ptr::null(),
        best: ptr::null(),
    };
}

/// The functions of a native library. `twisterl.h` says what each of them does.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Table {
    /// [`VERSION`].
    pub abi: u32,
    /// The number of bytes of the table, which later minor versions lengthen.
    pub size: u32,
    /// Returns a new instance, null if there is no memory. The context is null for libraries.
    pub create: unsafe extern "C" fn(context: *const c_void) -> *mut Instance,
    /// Frees an instance.
    pub destroy: unsafe extern "C" fn(*mut Instance),
    /// Returns an address for so many bytes, null if there is no memory.
    pub scratch: unsafe extern "C" fn(*mut Instance, bytes: i32) -> *mut u8,
    /// Makes `slots` environments of the parameters in scratch, `len` bytes of JSON.
    pub init: unsafe extern "C" fn(*mut Instance, len: i32, slots: i32) -> i32,
    /// Returns the description, JSON; null after an error.
    pub describe: unsafe extern "C" fn(*mut Instance) -> *const Text,
    /// Returns the addresses of the buffers.
    pub layout: unsafe extern "C" fn(*mut Instance) -> *const Layout,
    /// Begins an episode; returns [`flag`]s.
    pub begin: unsafe extern "C" fn(*mut Instance, slot: i32, kind: i32, difficulty: i32) -> i32,
    /// Takes an action in each of `n` slots.
    pub step: unsafe extern "C" fn(*mut Instance, n: i32) -> i32,
    /// Writes observations and masks of `n` slots.
    pub observe: unsafe extern "C" fn(*mut Instance, n: i32) -> i32,
    /// Copies `n` slots: `slots[2 i]` to `slots[2 i + 1]`.
    pub copy: unsafe extern "C" fn(*mut Instance, n: i32) -> i32,
    /// Writes the state of a slot; returns the number of its numbers.
    pub state: unsafe extern "C" fn(*mut Instance, slot: i32) -> i32,
    /// Returns the state of a slot as text; null after an error.
    pub render: unsafe extern "C" fn(*mut Instance, slot: i32) -> *const Text,
    /// Returns the name of the action in row 0 of `discrete` and `continuous`, whose first choice is also the argument.
    pub action_name: unsafe extern "C" fn(*mut Instance, choice: i32) -> *const Text,
    /// Returns the text of the last error.
    pub error: unsafe extern "C" fn(*mut Instance) -> *const Text,
    /// Optional: writes the keys of the states of `n` slots.
    pub keys: Option<unsafe extern "C" fn(*mut Instance, n: i32) -> i32>,
    /// Optional: writes the image of the state of a slot under a twist; returns the number of its numbers.
    pub twisted_state: Option<unsafe extern "C" fn(*mut Instance, slot: i32, twist: i32) -> i32>,
    /// Optional: returns a copy of an instance with all its episodes, null after an error.
    pub duplicate: Option<unsafe extern "C" fn(*mut Instance) -> *mut Instance>,
    /// Optional: writes the solution that the environment reports for the episode in a slot to `state`; returns the number of its
    /// numbers, [`NONE`] if it reports none.
    pub solution: Option<unsafe extern "C" fn(*mut Instance, slot: i32) -> i32>,
    /// Optional, since 1.1: writes the state of the inverse problem of a slot; returns the number of its numbers, [`NONE`] if
    /// there is none.
    pub inverse_state: Option<unsafe extern "C" fn(*mut Instance, slot: i32) -> i32>,
    /// Optional, since 1.1: replaces the `n` actions in scratch, which solve the inverse problem of a slot, by as many that solve
    /// its state; returns their number, [`NONE`] if there are none.
    pub invert_solution: Option<unsafe extern "C" fn(*mut Instance, slot: i32, n: i32) -> i32>,
}
