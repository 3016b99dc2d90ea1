//! Environments in WebAssembly modules, compiled to machine code.
//!
//! [`Wasmtime`] is a second engine beside the interpreter of the crate `twisterl-wasm`, with the same sandbox and the same
//! results, several times faster. It is a crate of its own, since it takes minutes to build.

mod epochs;
mod fuel;

use std::sync::Arc;
use twisterl_core::Result as CoreResult;
use twisterl_core::error::interrupt::Watch;
use twisterl_plugin::host::{Function, Module as HostModule};
use twisterl_wasm::{Ended, Guest, Refused, Sandbox};
use wasmtime::{
    Config, Engine, Func, Instance, Memory, Module, Store, StoreLimits, StoreLimitsBuilder, Trap,
    UpdateDeadline, Val,
};

/// The largest module that is compiled, in bytes. Compiling takes about a second for each MiB.
const MAX_MODULE: usize = 4 << 20;

/// The largest stack of calls, in KiB: calls run on the stacks of the program's threads, which have 2 MiB.
const MAX_STACK_KIB: u32 = 1024;

/// Reads the module `bytes`; `name` is its name in errors.
///
/// # Errors
/// As [`twisterl_wasm::load`].
pub fn load(name: &str, bytes: &[u8], sandbox: Sandbox) -> CoreResult<Arc<dyn HostModule>> {
    twisterl_wasm::load::<Wasmtime>(name, bytes, sandbox)
}

/// A module on wasmtime, compiled.
pub struct Wasmtime(Module);

impl twisterl_wasm::Engine for Wasmtime {
    type Guest = WasmtimeGuest;

    fn compile(bytes: &[u8], sandbox: &Sandbox) -> Result<Self, Refused> {
        if sandbox.stack_kib > MAX_STACK_KIB {
            let expected = format!("at most {MAX_STACK_KIB} with the engine wasmtime");
            return Err(Refused::Sandbox("stack_kib", expected, sandbox.stack_kib.to_string()));
        }
        if bytes.len() > MAX_MODULE {
            let most = MAX_MODULE >> 20;
            let expected = format!("wasmi for a module of more than {most} MiB");
            return Err(Refused::Sandbox("engine", expected, "wasmtime".into()));
        }
        let refused = |error: wasmtime::Error| Refused::Module(format!("{error:#}"));
        let engine = Engine::new(&config(sandbox).map_err(Refused::Module)?).map_err(refused)?;
        let module = Module::new(&engine, bytes).map_err(refused)?;
        epochs::count(&engine).map_err(|error| Refused::Module(format!("no thread: {error}")))?;
        Ok(Self(module))
    }

    fn start(&self, sandbox: &Sandbox) -> Result<WasmtimeGuest, Ended> {
        let limits = StoreLimitsBuilder::new()
            .memory_size(sandbox.memory())
            .table_elements(sandbox.table_entries as usize)
            .instances(1)
            .memories(1)
            .tables(Sandbox::MAX_TABLES)
            .build();
        let mut store = Store::new(self.0.engine(), Bounds { limits, watched: Watch::begin() });
        store.limiter(|bounds| &mut bounds.limits);
        store.epoch_deadline_callback(|context| {
            let interrupted = context.data().watched.check().is_err();
            Ok(if interrupted { UpdateDeadline::Interrupt } else { UpdateDeadline::Continue(1) })
        });
        store.set_epoch_deadline(1);
        store.set_fuel(fuel::scaled(sandbox.fuel(0))).map_err(|error| ended(&error))?;
        let instance = Instance::new(&mut store, &self.0, &[]).map_err(|error| {
            match error.downcast_ref::<Trap>() {
                Some(_) => ended(&error),
                None => Ended::Unstarted(format!("{error:#}")),
            }
        })?;
        // Reactors of C and C++ run their constructors in it.
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
            initialize.call(&mut store, ()).map_err(|error| ended(&error))?;
        }
        let memory = instance.get_memory(&mut store, "memory");
        let memory = memory.ok_or_else(|| Ended::Unstarted("no memory".into()))?;
        let functions =
            Function::ALL.map(|function| instance.get_func(&mut store, function.name()));
        Ok(WasmtimeGuest { store, memory, functions })
    }
}

/// Returns the features and bounds of the engine: those of `twisterl_wasm`.
fn config(sandbox: &Sandbox) -> Result<Config, String> {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .operator_cost(fuel::costs()?)
        .epoch_interruption(true)
        .max_wasm_stack(sandbox.stack())
        .wasm_backtrace_max_frames(None)
        // The bits of a result that is no number are then the same on every machine.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_simd(false)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_tail_call(true);
    Ok(config)
}

/// The data of a store, besides the instance.
struct Bounds {
    limits: StoreLimits,
    /// The interruption of the call in progress.
    watched: Watch,
}

/// An instance on wasmtime.
pub struct WasmtimeGuest {
    store: Store<Bounds>,
    memory: Memory,
    /// In the order of [`Function::ALL`].
    functions: [Option<Func>; Function::ALL.len()],
}

impl Guest for WasmtimeGuest {
    fn call(&mut self, function: Function, arguments: &[i32], fuel: u64) -> Result<i32, Ended> {
        let func = self.functions.get(function as usize).copied().flatten();
        let func = func.ok_or_else(|| Ended::Trap("no such function".into()))?;
        let mut values = [const { Val::I32(0) }; 3];
        for (value, &argument) in values.iter_mut().zip(arguments) {
            *value = Val::I32(argument);
        }
        let values = values.get(..arguments.len()).unwrap_or(&[]);
        let mut result = [Val::I32(0)];
        self.store.data_mut().watched = Watch::begin();
        self.store.set_epoch_deadline(1);
        self.store.set_fuel(fuel::scaled(fuel)).map_err(|error| ended(&error))?;
        func.call(&mut self.store, values, &mut result).map_err(|error| ended(&error))?;
        match result {
            [Val::I32(result)] => Ok(result),
            [other] => Err(Ended::Trap(format!("the result {other:?}"))),
        }
    }

    fn memory(&self) -> &[u8] {
        self.memory.data(&self.store)
    }

    fn memory_mut(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }
}

fn ended(error: &wasmtime::Error) -> Ended {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Ended::OutOfFuel,
        Some(Trap::StackOverflow) => Ended::StackOverflow,
        Some(Trap::Interrupt) => Ended::Interrupted,
        Some(trap) => {
            let text = trap.to_string();
            Ended::Trap(text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned())
        }
        None => Ended::Trap(format!("{error:#}")),
    }
}
