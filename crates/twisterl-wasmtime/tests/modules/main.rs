//! Modules on the compiler: the tests of the interpreter, and both engines beside each other.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../../../twisterl-wasm/tests/modules/suite/mod.rs"]
mod suite;

use suite::hostile::step;
use suite::mutated::{SMALL, mutate};
use suite::{LINE, open_on, play};
use twisterl_core::rng::{Purpose, stream};
use twisterl_wasm::{Engine, Sandbox, Wasmi, load};
use twisterl_wasmtime::Wasmtime as Tested;

#[test]
fn damaged_modules_play_alike_on_both_engines() {
    let base = wat::parse_str(LINE).unwrap();
    let (mut alike, mut ended) = (0, 0);
    for index in 0..4000 {
        let mut bytes = base.clone();
        mutate(&mut bytes, &mut stream(3, Purpose::Search, 0, index));
        let played = |spec: twisterl_core::Result<_>| spec.and_then(|spec| play(&spec));
        let here = played(open_on::<Tested>(&bytes, SMALL));
        let there = played(open_on::<Wasmi>(&bytes, SMALL));
        match (here, there) {
            (Ok(here), Ok(there)) => {
                alike += 1;
                let bits = |(rewards, states): (Vec<f32>, Vec<f64>)| -> Vec<u64> {
                    let rewards = rewards.into_iter().map(|reward| reward.to_bits().into());
                    rewards.chain(states.into_iter().map(f64::to_bits)).collect()
                };
                assert_eq!(bits(here), bits(there), "module {index}");
            }
            (Err(here), Err(there)) => {
                ended += 1;
                assert_eq!(here.to_string(), there.to_string(), "module {index}");
            }
            (here, there) => panic!("module {index}: {here:?}, {there:?}"),
        }
    }
    assert!(alike > 100 && ended > 100, "{alike} {ended}");
}

/// Returns how often a loop ran that counts in memory until its fuel is used up.
fn rounds<E: Engine>(work: &str) -> u32 {
    let count = "(i32.store (i32.const 6000) (i32.add (i32.load (i32.const 6000)) (i32.const 1)))";
    let body = format!("(loop $again {count} {work} (br $again)) (i32.const 0)");
    let module = load::<E>("line", &wat::parse_str(step(&body)).unwrap(), SMALL).unwrap();
    let mut instance = module.instance().unwrap();
    let ended = instance.call(twisterl_plugin::host::Function::Step, &[1], 1).unwrap_err();
    assert!(ended.to_string().contains("after 210000 units of fuel"), "{ended}");
    u32::from_le_bytes(instance.read(6000, 4).unwrap().try_into().unwrap())
}

#[test]
fn a_unit_of_fuel_is_an_instruction_on_both_engines() {
    let fill = "(memory.fill (i32.const 8192) (i32.const 0) (i32.const 8192))";
    // Instructions of a round: 6 of the count, 1 of the branch; the last also 4 and 8,192 / 64 of the filling.
    for (work, cost) in [("", 7), ("nop", 7), ("(drop (i32.const 1))", 8), (fill, 139)] {
        let near = |rounds: u32, cost: u32| rounds.abs_diff(210_000 / cost) <= 1;
        let (here, there) = (rounds::<Tested>(work), rounds::<Wasmi>(work));
        assert!(near(here, cost), "{work}: {here}");
        assert!(near(there, cost + 1), "{work}: {there}");
    }
}

#[test]
fn a_compiled_module_has_bounds_of_its_own() {
    let bytes = wat::parse_str(LINE).unwrap();
    let refused = |bytes: &[u8], sandbox| {
        load::<Tested>("line", bytes, sandbox).map(drop).unwrap_err().to_string()
    };
    let deep = Sandbox { stack_kib: 2048, ..Sandbox::default() };
    let expected =
        "env_sandbox.stack_kib: expected at most 1024 with the engine wasmtime, found 2048";
    assert_eq!(refused(&bytes, deep), expected);
    // A custom section of 5 MiB: its length in 7 bits at a time, and a name without letters.
    let mut large = bytes.clone();
    large.extend([0, 0x80, 0x80, 0xc0, 0x02]);
    large.resize(large.len() + (5 << 20), 0);
    let expected =
        "env_sandbox.engine: expected wasmi for a module of more than 4 MiB, found wasmtime";
    assert_eq!(refused(&large, Sandbox::default()), expected);
    load::<Wasmi>("line", &large, Sandbox::default()).unwrap();
}
