//! The check of a config as it was given, before serde sees it, against the keys, ranges and lengths of the schema.

pub(super) mod changes;
mod elsewhere;
pub(super) mod source;
pub(super) mod unused;

use super::json::config_error;
use super::limits::vanishes;
use super::schema::{field, properties};
use serde_json::{Number, Value};
use twisterl_core::error::from_serde::shorten;
use twisterl_core::{Error, Result};

/// Checks keys, ranges and lengths. Of types it checks only what serde would accept: a list in place of an object, whose
/// values would be taken for fields in order.
///
/// # Errors
/// [`Error::Config`] for the first one that is wrong.
pub(super) fn ranges(config: &Value, schema: &Value) -> crate::Result<()> {
    value_at("", config, schema, schema).map_err(config_error)
}

/// Returns the path of a key below `path`.
fn join(path: &str, key: &str) -> String {
    if path.is_empty() { shorten(key) } else { format!("{path}.{}", shorten(key)) }
}

/// Checks the value at `path`, whose schema is `schema`, in a config with the schema `root`.
fn value_at(path: &str, value: &Value, schema: &Value, root: &Value) -> Result<()> {
    match value {
        Value::Number(number) => in_range(path, number, schema),
        Value::Array(_) if properties(schema).is_some() => {
            Err(Error::config(path, "an object", "a list"))
        }
        Value::Array(items) => {
            at_most(path, items.len(), "values", schema.get("maxItems"))?;
            let Some(schema) = schema.get("items") else { return Ok(()) };
            let mut items = items.iter().enumerate();
            items.try_for_each(|(i, item)| value_at(&format!("{path}[{i}]"), item, schema, root))
        }
        Value::Object(fields) => {
            at_most(path, fields.len(), "entries", schema.get("maxProperties"))?;
            for (key, item) in fields {
                match (field(schema, key), properties(schema)) {
                    (Some(schema), _) => value_at(&join(path, key), item, schema, root)?,
                    (None, Some(known)) => {
                        let known = known.keys().map(String::as_str);
                        return Err(elsewhere::unknown_key((path, key), known, root));
                    }
                    // An object of any fields, which its reader checks.
                    (None, None) => {}
                }
            }
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

fn at_most(path: &str, length: usize, things: &str, max: Option<&Value>) -> Result<()> {
    match max.and_then(Value::as_u64) {
        Some(max) if length as u64 > max => {
            Err(Error::config(path, format!("at most {max} {things}"), length))
        }
        _ => Ok(()),
    }
}

fn in_range(path: &str, number: &Number, schema: &Value) -> Result<()> {
    let bound = |key| schema.get(key).and_then(Value::as_f64);
    let (min, max) = (bound("minimum"), bound("maximum"));
    let (above, below) = (bound("exclusiveMinimum"), bound("exclusiveMaximum"));
    let value = number.as_f64().unwrap_or(f64::NAN);
    let fits = value.is_finite()
        && min.is_none_or(|b| value >= b)
        && max.is_none_or(|b| value <= b)
        && above.is_none_or(|b| value > b)
        && below.is_none_or(|b| value < b);
    if fits && above == Some(0.0) && value as f32 == 0.0 {
        return Err(vanishes(path, number));
    }
    if fits {
        return Ok(());
    }
    // Seeds, above all.
    let any = min == Some(0.0) && max.is_none();
    if any && schema.get("format").is_some_and(|format| format == "uint64") {
        return Err(Error::config(path, format!("a whole number from 0 to {}", u64::MAX), number));
    }
    let expected: Vec<String> =
        [("at least", min), ("more than", above), ("at most", max), ("less than", below)]
            .into_iter()
            .filter_map(|(words, bound)| bound.map(|b| format!("{words} {b}")))
            .collect();
    Err(Error::config(path, expected.join(" and "), number))
}
