//! Layers by name.

use super::kind::{AnyKind, fields_of};
use super::{
    Activate, Attention, Conv1d, Conv2d, Embedding, Flatten, LayerKind, LayerNorm, Linear, Pool,
    Positions, Reshape, Residual, Transpose,
};
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A layer's data, and the same as JSON with every default written out.
type Read = (Arc<dyn AnyKind>, Map<String, Value>);

/// A kind of layer that descriptions can name.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    id: TypeId,
    read: fn(Value) -> Result<Read>,
}

const BUILT_IN: [(&str, Entry); 13] = [
    entry::<Activate>(),
    entry::<Attention>(),
    entry::<Conv1d>(),
    entry::<Conv2d>(),
    entry::<Embedding>(),
    entry::<Flatten>(),
    entry::<LayerNorm>(),
    entry::<Linear>(),
    entry::<Pool>(),
    entry::<Positions>(),
    entry::<Reshape>(),
    entry::<Residual>(),
    entry::<Transpose>(),
];

/// Those that were registered, for the whole process: descriptions are read in many places (configs, checkpoints, files),
/// and what a name means must not depend on which.
static OWN: RwLock<BTreeMap<&str, Entry>> = RwLock::new(BTreeMap::new());

const fn entry<L: LayerKind>() -> (&'static str, Entry) {
    (L::TYPE, Entry { id: TypeId::of::<L>(), read: read::<L> })
}

fn read<L: LayerKind>(fields: Value) -> Result<Read> {
    let kind: L = serde_path_to_error::deserialize(fields)
        .map_err(|e| explain(&e.path().to_string(), &e.inner().to_string()))?;
    let fields = fields_of(&kind)?;
    Ok((Arc::new(kind), fields))
}

/// Adds a kind of layer for inference. To train it as well, register it in `twisterl_train::gradient::layers` instead, which
/// includes this.
///
/// # Errors
/// If its name is that of another kind.
pub fn register<L: LayerKind>() -> Result<()> {
    let (name, entry) = entry::<L>();
    match find(name) {
        Some(known) if known.id == entry.id => Ok(()),
        Some(_) => {
            Err(Error::config("layer", "a type name that is not taken", format!("{name:?}")))
        }
        None => {
            OWN.write().unwrap_or_else(PoisonError::into_inner).insert(name, entry);
            Ok(())
        }
    }
}

/// The names of all kinds, sorted.
pub fn types() -> Vec<&'static str> {
    let own = OWN.read().unwrap_or_else(PoisonError::into_inner);
    let mut names: Vec<_> =
        BUILT_IN.iter().map(|(name, _)| *name).chain(own.keys().copied()).collect();
    names.sort_unstable();
    names
}

fn find(name: &str) -> Option<Entry> {
    let built_in = BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, entry)| *entry);
    built_in.or_else(|| OWN.read().unwrap_or_else(PoisonError::into_inner).get(name).copied())
}

/// The parts of a layer's description.
pub(super) struct Parsed {
    pub(super) name: Option<String>,
    pub(super) kind: Arc<dyn AnyKind>,
    /// The kind's data as JSON, every default written out.
    pub(super) fields: Map<String, Value>,
}

/// Reads a layer: an object with its `type`, maybe a `name`, and the kind's own fields.
pub(super) fn parse(value: Value) -> Result<Parsed> {
    let Value::Object(mut fields) = value else {
        return Err(Error::config("", "an object with the type of a layer", kind_of(&value)));
    };
    let name = match fields.shift_remove("name") {
        None => None,
        Some(Value::String(name)) => Some(name),
        Some(other) => return Err(Error::config("name", "a string", kind_of(&other))),
    };
    let known = || format!("one of `{}`", types().join("`, `"));
    let kind = match fields.shift_remove("type") {
        Some(Value::String(kind)) => kind,
        Some(other) => return Err(Error::config("type", known(), kind_of(&other))),
        None => return Err(Error::config("type", known(), "none")),
    };
    let Some(entry) = find(&kind) else {
        return Err(Error::config("type", known(), format!("`{}`", shorten(&kind))));
    };
    let (kind, fields) = (entry.read)(Value::Object(fields))?;
    Ok(Parsed { name, kind, fields })
}

/// Serde's message about the value at `path` as an error that says what was expected and what was found.
fn explain(path: &str, message: &str) -> Error {
    let path = if path == "." { "" } else { path };
    // From a layer within this one: our own error as text.
    if let Some((inner, rest)) = message.split_once(": expected ")
        && let Some((expected, found)) = rest.rsplit_once(", found ")
    {
        return Error::config(inner, expected, found).below(path);
    }
    if let Some(rest) = message.strip_prefix("expected ")
        && let Some((expected, found)) = rest.rsplit_once(", found ")
    {
        return Error::config(path, expected, found);
    }
    let quoted = |prefix| message.strip_prefix(prefix).and_then(|m| m.split('`').next());
    if let Some(key) = quoted("missing field `") {
        return Error::config(key, "a value", "none").below(path);
    }
    let (found, expected) =
        message.rsplit_once(", expected ").unwrap_or((message, "a valid value"));
    if let Some(key) = quoted("unknown field `") {
        let expected = expected.strip_prefix("one of ").unwrap_or(expected);
        let key = shorten(key);
        let path = path.strip_suffix(&format!(".{key}")).unwrap_or(path);
        let path = if path == key { "" } else { path };
        let expected = format!("one of the keys {expected}");
        return Error::config(&key, expected, format!("unknown key `{key}`")).below(path);
    }
    let found = ["invalid type: ", "invalid value: ", "unknown variant "]
        .iter()
        .find_map(|kind| found.strip_prefix(kind))
        .unwrap_or(found);
    Error::config(path, expected, shorten(found))
}

/// At most 120 characters of a user's text.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn kind_of(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".into(),
        Value::Array(_) => "a list".into(),
        other => shorten(&other.to_string()),
    }
}
