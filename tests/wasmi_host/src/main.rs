//! Answers the requests on standard input, a line each, with the bundle that is the argument.

use std::error::Error;
use std::io::{BufRead, Write};
use wasmi::{Config, Engine, Linker, Module, Store};

fn main() -> Result<(), Box<dyn Error>> {
    let bundle = std::env::args().nth(1).ok_or("usage: wasmi-host BUNDLE")?;
    let mut config = Config::default();
    // Its results would depend on the machine.
    config.wasm_relaxed_simd(false);
    let engine = Engine::new(&config);
    let module = Module::new(&engine, std::fs::read(bundle)?)?;
    if module.imports().len() > 0 {
        return Err("the bundle imports something".into());
    }
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate_and_start(&mut store, &module)?;
    let memory = instance.get_memory(&store, "memory").ok_or("no memory")?;
    let start = instance.get_typed_func::<(), i32>(&store, "ta_start")?;
    let scratch = instance.get_typed_func::<i32, i32>(&store, "ta_scratch")?;
    let call = instance.get_typed_func::<i32, i32>(&store, "ta_call")?;
    let self_test = instance.get_typed_func::<(), i32>(&store, "twisterl_selftest")?;
    if (start.call(&mut store, ())?, self_test.call(&mut store, ())?) != (0, 0) {
        return Err("the bundle cannot be started".into());
    }
    let mut out = std::io::stdout().lock();
    for request in std::io::stdin().lock().lines() {
        let request = request?;
        let length = i32::try_from(request.len())?;
        let address = scratch.call(&mut store, length)? as u32 as usize;
        memory.write(&mut store, address, request.as_bytes())?;
        let mut span = [0; 8];
        let at = call.call(&mut store, length)? as u32 as usize;
        memory.read(&store, at, &mut span)?;
        let [start, length] =
            [&span[..4], &span[4..]].map(|word| u32::from_le_bytes(word.try_into().unwrap_or_default()) as usize);
        let mut answer = vec![0; length];
        memory.read(&store, start, &mut answer)?;
        answer.push(b'\n');
        out.write_all(&answer)?;
    }
    Ok(())
}
