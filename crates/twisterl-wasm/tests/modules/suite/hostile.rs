//! Modules that spin, grow, lie, or reach for what is not theirs: each is refused or ended, with an error that says why.

use super::{LINE, open, play};
use crate::Tested;
use std::time::{Duration, Instant};
use twisterl_wasm::{Sandbox, load};

/// The time in which a module is refused or ended, and the part of the default fuel that a call has: all of it in a release
/// (`cargo test --release -p twisterl-wasm`). The interpreter is slow in the profile of tests, and the machine may be busy.
const SOON: Duration = Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 1 });
const PART: u64 = if cfg!(debug_assertions) { 10 } else { 1 };

fn sandbox() -> Sandbox {
    let default = Sandbox::default();
    let (fuel_per_call, fuel_per_row) = (default.fuel_per_call / PART, default.fuel_per_row / PART);
    Sandbox { fuel_per_call, fuel_per_row, ..default }
}

/// Returns the module with the function `name` replaced by another one.
fn with_function(name: &str, text: &str) -> String {
    let header = format!("(func (export \"{name}\")");
    let begin = LINE.find(&header).expect("a function of the module");
    let mut depth = 0;
    let end = LINE[begin..].find(|character| {
        depth += i32::from(character == '(') - i32::from(character == ')');
        depth == 0
    });
    format!("{}{text}{}", &LINE[..begin], &LINE[begin + end.unwrap() + 1..])
}

/// Returns the module with `text` before its memory.
fn with(text: &str) -> String {
    LINE.replacen("(memory", &format!("{text}\n(memory"), 1)
}

fn spin(name: &str, signature: &str) -> String {
    let body = "(loop $again (br $again)) (i32.const 0)";
    with_function(name, &format!("(func (export \"{name}\") {signature} {body})"))
}

pub(crate) fn step(body: &str) -> String {
    with_function(
        "te_step",
        &format!("(func (export \"te_step\") (param $n i32) (result i32) {body})"),
    )
}

/// Returns the module with another number in its layout.
fn with_layout(word: usize, value: u32) -> String {
    let bytes = value.to_le_bytes().map(|byte| format!("\\{byte:02x}")).concat();
    let at = 64 + 4 * word;
    LINE.replacen(
        "(func (export \"te_abi\")",
        &format!("(data (i32.const {at}) \"{bytes}\")\n(func (export \"te_abi\")"),
        1,
    )
}

/// Returns the module with another description.
fn with_description(text: &str) -> String {
    let quoted = text.replace('"', "\\22");
    let len: String =
        (text.len() as u32).to_le_bytes().map(|byte| format!("\\{byte:02x}")).concat();
    let data = format!(
        "(data (i32.const 20000) \"{quoted}\") (data (i32.const 32) \"\\20\\4e\\00\\00{len}\")"
    );
    LINE.replacen("(func (export \"te_abi\")", &format!("{data}\n(func (export \"te_abi\")"), 1)
}

/// Asserts that a module is refused or ended soon, with these words.
fn assert_refused(name: &str, text: &str, words: &str) {
    let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let begun = Instant::now();
    let refused = open(&bytes, sandbox()).and_then(|spec| play(&spec));
    let error = refused.map(drop).expect_err(name).to_string();
    assert!(error.contains(words), "{name}: {error}");
    assert!(begun.elapsed() < SOON, "{name}: {:?}", begun.elapsed());
}

#[test]
fn work_is_bounded() {
    let fuel =
        "units of fuel (an endless loop? else raise env_sandbox.fuel_per_call or fuel_per_row)";
    assert_refused("spin in init", &spin("te_init", "(param i32) (param i32) (result i32)"), fuel);
    assert_refused("spin in step", &spin("te_step", "(param i32) (result i32)"), fuel);
    assert_refused("spin in step", &spin("te_step", "(param i32) (result i32)"), "te_step returns");
    assert_refused("spin in error", &spin("te_error", "(result i32)"), fuel);
    assert_refused(
        "spin at start",
        &with("(start $spin) (func $spin (loop $again (br $again)))"),
        "start function",
    );
    let fill = "(loop $again (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536)) (br $again)) (i32.const 0)";
    assert_refused("spin with bulk operations", &step(fill), fuel);
    let deep =
        "(func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))";
    let deep =
        step("(call $deep (local.get $n))").replacen("(memory", &format!("{deep}(memory"), 1);
    assert_refused("deep recursion", &deep, "te_step returns: a trap");
}

