//! Values read from JSON by serde, with errors that keep their structure: the path, what was expected, what was found.
//!
//! The errors of serde_json are text. [`read`] deserialises with an error type of its own instead, which keeps what
//! serde reports as data.

pub use super::refusal::{describe, shorten};

use super::Error;
use super::from_value::Json;
use super::names::did_you_mean;
use super::refusal::{Refusal, type_in_words, unknown_key_in_words};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Display;
use std::result::Result;

/// Reads a `T` from JSON.
///
/// # Errors
/// [`Error::Config`] for the first value that does not fit, with its path; the path of `value` itself is empty.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Json(value)).map_err(Refusal::into_error)
}

/// Returns the error for a key that is not one of `known`. Its path is `key`.
pub fn unknown_key<'a>(key: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
    let known: Vec<&str> = known.into_iter().collect();
    unknown_key_asking(key, &known, &did_you_mean(key, known.iter().copied()))
}

/// Returns the same error with another [question](super::names::question), or none if it is empty.
pub fn unknown_key_asking(key: &str, known: &[&str], question: &str) -> Error {
    let (expected, found) = unknown_key_in_words(key, known, question);
    Error::config(shorten(key), expected, found)
}

/// Returns the message of an error of serde_json without the names of types.
pub fn in_words(message: &impl Display) -> String {
    let message = message.to_string();
    let Some((before, expected)) = message.rsplit_once("expected ") else { return message };
    let (name, after) = match expected.split_once(" at line ") {
        Some((name, place)) => (name, format!(" at line {place}")),
        None => (expected, String::new()),
    };
    let before = before.replace("invalid type: ", "").replace("invalid value: ", "");
    format!("{before}expected {}{after}", type_in_words(name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(default)]
        count: Option<usize>,
        #[serde(default)]
        pair: [f64; 2],
        #[serde(default)]
        inner: Vec<Inner>,
        #[serde(default)]
        named: BTreeMap<String, Inner>,
        #[serde(default)]
        any: Value,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        kind: Kind,
        #[serde(default)]
        on: bool,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Relu,
        Tanh,
        Scaled { by: f64 },
    }

    #[test]
    fn values_are_read_as_by_serde_json() {
        for value in [
            json!({}),
            json!({"count": 3, "pair": [1, -2.5], "any": {"x": [null, true, "y", -1, 1e300]}}),
            json!({"count": null, "inner": [{"kind": "relu"}, {"kind": "tanh", "on": true}]}),
            json!({"named": {"a": {"kind": {"scaled": {"by": 2}}}}}),
        ] {
            let theirs: Outer = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(read::<Outer>(value).unwrap(), theirs);
        }
    }

    #[test]
    fn errors_carry_path_expected_and_found() {
        let refusal = |value: Value| match read::<Outer>(value).unwrap_err() {
            Error::Config { path, expected, found } => [path, expected, found],
            other => panic!("{other}"),
        };
        for (value, expected) in [
            (json!(3), ["", "an object", "3"]),
            (json!({"count": -1}), ["count", "a whole number, 0 or more", "-1"]),
            (json!({"count": 1.0}), ["count", "a whole number, 0 or more", "1.0"]),
            (
                json!({"count": "x, expected y"}),
                ["count", "a whole number, 0 or more", "string \"x, expected y\""],
            ),
            (json!({"pair": [1]}), ["pair", "a list of 2 values", "a list of 1"]),
            (json!({"pair": [1, null]}), ["pair[1]", "a number", "null"]),
            (
                json!({"inner": [{"kind": "relu"}, {"kind": "selu"}]}),
                [
                    "inner[1].kind",
                    "one of `relu`, `tanh`, `scaled`",
                    "`selu` (did you mean `relu`?)",
                ],
            ),
            (json!({"inner": [{"kind": 3}]}), ["inner[0].kind", "a name", "3"]),
            (json!({"inner": {}}), ["inner", "a list", "an object"]),
            (json!({"inner": [{"on": true}]}), ["inner[0].kind", "a value", "none"]),
            (
                json!({"named": {"a.b": {"kind": "relu", "on": 1}}}),
                ["named.a.b.on", "true or false", "1"],
            ),
            (
                json!({"named": {"a": {"kind": {"scaled": {"by": "x"}}}}}),
                ["named.a.kind.scaled.by", "a number", "string \"x\""],
            ),
            (
                json!({"named": {"a": {"knd": "relu"}}}),
                [
                    "named.a.knd",
                    "one of the keys `kind`, `on`",
                    "unknown key `knd` (did you mean `kind`?)",
                ],
            ),
            (
                json!({"a`, expected one of `b": 1}),
                [
                    "a`, expected one of `b",
                    "one of the keys `count`, `pair`, `inner`, `named`, `any`",
                    "unknown key `a`, expected one of `b`",
                ],
            ),
        ] {
            assert_eq!(refusal(value), expected);
        }
    }

    #[test]
    fn errors_repeat_little_of_a_long_text() {
        let long = "ä".repeat(100_000);
        for value in [json!({"count": long}), json!({&long: 1}), json!({"inner": [{"kind": long}]})]
        {
            assert!(read::<Outer>(value).unwrap_err().to_string().chars().count() < 400);
        }
    }
}
