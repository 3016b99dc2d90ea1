//! Environments of plugins as environments of TwisteRL.
//!
//! [`Module`] and [`Instance`] are what an engine implements: native libraries here ([`library`]), WebAssembly in the crate
//! `twisterl-wasm`. [`PluginSpec`] plays whatever implements them. Nothing that a plugin says is trusted: lengths, offsets,
//! choices and numbers are checked on every use.

mod batch;
mod layout;
pub mod library;
mod plugin;
mod session;
mod spec;
#[cfg(test)]
mod tests;

pub use spec::PluginSpec;

use twisterl_core::Result;

/// A function of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Returns the version of the interface.
    Abi,
    /// Returns an address for so many bytes.
    Scratch,
    /// Makes environments of the parameters in scratch.
    Init,
    /// Returns the address of the description.
    Describe,
    /// Returns the address of the addresses of the buffers.
    Layout,
    /// Begins an episode.
    Begin,
    /// Takes actions.
    Step,
    /// Writes observations and masks.
    Observe,
    /// Copies slots.
    Copy,
    /// Writes a state.
    State,
    /// Returns the address of a state as text.
    Render,
    /// Returns the address of the name of an action.
    ActionName,
    /// Returns the address of the text of the last error.
    Error,
    /// Writes keys of states; optional.
    Keys,
    /// Writes the image of a state under a twist; optional.
    TwistedState,
    /// Writes the solution that the environment reports; optional.
    Solution,
    /// Writes the state of the inverse problem; optional.
    InverseState,
    /// Turns a solution of the inverse problem into one of the state; optional.
    InvertSolution,
}

impl Function {
    /// All functions.
    pub const ALL: [Self; 18] = [
        Self::Abi,
        Self::Scratch,
        Self::Init,
        Self::Describe,
        Self::Layout,
        Self::Begin,
        Self::Step,
        Self::Observe,
        Self::Copy,
        Self::State,
        Self::Render,
        Self::ActionName,
        Self::Error,
        Self::Keys,
        Self::TwistedState,
        Self::Solution,
        Self::InverseState,
        Self::InvertSolution,
    ];

    /// The name of the function among the exports of a WebAssembly module.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Abi => "te_abi",
            Self::Scratch => "te_scratch",
            Self::Init => "te_init",
            Self::Describe => "te_describe",
            Self::Layout => "te_layout",
            Self::Begin => "te_begin",
            Self::Step => "te_step",
            Self::Observe => "te_observe",
            Self::Copy => "te_copy",
            Self::State => "te_state",
            Self::Render => "te_render",
            Self::ActionName => "te_action_name",
            Self::Error => "te_error",
            Self::Keys => "te_keys",
            Self::TwistedState => "te_twisted_state",
            Self::Solution => "te_solution",
            Self::InverseState => "te_inverse_state",
            Self::InvertSolution => "te_invert_solution",
        }
    }

    /// The number of arguments.
    pub const fn arguments(self) -> usize {
        match self {
            Self::Abi | Self::Describe | Self::Layout | Self::Error => 0,
            Self::Begin => 3,
            Self::Init | Self::TwistedState | Self::InvertSolution => 2,
            _ => 1,
        }
    }

    /// Returns true if the result is an address, and false if it is a number, which is negative after an error.
    pub const fn returns_address(self) -> bool {
        matches!(
            self,
            Self::Scratch
                | Self::Describe
                | Self::Layout
                | Self::Render
                | Self::ActionName
                | Self::Error
        )
    }

    /// Returns true if an environment may lack the function.
    pub const fn is_optional(self) -> bool {
        matches!(
            self,
            Self::Keys
                | Self::TwistedState
                | Self::Solution
                | Self::InverseState
                | Self::InvertSolution
        )
    }
}

/// Code of an environment, of which instances are made.
pub trait Module: Send + Sync {
    /// Returns a new instance.
    ///
    /// # Errors
    /// If there is no memory for it, or the code is refused.
    fn instance(&self) -> Result<Box<dyn Instance>>;

    /// Returns true if the environment has a function.
    fn has(&self, function: Function) -> bool;
}

/// An instance of the interface, used by one thread at a time.
pub trait Instance: Send {
    /// Calls a function with as many arguments as it takes. The result is an address or a number, see
    /// [`Function::returns_address`]; `rows` is the number of rows that the call works on, by which an engine may bound it.
    ///
    /// # Errors
    /// If the call does not return, such as after a trap. The instance is then not used again.
    fn call(&mut self, function: Function, arguments: &[i32], rows: usize) -> Result<i64>;

    /// Returns the memory at an address.
    ///
    /// # Errors
    /// If it does not lie within the memory of the instance.
    fn read(&self, address: u64, len: usize) -> Result<&[u8]>;

    /// Writes to memory.
    ///
    /// # Errors
    /// If it does not lie within the memory of the instance.
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()>;

    /// The number of bytes of an address in memory, 4 or 8.
    fn address_bytes(&self) -> usize;

    /// Returns a copy with all its episodes; `None` if instances of this kind cannot be copied.
    ///
    /// # Errors
    /// If the environment cannot.
    fn duplicate(&mut self) -> Result<Option<Box<dyn Instance>>> {
        Ok(None)
    }
}