#[test]
fn memory_is_bounded() {
    let grow = "(loop $again (drop (memory.grow (i32.const 1024))) (br $again)) (i32.const 0)";
    assert_refused("grows forever", &step(grow), "fuel");
    let start = with(&format!("(start $grow) (func $grow (drop (block (result i32) {grow})))"));
    assert_refused("grows forever at start", &start, "start function");
    let once = "(if (i32.ne (memory.grow (i32.const 60000)) (i32.const -1)) (then unreachable)) (i32.const -1)";
    assert_refused("grows beyond the bound", &step(once), "result -1 without a text");
    let large =
        LINE.replacen("(memory (export \"memory\") 1)", "(memory (export \"memory\") 8192)", 1);
    assert_refused("large from the beginning", &large, "256 MiB of memory");
    let table = with("(table 10000000 funcref)");
    assert_refused("a large table", &table, "100000 entries of tables");
}

#[test]
fn addresses_lie_in_memory() {
    assert_refused(
        "wild pointer",
        &step("(i32.store (i32.const -8) (i32.const 1)) (i32.const 0)"),
        "out of bounds",
    );
    assert_refused("unreachable", &step("unreachable"), "te_step returns: a trap");
    for (name, word) in
        [("slots", 2), ("discrete", 3), ("rewards", 5), ("flags", 6), ("values", 9), ("masks", 10)]
    {
        assert_refused(
            name,
            &with_layout(word, 0xffff_fff0),
            "buffers lie in its memory of 65536 bytes",
        );
        assert_refused(name, &with_layout(word, 65534), "buffers lie in its memory of 65536 bytes");
    }
    assert_refused("no rewards", &with_layout(5, 0), "no buffer `rewards`");
    let layout = "(func (export \"te_layout\") (result i32) (i32.const -4))";
    assert_refused(
        "layout beyond",
        &with_function("te_layout", layout),
        "buffers lie in its memory",
    );
    let scratch = "(func (export \"te_scratch\") (param i32) (result i32) (i32.const 65535))";
    assert_refused(
        "scratch at the end",
        &with_function("te_scratch", scratch),
        "buffers lie in its memory",
    );
    let describe = "(func (export \"te_describe\") (result i32) (i32.const 65534))";
    assert_refused(
        "description beyond",
        &with_function("te_describe", describe),
        "buffers lie in its memory",
    );
}

