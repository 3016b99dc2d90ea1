//! The interpreter wasmi: the fuel of a call is given in slices, between which interruption is asked for.

use crate::guest::{Ended, Engine, Guest, Refused};
use crate::sandbox::Sandbox;
use twisterl_core::error::interrupt;
use twisterl_plugin::host::Function;
use wasmi::{
    CompilationMode, Config, Func, Linker, Memory, Module, ResumableCall, Store, StoreLimits,
    StoreLimitsBuilder, TrapCode, Val,
};

/// The fuel after which a call is asked whether interruption was requested: some milliseconds.
const SLICE: u64 = 5_000_000;

/// The calls that may be in progress within a call.
const MAX_DEPTH: usize = 16_384;

/// A module on wasmi, an interpreter: no compiler to build, no code generated at run time.
pub struct Wasmi(Module);

impl Engine for Wasmi {
    type Guest = WasmiGuest;

    fn compile(bytes: &[u8], sandbox: &Sandbox) -> Result<Self, Refused> {
        let mut config = Config::default();
        // A height below that with which stacks begin would be refused by a panic; the sandbox's bounds are above both. All
        // functions are translated now: by default, the first call of each would pay for it with fuel.
        config
            .consume_fuel(true)
            .compilation_mode(CompilationMode::Eager)
            .ignore_custom_sections(true)
            .wasm_multi_memory(false)
            .wasm_custom_page_sizes(false)
            .wasm_wide_arithmetic(false)
            .set_min_stack_height(1024)
            .set_max_stack_height(sandbox.stack())
            .set_max_recursion_depth(MAX_DEPTH);
        let module = Module::new(&wasmi::Engine::new(&config), bytes);
        module.map(Self).map_err(|error| Refused::Module(error.to_string()))
    }

    fn start(&self, sandbox: &Sandbox) -> Result<WasmiGuest, Ended> {
        let limits = StoreLimitsBuilder::new()
            .memory_size(sandbox.memory())
            .table_elements(sandbox.table_entries as usize)
            .instances(1)
            .memories(1)
            .tables(Sandbox::MAX_TABLES)
            .build();
        let mut store = Store::new(self.0.engine(), limits);
        store.limiter(|limits| limits);
        store.set_fuel(sandbox.fuel(0)).map_err(|error| ended(&error))?;
        let instance = Linker::new(self.0.engine()).instantiate_and_start(&mut store, &self.0);
        let instance = instance.map_err(|error| match error.as_trap_code() {
            Some(_) => ended(&error),
            None => Ended::Unstarted(error.to_string()),
        })?;
        // Reactors of C and C++ run their constructors in it.
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&store, "_initialize") {
            initialize.call(&mut store, ()).map_err(|error| ended(&error))?;
        }
        let memory = instance.get_memory(&store, "memory");
        let memory = memory.ok_or_else(|| Ended::Unstarted("no memory".into()))?;
        let functions = Function::ALL.map(|function| instance.get_func(&store, function.name()));
        Ok(WasmiGuest { store, memory, functions })
    }
}

/// An instance on wasmi.
pub struct WasmiGuest {
    store: Store<StoreLimits>,
    memory: Memory,
    /// In the order of [`Function::ALL`].
    functions: [Option<Func>; Function::ALL.len()],
}

impl WasmiGuest {
    fn set_fuel(&mut self, fuel: u64) -> Result<(), Ended> {
        self.store.set_fuel(fuel).map_err(|error| ended(&error))
    }
}

impl Guest for WasmiGuest {
    fn call(&mut self, function: Function, arguments: &[i32], fuel: u64) -> Result<i32, Ended> {
        let func = self.functions.get(function as usize).copied().flatten();
        let func = func.ok_or_else(|| Ended::Trap("no such function".into()))?;
        let mut values = [const { Val::I32(0) }; 3];
        for (value, &argument) in values.iter_mut().zip(arguments) {
            *value = Val::I32(argument);
        }
        let values = values.get(..arguments.len()).unwrap_or(&[]);
        let mut result = [Val::I32(0)];
        let mut left = fuel.saturating_sub(SLICE);
        let watched = interrupt::Watch::begin();
        self.set_fuel(fuel.min(SLICE))?;
        let mut call = func.call_resumable(&mut self.store, values, &mut result);
        loop {
            match call {
                Ok(ResumableCall::Finished) => break,
                Ok(ResumableCall::OutOfFuel(paused)) => {
                    watched.check().map_err(|_| Ended::Interrupted)?;
                    let kept = self.store.get_fuel().unwrap_or(0);
                    let more = paused.required_fuel().saturating_sub(kept).max(SLICE).min(left);
                    if kept + more < paused.required_fuel() {
                        return Err(Ended::OutOfFuel);
                    }
                    left -= more;
                    self.set_fuel(kept + more)?;
                    call = paused.resume(&mut self.store, &mut result);
                }
                Ok(ResumableCall::HostTrap(_)) => {
                    return Err(Ended::Trap("a call of the host".into()));
                }
                Err(error) => return Err(ended(&error)),
            }
        }
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

fn ended(error: &wasmi::Error) -> Ended {
    match error.as_trap_code() {
        Some(TrapCode::OutOfFuel) => Ended::OutOfFuel,
        Some(TrapCode::StackOverflow) => Ended::StackOverflow,
        _ => Ended::Trap(error.to_string()),
    }
}
