//! The bounds of a module, and what runs it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A program that runs WebAssembly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// An interpreter.
    #[default]
    Wasmi,
    /// A compiler to machine code, in programs that are built with it.
    Wasmtime,
}

/// Bounds on what an environment in a WebAssembly module may use, and the engine that runs it. The bounds are deterministic: a
/// run that exceeds one does so at the same step each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sandbox {
    /// Engine that runs the module: `wasmi`, an interpreter, or `wasmtime`, a compiler, in programs that are built with it. Both
    /// give the same results.
    #[schemars(with = "String", extend("enum" = ["wasmi", "wasmtime"]))]
    pub engine: EngineName,
    /// Memory of each batch of environments, in MiB.
    #[schemars(range(min = 1, max = 4096))]
    pub memory_mib: u32,
    /// Work of each call, in units of about one instruction.
    #[schemars(range(min = 100_000, max = 1_000_000_000_000_000_u64))]
    pub fuel_per_call: u64,
    /// Work of a call for each environment that it is about, in addition to that of the call.
    #[schemars(range(min = 0, max = 1_000_000_000_000_u64))]
    pub fuel_per_row: u64,
    /// Stack of calls within the module, in KiB, besides the stack that the module keeps in its memory; with `wasmtime` at most
    /// 1024.
    #[schemars(range(min = 16, max = 65_536))]
    pub stack_kib: u32,
    /// Entries of all tables of functions.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub table_entries: u32,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Sandbox {
    /// The bounds of a config that sets none.
    pub const DEFAULT: Self = Self {
        engine: EngineName::Wasmi,
        memory_mib: 256,
        fuel_per_call: 100_000_000,
        fuel_per_row: 1_000_000,
        stack_kib: 1024,
        table_entries: 100_000,
    };

    /// The size of the largest file of a module, in bytes.
    pub const MAX_FILE: usize = 64 << 20;

    /// The number of tables that a module may have.
    pub const MAX_TABLES: usize = 16;

    /// Returns the fuel of a call about `rows` environments.
    pub fn fuel(&self, rows: usize) -> u64 {
        let rows = self.fuel_per_row.saturating_mul(rows as u64);
        self.fuel_per_call.saturating_add(rows)
    }

    /// Returns the bound on the memory of an instance, in bytes.
    pub const fn memory(&self) -> usize {
        (self.memory_mib as usize) << 20
    }

    /// Returns the bound on the stack of calls, in bytes.
    pub fn stack(&self) -> usize {
        (self.stack_kib as usize).max(1) << 10
    }
}
