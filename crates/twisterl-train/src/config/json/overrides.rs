//! Values set from outside of the config file.

use super::MAX_DEPTH;
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::fmt::{self, Display, Formatter};
use twisterl_core::error::from_serde::shorten;
use twisterl_core::error::json::{self, JsonErrorKind};

/// The most keys in a path; no config is nested as deep.
const MAX_KEYS: usize = 32;
// A parsed value is at most 128 deep; set at the end of a path, it must stay within what a config may be.
const _: () = assert!(MAX_KEYS + 128 <= MAX_DEPTH);

/// One value, and the place in the config where it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    keys: Vec<String>,
    value: Value,
    /// The value as it was written; a number may have more digits than the value can hold.
    written: String,
}

impl Display for Override {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", shorten(&self.keys.join(".")), shorten(&self.written))
    }
}

impl Override {
    /// Sets `value` at `path`: keys and list positions joined by dots, such as `policy.common_layers.0`
    /// (`policy.common_layers[0]` will do too). Keys that contain dots cannot be reached.
    ///
    /// # Errors
    /// If a key of the path is empty, or there are too many.
    pub fn new(path: &str, value: impl Into<Value>) -> Result<Self> {
        let keys: Vec<String> =
            path.replace('[', ".").replace(']', "").split('.').map(str::to_owned).collect();
        if keys.len() > MAX_KEYS || keys.iter().any(String::is_empty) {
            let expected = format!("1 to {MAX_KEYS} keys joined by dots");
            return Err(Error::config("override", expected, format!("{:?}", shorten(path))));
        }
        let value = value.into();
        let written = value.to_string();
        Ok(Self { keys, value, written })
    }

    /// Reads `path=value`. The value is JSON, or where it is not, a string.
    ///
    /// # Errors
    /// If there is no `=`, an object of the value repeats a key, and as for [`new`](Self::new).
    pub fn parse(text: &str) -> Result<Self> {
        let (path, value) = text.split_once('=').ok_or_else(|| {
            Error::config("override", "PATH=VALUE", format!("{:?}", shorten(text)))
        })?;
        let written = value.trim().to_owned();
        let value = match json::parse::<Value>(value.as_bytes()) {
            Ok(value) => value,
            Err(error) if error.kind == JsonErrorKind::RepeatedKey => {
                let place = format!("{}.{}", shorten(path.trim()), error.path);
                return Err(Error::config(place, error.expected, error.found));
            }
            Err(_) => value.into(),
        };
        Ok(Self { written, ..Self::new(path.trim(), value)? })
    }

    /// Returns true if the value at the JSON path `path` was set by this.
    pub(crate) fn covers(&self, path: &str) -> bool {
        let path = path.replace('[', ".").replace(']', "");
        let keys: Vec<&str> = path.split('.').collect();
        keys.len() >= self.keys.len() && self.keys.iter().zip(keys).all(|(own, key)| own == key)
    }

    /// Sets the value in `root`. Objects on the way are made where there is nothing.
    ///
    /// # Errors
    /// If something on the way is neither an object nor a list, or a position is not in its list.
    pub fn apply(&self, root: &mut Value) -> Result<()> {
        let mut place = root;
        for (i, key) in self.keys.iter().enumerate() {
            let path = || match self.keys.get(..i).unwrap_or_default() {
                [] => "config".to_owned(),
                keys => keys.join("."),
            };
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            place = match place {
                Value::Object(map) => map.entry(key.as_str()).or_insert(Value::Null),
                Value::Array(items) => {
                    let len = items.len();
                    key.parse::<usize>().ok().and_then(|at| items.get_mut(at)).ok_or_else(|| {
                        Error::config(path(), format!("a position below {len}"), shorten(key))
                    })?
                }
                other => {
                    let found = shorten(&other.to_string());
                    return Err(Error::config(path(), "an object or a list", found));
                }
            };
        }
        place.clone_from(&self.value);
        Ok(())
    }
}
