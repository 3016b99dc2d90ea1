//! Traits that engines implement, and modules and instances on any of them.

use crate::Sandbox;
use crate::check::check;
use std::ops::Range;
use std::sync::Arc;
use twisterl_core::Error;
use twisterl_plugin::host::{Function, Instance, Module};

/// A program that runs WebAssembly, with the code of one module.
pub trait Engine: Send + Sync + Sized + 'static {
    /// An instance of the module.
    type Guest: Guest + 'static;

    /// Takes a module that was checked.
    ///
    /// # Errors
    /// If the engine refuses it; what it says.
    fn compile(bytes: &[u8], sandbox: &Sandbox) -> Result<Self, Refused>;

    /// Makes an instance within the bounds of the sandbox and runs its start functions.
    ///
    /// # Errors
    /// If its memory or tables exceed the bounds, or a start function does not return.
    fn start(&self, sandbox: &Sandbox) -> Result<Self::Guest, Ended>;
}

/// Why an engine does not run a module.
#[derive(Debug)]
pub enum Refused {
    /// The module is not what it runs.
    Module(String),
    /// A field of the sandbox has a value that the engine does not offer: field, expected, found.
    Sandbox(&'static str, String, String),
}

/// An instance of a module.
pub trait Guest: Send {
    /// Calls a function that the module has, with `fuel`.
    ///
    /// # Errors
    /// If the call does not return.
    fn call(&mut self, function: Function, arguments: &[i32], fuel: u64) -> Result<i32, Ended>;

    /// The memory.
    fn memory(&self) -> &[u8];

    /// The memory, to write to.
    fn memory_mut(&mut self) -> &mut [u8];
}

/// The end of a call that did not return.
#[derive(Debug)]
pub enum Ended {
    /// It used up its fuel.
    OutOfFuel,
    /// Its stack of calls was full.
    StackOverflow,
    /// It trapped, or failed in another way; what the engine says.
    Trap(String),
    /// There is no instance: its memory or tables exceed the bounds; what the engine says.
    Unstarted(String),
    /// Interruption was requested.
    Interrupted,
}

impl Ended {
    /// Returns the text of an error of a call that had `fuel`.
    fn text(self, sandbox: &Sandbox, fuel: u64) -> String {
        match self {
            Self::OutOfFuel => format!(
                "no result after {fuel} units of fuel (an endless loop? else raise env_sandbox.fuel_per_call or \
                 fuel_per_row)"
            ),
            Self::StackOverflow => {
                format!("a trap: stack overflow ({} KiB, env_sandbox.stack_kib)", sandbox.stack_kib)
            }
            Self::Trap(text) => format!("a trap: {text}"),
            Self::Unstarted(text) => format!(
                "{text} (env_sandbox allows {} MiB of memory and {} entries of tables)",
                sandbox.memory_mib, sandbox.table_entries
            ),
            Self::Interrupted => Error::Interrupted.to_string(),
        }
    }
}

/// Reads the module `bytes` for an engine; `name` is its name in errors.
///
/// # Errors
/// If the module is invalid, too large, imports something or uses what the sandbox does not offer, or a function of the
/// interface has another signature.
pub fn load<E: Engine>(
    name: &str,
    bytes: &[u8],
    sandbox: Sandbox,
) -> Result<Arc<dyn Module>, Error> {
    let has = check(name, bytes)?;
    let engine = E::compile(bytes, &sandbox).map_err(|refused| match refused {
        Refused::Module(found) => Error::contract(name, "a module is valid WebAssembly", found),
        Refused::Sandbox(field, expected, found) => {
            Error::config(format!("env_sandbox.{field}"), expected, found)
        }
    })?;
    Ok(Arc::new(Loaded { name: name.into(), engine, has, sandbox }))
}

/// A module on its engine.
struct Loaded<E> {
    name: Arc<str>,
    engine: E,
    /// In the order of [`Function::ALL`].
    has: [bool; Function::ALL.len()],
    sandbox: Sandbox,
}

impl<E: Engine> Module for Loaded<E> {
    fn instance(&self) -> Result<Box<dyn Instance>, Error> {
        let (name, has, sandbox) = (Arc::clone(&self.name), self.has, self.sandbox);
        let guest = self.engine.start(&sandbox).map_err(|ended| {
            let found = match ended {
                Ended::Interrupted => return Error::Interrupted,
                ended @ Ended::Unstarted(_) => ended.text(&sandbox, 0),
                ended => {
                    let fuel = sandbox.fuel(0);
                    format!("its start function ended with {}", ended.text(&sandbox, fuel))
                }
            };
            Error::contract(&*name, "a module can be started", found)
        })?;
        Ok(Box::new(Started { name, guest, has, sandbox }))
    }

    fn has(&self, function: Function) -> bool {
        self.has.get(function as usize).copied().unwrap_or(false)
    }
}

/// An instance on its engine.
struct Started<G> {
    name: Arc<str>,
    guest: G,
    has: [bool; Function::ALL.len()],
    sandbox: Sandbox,
}

impl<G: Guest> Started<G> {
    fn ended(&self, function: Function, found: String) -> Error {
        Error::contract(&*self.name, format!("{} returns", function.name()), found)
    }

    /// Returns the range of memory at an address.
    fn range(&self, address: u64, len: usize) -> Result<Range<usize>, Error> {
        let size = self.guest.memory().len();
        let begin = usize::try_from(address).ok();
        let end = begin.and_then(|begin| begin.checked_add(len)).filter(|&end| end <= size);
        match (begin, end) {
            (Some(begin), Some(end)) => Ok(begin..end),
            _ => {
                let rule = format!("buffers lie in its memory of {size} bytes");
                Err(Error::contract(&*self.name, rule, format!("{len} bytes at {address}")))
            }
        }
    }
}

impl<G: Guest> Instance for Started<G> {
    fn call(&mut self, function: Function, arguments: &[i32], rows: usize) -> Result<i64, Error> {
        if !self.has.get(function as usize).is_some_and(|&has| has) {
            return Err(self.ended(function, "no such function".into()));
        }
        let fuel = self.sandbox.fuel(rows);
        match self.guest.call(function, arguments, fuel) {
            Ok(result) if function.returns_address() => Ok(i64::from(result.cast_unsigned())),
            Ok(result) => Ok(i64::from(result)),
            Err(Ended::Interrupted) => Err(Error::Interrupted),
            Err(ended) => Err(self.ended(function, ended.text(&self.sandbox, fuel))),
        }
    }

    fn read(&self, address: u64, len: usize) -> Result<&[u8], Error> {
        let range = self.range(address, len)?;
        Ok(self.guest.memory().get(range).unwrap_or(&[]))
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        let range = self.range(address, bytes.len())?;
        if let Some(memory) = self.guest.memory_mut().get_mut(range) {
            memory.copy_from_slice(bytes);
        }
        Ok(())
    }

    fn address_bytes(&self) -> usize {
        4
    }
}
