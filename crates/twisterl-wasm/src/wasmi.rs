//! The interpreter wasmi: the fuel of a call is given in slices, between which its stack is empty and interruption is asked for.

use crate::guest::{Ended, Engine, Guest, Refused};
use crate::sandbox::Sandbox;
use crate::start::export_start;
use twisterl_core::error::interrupt;
use twisterl_plugin::host::Function;
use wasmi::{
    CompilationMode, Config, Func, Linker, Memory, Module, ResumableCall, Store, StoreLimits,
    StoreLimitsBuilder, TrapCode, Val,
};

/// The fuel after which a call returns to its caller, to be resumed.
///
/// In releases, the instructions of wasmi call each other. The compiler makes jumps of nearly all these calls, but is free not
/// to: it makes none of that of `memory.grow`, so that a module that repeats it takes 32 bytes of the program's stack for each
/// unit of fuel, as measured. The stack of a thread, 2 MiB, is 1 KiB for each unit of a slice. Slices cost 5 % of the speed.
const SLICE: u64 = 2000;

/// The calls that may be in progress within a call.
const MAX_DEPTH: usize = 16_384;

/// A module on wasmi, an interpreter: no compiler to build, no code generated at run time.
pub struct Wasmi {
    module: Module,
    /// The name of the function that runs first, if there is one.
    start: Option<String>,
}

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
        let (bytes, start) = export_start(bytes);
        let module = Module::new(&wasmi::Engine::new(&config), &bytes);
        module
            .map(|module| Self { module, start })
            .map_err(|error| Refused::Module(error.to_string()))
    }

    fn start(&self, sandbox: &Sandbox) -> Result<WasmiGuest, Ended> {
        let limits = StoreLimitsBuilder::new()
            .memory_size(sandbox.memory())
            .table_elements(sandbox.table_entries as usize)
            .instances(1)
            .memories(1)
            .tables(Sandbox::MAX_TABLES)
            .build();
        let mut store = Store::new(self.module.engine(), limits);
        store.limiter(|limits| limits);
        store.set_fuel(sandbox.fuel(0)).map_err(|error| ended(&error))?;
        let linker = Linker::new(self.module.engine());
        // Runs no function: the module has no start function any more.
        let instance = linker.instantiate_and_start(&mut store, &self.module);
        let instance = instance.map_err(|error| match error.as_trap_code() {
            Some(_) => ended(&error),
            None => Ended::Unstarted(error.to_string()),
        })?;
        let mut left = store.get_fuel().map_err(|error| ended(&error))?;
        // Reactors of C and C++ run their constructors in `_initialize`.
        for name in self.start.as_deref().into_iter().chain(["_initialize"]) {
            if let Ok(function) = instance.get_typed_func::<(), ()>(&store, name) {
                left = run(&mut store, *function.func(), &[], &mut [], left)?;
            }
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

/// Calls a function with `fuel`. Returns the fuel that is left.
fn run(
    store: &mut Store<StoreLimits>,
    function: Func,
    arguments: &[Val],
    results: &mut [Val],
    fuel: u64,
) -> Result<u64, Ended> {
    let watched = interrupt::Watch::begin();
    let mut left = fuel.saturating_sub(SLICE);
    store.set_fuel(fuel.min(SLICE)).map_err(|error| ended(&error))?;
    let mut call = function.call_resumable(&mut *store, arguments, results);
    loop {
        match call {
            Ok(ResumableCall::Finished) => return Ok(left + store.get_fuel().unwrap_or(0)),
            Ok(ResumableCall::OutOfFuel(paused)) => {
                watched.check().map_err(|_| Ended::Interrupted)?;
                let kept = store.get_fuel().unwrap_or(0);
                let more = paused.required_fuel().saturating_sub(kept).max(SLICE).min(left);
                if kept + more < paused.required_fuel() {
                    return Err(Ended::OutOfFuel);
                }
                left -= more;
                store.set_fuel(kept + more).map_err(|error| ended(&error))?;
                call = paused.resume(&mut *store, results);
            }
            Ok(ResumableCall::HostTrap(_)) => return Err(Ended::Trap("a call of the host".into())),
            Err(error) => return Err(ended(&error)),
        }
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
        run(&mut self.store, func, values, &mut result, fuel)?;
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
