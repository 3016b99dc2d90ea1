//! Names of tensors: the prefixes that wrappers of PyTorch put before the names of a network.

use super::super::network::ParameterSpec;
use super::tensors::Tensors;
use crate::{Error, Result};
use safetensors::Dtype;
use std::collections::BTreeSet;

/// The names under which wrappers hold a module: of data parallelism and averaging, of `torch.compile`, of sharding and
/// checkpointing. They stand before any part of a name. No part of a network has such a name.
const WRAPPERS: [&str; 4] =
    ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// Returns the tensors of a network under its own names. In a file they may have the names of wrappers in them and a
/// common prefix, such as `model.`; tensors without this prefix belong to other modules and are left out.
///
/// # Errors
/// If two tensors get one name, or there are several networks.
pub(super) fn of_network<'a>(
    specs: &[ParameterSpec],
    tensors: &Tensors<'a>,
) -> Result<Tensors<'a>> {
    if specs.iter().all(|spec| tensors.contains_key(&spec.name)) {
        return Ok(tensors.clone());
    }
    let tensors = unwrapped(tensors)?;
    let prefixes = prefixes(specs, &tensors);
    match prefixes.iter().collect::<Vec<_>>()[..] {
        // What is missing is found by those who read the tensors.
        [] | [&"", ..] => Ok(tensors),
        [prefix] => Ok(below(prefix, &tensors)),
        _ => {
            let found: Vec<_> = prefixes.iter().map(|prefix| format!("`{prefix}`")).collect();
            let found = format!("several, below {}", found.join(", "));
            Err(Error::weights("file", "the weights of one network", found))
        }
    }
}

/// Returns the tensors without the names of wrappers.
fn unwrapped<'a>(tensors: &Tensors<'a>) -> Result<Tensors<'a>> {
    let mut unwrapped = Tensors::new();
    for (name, tensor) in tensors {
        let parts: Vec<_> = name.split('.').filter(|part| !WRAPPERS.contains(part)).collect();
        let short = parts.join(".");
        if unwrapped.insert(short.clone(), tensor.clone()).is_some() {
            let found = format!("two, one of them under {name}");
            return Err(Error::weights(short, "one tensor of this name", found));
        }
    }
    Ok(unwrapped)
}

/// Returns the prefixes below which there is a tensor for each parameter.
fn prefixes<'t>(specs: &[ParameterSpec], tensors: &'t Tensors<'_>) -> BTreeSet<&'t str> {
    let Some(first) = specs.first() else { return BTreeSet::new() };
    let below_first = tensors.keys().filter_map(|name| {
        let prefix = name.strip_suffix(first.name.as_str())?;
        (prefix.is_empty() || prefix.ends_with('.')).then_some(prefix)
    });
    below_first
        .filter(|prefix| {
            specs.iter().all(|spec| tensors.contains_key(&format!("{prefix}{}", spec.name)))
        })
        .collect()
}

fn below<'a>(prefix: &str, tensors: &Tensors<'a>) -> Tensors<'a> {
    let named = tensors
        .iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone())));
    named.collect()
}

/// Returns true for types of weights. Tensors of other types, such as counters, are not needed to evaluate a network.
pub(super) fn is_weight(dtype: Dtype) -> bool {
    !matches!(
        dtype,
        Dtype::BOOL
            | Dtype::U8
            | Dtype::I8
            | Dtype::U16
            | Dtype::I16
            | Dtype::U32
            | Dtype::I32
            | Dtype::U64
            | Dtype::I64
    )
}

/// Returns some of the names of the tensors in words.
pub(super) fn in_words(tensors: &Tensors<'_>) -> String {
    let mut names: Vec<&str> = tensors.keys().take(4).map(String::as_str).collect();
    if tensors.len() > names.len() {
        names.push("...");
    }
    let names = names.join(", ");
    if names.is_empty() { String::new() } else { format!(" ({names:.200})") }
}
