//! Values of JSON: read from files, merged, and turned into structs and back.

mod overrides;
pub(super) mod places;
mod syntax;

pub use overrides::Override;

use crate::error::mistakes::{Mistake, Mistakes, Place, Source};
use crate::system::files::{MAX_CONFIG, read_given};
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::ErrorKind;
use std::path::Path;
use twisterl_core::error::json::{self, JsonError};
use twisterl_core::error::{from_serde, text};

/// The deepest nesting of a config that is accepted; what follows recurses no deeper than this.
const MAX_DEPTH: usize = 192;

/// Reads a JSON file of at most [`MAX_CONFIG`] bytes. Returns its text and its value.
///
/// # Errors
/// If the file cannot be read, is larger or of another kind, is not JSON, or repeats a key; the error gives line and
/// column.
pub(super) fn read_text(path: &Path) -> Result<(String, Value)> {
    let refused =
        |expected: &str, found: &str| Error::config(path.display().to_string(), expected, found);
    let bytes = read_given(path, MAX_CONFIG).map_err(|refusal| match refusal.into_parts() {
        Ok(_) if path.join("config.json").is_file() => {
            refused("a config file", "the folder of a run, which has the file config.json in it")
        }
        Ok((_, found)) if path.is_dir() => refused("a config file", &found),
        Ok((expected, found)) => refused(&expected, &found),
        Err(error) if error.kind() == ErrorKind::NotFound => Error::missing(path, "a config file"),
        Err(error) => Error::io("read", path, error),
    })?;
    if let Some(found) = weights_in_words(&bytes) {
        return Err(refused("a config, which is JSON", found));
    }
    let wrong = |error| syntax_error(path, &bytes, error);
    let text = json::check(&bytes).map_err(wrong)?;
    let value = json::parse(text.as_bytes()).map_err(wrong)?;
    Ok((text.to_owned(), value))
}

/// Returns what a file of weights is that was given in place of a config, known by its first bytes.
fn weights_in_words(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [b'P', b'K', 3, 4, ..] => Some("a zip archive, such as the weights of a policy (.pt)"),
        [_, _, _, _, _, 0, 0, 0, b'{', ..] => Some("the weights of a policy (.safetensors)"),
        _ => None,
    }
}

/// Returns the error for a file that is not JSON, with its place.
fn syntax_error(path: &Path, bytes: &[u8], error: JsonError) -> Error {
    let name = path.display().to_string();
    let place = text::decode(bytes).ok().and_then(|text| Some((text, offset(text, &error)?)));
    let Some((text, start)) = place else {
        return Error::config(name, error.expected, error.found);
    };
    let help = syntax::advice(text, start, &error.found);
    let (start, end) = match error.path.as_str() {
        "" => syntax::marked(text, start),
        // Of a repeated key.
        _ => syntax::key_before(text, start),
    };
    let error = match not_finite(bytes, &error) {
        Some((value, found)) => twisterl_core::Error::config(value, "a finite number", found),
        None => twisterl_core::Error::config("", error.expected, error.found),
    };
    let source = Some(Source { name, text: text.to_owned() });
    let list = vec![Mistake { error, place: Place::File(start..end), help }];
    Error::Mistakes(Box::new(Mistakes { source, list }))
}

/// Returns the place in the text that an error gives by line and column.
fn offset(text: &str, error: &JsonError) -> Option<usize> {
    let lines = text.split_inclusive('\n');
    let before: usize = lines.take(error.line.checked_sub(1)?).map(str::len).sum();
    let mut at = (before + error.column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    Some(at)
}

/// Returns the JSON path and the text of a number at which the parser stopped because it is not finite.
fn not_finite(bytes: &[u8], error: &JsonError) -> Option<(String, &'static str)> {
    let text = text::decode(bytes).ok()?;
    let found = json::not_finite(text, error.line, error.column)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let parsed: Result<Value, _> = serde_path_to_error::deserialize(&mut reader);
    Some((parsed.err()?.path().to_string(), found))
}

/// Replaces the peer's `{"__tuple_list__": true, "list": [...]}` objects by their lists.
///
/// # Errors
/// If the value is nested deeper than any config needs.
pub(super) fn plain_lists(value: &mut Value) -> Result<()> {
    plain_lists_at(0, value)
}

fn plain_lists_at(depth: usize, value: &mut Value) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(Error::config("config", format!("at most {MAX_DEPTH} nested levels"), "more"));
    }
    if let Value::Object(map) = value
        && map.contains_key("__tuple_list__")
        && let Some(list @ Value::Array(_)) = map.get_mut("list").map(Value::take)
    {
        *value = list;
    }
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|v| plain_lists_at(depth + 1, v)),
        Value::Object(map) => map.values_mut().try_for_each(|v| plain_lists_at(depth + 1, v)),
        _ => Ok(()),
    }
}

/// Puts the fields of `over` into `base`: field by field where both are objects, otherwise in place of what is there.
pub(super) fn overlay(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                overlay(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

/// Reads a struct.
///
/// # Errors
/// [`twisterl_core::Error::Config`] for the first value that does not fit.
pub(super) fn from_json<T: DeserializeOwned>(value: Value) -> Result<T> {
    from_serde::read(value).map_err(config_error)
}

/// Writes a struct.
pub(super) fn to_json<T: Serialize>(value: &T) -> Value {
    match serde_json::to_value(value) {
        Ok(value) => value,
        Err(error) => unreachable!("a config has no keys other than strings: {error}"),
    }
}

/// Returns an error about a config, whose root has the path `config`.
pub(super) fn config_error(error: twisterl_core::Error) -> Error {
    match error {
        twisterl_core::Error::Config { path, expected, found } if path.is_empty() => {
            Error::config("config", expected, found)
        }
        other => other.into(),
    }
}