#[test]
fn lies_are_found() {
    let actions = r#""state": 1, "actions": [{"type": "discrete", "n": 2}]"#;
    let observation =
        |shape: &str| format!(r#""observation": {{"type": "dense", "shape": {shape}}}"#);
    for (name, description, words) in [
        ("no JSON", "no JSON".to_owned(), "the description is that of twisterl.h"),
        (
            "no actions",
            format!(r#"{{"name": "Line", {}}}"#, observation("[1]")),
            "missing field `actions`",
        ),
        (
            "a huge space",
            format!(r#"{{"name": "a", {}, {actions}}}"#, observation("[4294967295, 9]")),
            "observations have 1 to",
        ),
        (
            "more values than memory",
            format!(r#"{{"name": "a", {}, {actions}}}"#, observation("[60000]")),
            "buffers lie in its memory",
        ),
        (
            "no choices",
            format!(r#"{{"name": "a", {}, "actions": []}}"#, observation("[1]")),
            "actions",
        ),
        (
            "an unknown member",
            format!(r#"{{"name": "a", {}, {actions}, "x": 1}}"#, observation("[1]")),
            "unknown field `x`",
        ),
    ] {
        assert_refused(name, &with_description(&description), words);
    }
    let nan = "(f32.store (i32.const 2560) (f32.div (f32.const 0) (f32.const 0))) (i32.const 0)";
    assert_refused("a reward that is no number", &step(nan), "rewards are finite");
    assert_refused(
        "flags",
        &step("(i32.store (i32.const 3072) (i32.const 3)) (i32.const 0)"),
        "flags of a step",
    );
    let version = "(func (export \"te_abi\") (result i32) (i32.const 0x20000))";
    assert_refused("another version", &with_function("te_abi", version), "version 2.0");
    assert_refused("no function", &with_function("te_copy", ""), "no function te_copy");
}

#[test]
fn modules_of_other_kinds_are_refused_with_advice() {
    let import = |module: &str| {
        format!("(import \"{module}\" \"fd_write\" (func (param i32 i32 i32 i32) (result i32)))")
    };
    assert_refused(
        "WASI",
        &with(&import("wasi_snapshot_preview1")),
        "built for WASI? use wasm32-unknown-unknown or freestanding",
    );
    assert_refused(
        "imports",
        &with(&import("env")),
        "env.fd_write; build it for wasm32-unknown-unknown",
    );
    assert_refused(
        "a memory of the host",
        "(module (import \"env\" \"memory\" (memory 1)))",
        "env.memory",
    );
    assert_refused(
        "no memory",
        &LINE.replacen("(export \"memory\")", "", 1),
        "exports its memory as `memory`",
    );
    let step = "(func (export \"te_step\") (param f32) (result i32) (i32.const 0))";
    assert_refused(
        "floats",
        &with_function("te_step", step),
        "te_step is a function (i32) -> i32: (f32) -> (i32)",
    );
    let begin = "(func (export \"te_begin\") (param i32) (result i32) (i32.const 0))";
    assert_refused(
        "arguments",
        &with_function("te_begin", begin),
        "te_begin is a function (i32, i32, i32) -> i32",
    );
    let result = "(func (export \"te_describe\") (result i64) (i64.const 0))";
    assert_refused(
        "results",
        &with_function("te_describe", result),
        "te_describe is a function () -> i32: () -> (i64)",
    );
    assert_refused("64 bits", "(module (memory (export \"memory\") i64 1))", "build it for wasm32");
    assert_refused("SIMD", &with("(func (drop (i32x4.splat (i32.const 1))))"), "without SIMD");
    let shared = "(module (memory (export \"memory\") 1 1 shared))";
    assert_refused("threads", shared, "without threads");
    let two = LINE.replacen(
        "(memory (export \"memory\") 1)",
        "(memory (export \"memory\") 1) (memory 1)",
        1,
    );
    assert_refused("two memories", &two, "with one memory");
}

#[test]
fn files_of_other_kinds_are_refused() {
    for (bytes, words) in [
        (&b""[..], "an empty file"),
        (b"\x7fELF\x02\x01", "\"\\x7fELF\\x02\\x01\""),
        (b"\0asm\x0d\0\x01\0", "valid WebAssembly"),
        (b"\0asm\x01\0\0\0\x01\xff\xff\xff\xff\x0f", "valid WebAssembly"),
    ] {
        let refused =
            load::<Tested>("file", bytes, Sandbox::default()).map(drop).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
    let large = vec![0; Sandbox::MAX_FILE + 1];
    let refused =
        load::<Tested>("file", &large, Sandbox::default()).map(drop).unwrap_err().to_string();
    assert!(refused.contains("modules have at most 64 MiB"), "{refused}");
}

#[test]
fn fuel_ends_a_call_at_the_same_place_each_time() {
    // Counts in memory until its fuel is used up; the host reads the count as a state.
    let count = "(loop $again (i32.store (i32.const 6000) (i32.add (i32.load (i32.const 6000)) (i32.const 1))) (br $again)) (i32.const 0)";
    let bytes = wat::parse_str(step(count)).unwrap();
    let count_of = |sandbox| {
        let module = load::<Tested>("line", &bytes, sandbox).unwrap();
        let mut instance = module.instance().unwrap();
        let function = twisterl_plugin::host::Function::Step;
        instance.call(function, &[1], 1).unwrap_err();
        u32::from_le_bytes(instance.read(6000, 4).unwrap().try_into().unwrap())
    };
    let first = count_of(sandbox());
    assert!(first > 100_000, "{first}");
    assert_eq!(first, count_of(sandbox()));
    // A unit of fuel does equal work wherever interruption was asked for.
    let [one, two, three] = [10_000_000, 20_000_000, 30_000_000]
        .map(|fuel| count_of(Sandbox { fuel_per_call: fuel, fuel_per_row: 0, ..sandbox() }));
    assert!((three - two).abs_diff(two - one) <= 1, "{one} {two} {three}");
}
