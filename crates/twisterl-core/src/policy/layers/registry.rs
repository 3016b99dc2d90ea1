//! The layer kinds by the names under which descriptions give them.

use super::kind::{AnyKind, fields_of};
use super::{BUILT_IN, LayerKind};
use crate::error::from_serde::{describe, shorten};
use crate::error::names::did_you_mean;
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The data of a layer, and its fields as JSON with every default written out.
type KindAndFields = (Arc<dyn AnyKind>, Map<String, Value>);

/// A registered kind of layer.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    id: TypeId,
    read: fn(Value) -> Result<KindAndFields>,
}

/// The kinds that were registered. They hold for the whole process: descriptions are read from configs, checkpoints and
/// files, and a name must mean the same in all of them.
static REGISTERED: RwLock<BTreeMap<&str, Entry>> = RwLock::new(BTreeMap::new());

pub(super) const fn entry<L: LayerKind>() -> (&'static str, Entry) {
    (L::TYPE, Entry { id: TypeId::of::<L>(), read: read::<L> })
}

fn read<L: LayerKind>(fields: Value) -> Result<KindAndFields> {
    let kind = L::read(fields)?;
    let fields = fields_of(&kind)?;
    Ok((Arc::new(kind), fields))
}

/// Registers a kind of layer for inference. To train it as well, register it with `twisterl_train::gradient::layers`
/// instead, which includes this.
///
/// # Errors
/// If another kind has the same name.
pub fn register<L: LayerKind>() -> Result<()> {
    let (name, entry) = entry::<L>();
    match find(name) {
        Some(known) if known.id == entry.id => Ok(()),
        Some(_) => {
            Err(Error::config("layer", "a type name that is not taken", format!("{name:?}")))
        }
        None => {
            REGISTERED.write().unwrap_or_else(PoisonError::into_inner).insert(name, entry);
            Ok(())
        }
    }
}

/// Returns the names of all kinds, sorted.
pub fn types() -> Vec<&'static str> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    let mut names: Vec<_> =
        BUILT_IN.iter().map(|(name, _)| *name).chain(registered.keys().copied()).collect();
    names.sort_unstable();
    names
}

fn find(name: &str) -> Option<Entry> {
    let built_in = BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, entry)| *entry);
    built_in
        .or_else(|| REGISTERED.read().unwrap_or_else(PoisonError::into_inner).get(name).copied())
}

/// The description of a layer, taken apart.
pub(super) struct Description {
    pub(super) name: Option<String>,
    pub(super) kind: Arc<dyn AnyKind>,
    /// The fields of the kind as JSON, every default written out.
    pub(super) fields: Map<String, Value>,
}

/// Reads a layer: an object with its `type`, an optional `name`, and the fields of its kind.
pub(super) fn parse(value: Value) -> Result<Description> {
    let Value::Object(mut fields) = value else {
        return Err(Error::config("", "an object with the type of a layer", describe(&value)));
    };
    let name = match fields.shift_remove("name") {
        None => None,
        Some(Value::String(name)) => Some(name),
        Some(other) => return Err(Error::config("name", "a string", describe(&other))),
    };
    let known = || format!("one of `{}`", types().join("`, `"));
    let kind = match fields.shift_remove("type") {
        Some(Value::String(kind)) => kind,
        Some(other) => return Err(Error::config("type", known(), describe(&other))),
        None => return Err(Error::config("type", known(), "none")),
    };
    let Some(entry) = find(&kind) else {
        let near = did_you_mean(&kind, types().iter().copied());
        return Err(Error::config("type", known(), format!("`{}`{near}", shorten(&kind))));
    };
    let (kind, fields) = (entry.read)(Value::Object(fields))?;
    Ok(Description { name, kind, fields })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::LayerSpec;
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_of_layers_within_layers_keep_path_expected_and_found() {
        let within = |layer: Value| {
            json!([
                {"type": "linear", "outputs": 8},
                {"type": "residual", "layers": [{"type": "residual", "layers": [layer]}]}
            ])
        };
        let place = "[1].layers[0].layers[0]";
        for (layer, path, expected, found) in [
            (
                json!({"type": "linear", "outputs": "x"}),
                ".outputs",
                "a whole number, 0 or more",
                "string \"x\"",
            ),
            (json!({"type": "linear"}), ".outputs", "a value", "none"),
            (json!({"type": 3}), ".type", types().join("`, `").as_str(), "3"),
            (json!({"type": "linear", "name": []}), ".name", "a string", "a list"),
            (json!(7), "", "an object with the type of a layer", "7"),
        ] {
            match LayerSpec::list(within(layer)).unwrap_err() {
                Error::Config { path: p, expected: e, found: f } => {
                    assert_eq!((p, f.as_str()), (format!("{place}{path}"), found));
                    assert!(e.contains(expected), "{e}");
                }
                other => assert_eq!(other.to_string(), ""),
            }
        }
        let error = LayerSpec::list(json!([{"type": "residual", "layers": 3}])).unwrap_err();
        assert_eq!(error.to_string(), "[0].layers: expected a list of layers, found 3");
        let error = LayerSpec::list(json!([{"type": "residual"}])).unwrap_err();
        assert_eq!(error.to_string(), "[0].layers: expected a value, found none");
    }
}
