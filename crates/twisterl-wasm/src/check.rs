//! The checks that every module has to pass, on all engines.

use crate::Sandbox;
use twisterl_core::{Error, Result};
use twisterl_plugin::host::Function;
use wasmparser::types::EntityType;
use wasmparser::{FuncType, Parser, Payload, ValType, Validator, WasmFeatures};

/// The features that modules may use: WebAssembly 2.0 without SIMD, tail calls, and constants that are computed.
const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES)
    // Of which reference types are a part.
    .union(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::FLOATS);

/// Checks a module, whose name in errors is `name`. Returns for each of [`Function::ALL`] whether it exports it.
///
/// # Errors
/// If the module is invalid, too large, imports something or uses what the sandbox does not offer, or a function of the
/// interface has another signature.
pub(crate) fn check(name: &str, bytes: &[u8]) -> Result<[bool; Function::ALL.len()]> {
    let refused = |rule: &str, found: String| Err(Error::contract(name, rule, found));
    if bytes.len() > Sandbox::MAX_FILE {
        let rule = format!("modules have at most {} MiB", Sandbox::MAX_FILE >> 20);
        return refused(&rule, format!("{} bytes", bytes.len()));
    }
    if !bytes.starts_with(b"\0asm") {
        return refused("a WebAssembly module begins with \\0asm", begin(bytes));
    }
    let types = match Validator::new_with_features(FEATURES).validate_all(bytes) {
        Ok(types) => types,
        Err(error) => {
            return refused("a module is valid WebAssembly", explained(&error.to_string()));
        }
    };
    let imports = imports(bytes);
    if let Some(first) = imports.get(..imports.len().min(8)).filter(|first| !first.is_empty()) {
        let more = if imports.len() > first.len() { ", ..." } else { "" };
        return refused("a module imports nothing", imports_found(&first.join(", "), more));
    }
    let types = types.as_ref();
    let exports: Vec<_> = types.core_exports().into_iter().flatten().collect();
    let export = |name: &str| exports.iter().find(|(found, _)| *found == name).map(|(_, ty)| *ty);
    if !matches!(export("memory"), Some(EntityType::Memory(_))) {
        return refused("a module exports its memory as `memory`", "none".into());
    }
    let mut has = [false; Function::ALL.len()];
    for (has, function) in has.iter_mut().zip(Function::ALL) {
        let Some(export) = export(function.name()) else { continue };
        let found = match export {
            EntityType::Func(id) => {
                let ty = types.get(id).map(|ty| ty.unwrap_func());
                if ty.is_some_and(|ty| is_of_interface(function, ty)) {
                    *has = true;
                    continue;
                }
                ty.map_or_else(String::new, described)
            }
            EntityType::Memory(_) => "a memory".into(),
            EntityType::Table(_) => "a table".into(),
            EntityType::Global(_) => "a global".into(),
            EntityType::Tag(_) => "a tag".into(),
        };
        let rule = format!("{} is {}", function.name(), signature(function.arguments()));
        return refused(&rule, found);
    }
    Ok(has)
}

/// Returns what a valid module imports.
fn imports(bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        if let Ok(Payload::ImportSection(imports)) = payload {
            let imports = imports.into_iter().flatten();
            found.extend(imports.map(|import| format!("{}.{}", import.module, import.name)));
        }
    }
    found
}

/// Returns the first bytes of a file.
fn begin(bytes: &[u8]) -> String {
    let begin = bytes.get(..8).unwrap_or(bytes);
    if begin.is_empty() { "an empty file".into() } else { format!("\"{}\"", begin.escape_ascii()) }
}

/// Returns the text of an error, with advice where a feature is missing.
fn explained(text: &str) -> String {
    let lower = text.to_lowercase();
    let advice = [
        ("simd", "build it without SIMD, such as without -msimd128"),
        ("threads", "build it without threads and atomics"),
        ("memory64", "build it for wasm32"),
        ("multi-memory", "build it with one memory"),
        ("multiple memories", "build it with one memory"),
        ("exceptions", "build it without exceptions"),
        ("gc ", "build it with a compiler that does not need garbage collection of the host"),
    ];
    let advice = advice.into_iter().find(|(feature, _)| lower.contains(feature));
    advice.map_or_else(|| text.to_owned(), |(_, advice)| format!("{text}; {advice}"))
}

/// Returns the text about imports.
fn imports_found(imports: &str, more: &str) -> String {
    let advice = if imports.contains("wasi") {
        "built for WASI? use wasm32-unknown-unknown or freestanding"
    } else {
        "build it for wasm32-unknown-unknown or freestanding, with a runtime that imports nothing"
    };
    format!("{imports}{more}; {advice}")
}

fn is_of_interface(function: Function, ty: &FuncType) -> bool {
    ty.params().len() == function.arguments()
        && ty.params().iter().all(|&param| param == ValType::I32)
        && ty.results() == [ValType::I32]
}

/// Returns the signature of a function of the interface.
fn signature(arguments: usize) -> String {
    format!("a function ({}) -> i32", vec!["i32"; arguments].join(", "))
}

fn described(ty: &FuncType) -> String {
    let types = |types: &[ValType]| {
        let names: Vec<_> = types.iter().map(ValType::to_string).collect();
        names.join(", ")
    };
    format!("({}) -> ({})", types(ty.params()), types(ty.results()))
}
