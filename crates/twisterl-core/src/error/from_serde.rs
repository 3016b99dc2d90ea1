//! Values read from JSON by serde, with errors that keep their structure: the path, what was expected, what was found.
//!
//! The errors of serde_json are text. [`read`] deserialises with an error type of its own instead, which keeps what
//! serde reports as data.

use super::Error;
use super::counts::counted;
use super::names::did_you_mean;
use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, Expected, IntoDeserializer, Unexpected, Visitor};
use serde_json::Value;
use std::fmt::{self, Display, Formatter};
use std::result::Result;

/// The longest text of a user that an error repeats, in characters.
const MAX_QUOTE: usize = 120;

/// Reads a `T` from JSON.
///
/// # Errors
/// [`Error::Config`] for the first value that does not fit, with its path; the path of `value` itself is empty.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_path_to_error::deserialize(Json(value)).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { "" } else { path.as_str() };
        error.into_inner().at(path)
    })
}

/// Returns the error for a key that is not one of `known`. Its path is `key`.
pub fn unknown_key<'a>(key: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
    let known: Vec<&str> = known.into_iter().collect();
    unknown_key_asking(key, &known, &did_you_mean(key, known.iter().copied()))
}

/// Returns the same error with another [question](super::names::question), or none if it is empty.
pub fn unknown_key_asking(key: &str, known: &[&str], question: &str) -> Error {
    let found = format!("unknown key `{}`{question}", shorten(key));
    Error::config(shorten(key), format!("one of the keys {}", quoted(known)), found)
}

/// Returns a value in words: its kind if it is an object or a list, its JSON otherwise.
pub fn describe(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".into(),
        Value::Array(_) => "a list".into(),
        other => shorten(&other.to_string()),
    }
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

/// Returns at most 120 characters of `text`.
pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// The error of serde as data.
#[derive(Debug)]
struct Refusal {
    /// The key below the reported path, if the error is about a key.
    key: Option<String>,
    expected: String,
    found: String,
}

impl Refusal {
    fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { key: None, expected: expected.into(), found: found.into() }
    }

    /// The error of the crate for the value at `path`.
    fn at(self, path: &str) -> Error {
        let Self { key, expected, found } = self;
        let Some(key) = key else { return Error::config(shorten(path), expected, found) };
        // For some errors the path that serde_path_to_error reports includes the key.
        let parent = match path.strip_suffix(key.as_str()) {
            Some("") => "",
            Some(parent) => parent.strip_suffix('.').unwrap_or(path),
            None => path,
        };
        Error::config(shorten(&key), expected, found).below(parent)
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<T: Display>(message: T) -> Self {
        Self::new("a valid value", shorten(&message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(type_in_words(&expected.to_string()), found_in_words(found))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(found: usize, expected: &dyn Expected) -> Self {
        Self::new(type_in_words(&expected.to_string()), format!("a list of {found}"))
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        let several = if expected.len() > 1 { "one of " } else { "" };
        let near = did_you_mean(found, expected.iter().copied());
        Self::new(format!("{several}{}", quoted(expected)), format!("`{}`{near}", shorten(found)))
    }

    fn unknown_field(key: &str, expected: &'static [&'static str]) -> Self {
        match unknown_key(key, expected.iter().copied()) {
            Error::Config { expected, found, .. } => {
                Self { key: Some(key.to_owned()), expected, found }
            }
            other => Self::custom(other),
        }
    }

    fn missing_field(key: &'static str) -> Self {
        Self { key: Some(key.to_owned()), ..Self::new("a value", "none") }
    }
}

/// JSON as a deserialiser whose errors are [`Refusal`]s.
struct Json(Value);

impl<'de> IntoDeserializer<'de, Refusal> for Json {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> de::Deserializer<'de> for Json {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(truth),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(whole), _) => visitor.visit_u64(whole),
                (None, Some(whole)) => visitor.visit_i64(whole),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Json));
                let value = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(value)
            }
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(key, value)| (key, Json(value)));
                let mut fields = MapDeserializer::new(fields);
                let value = visitor.visit_map(&mut fields)?;
                fields.end()?;
                Ok(value)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(name.into_deserializer()),
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(key, value)| (key, Json(value)));
                visitor.visit_enum(MapAccessDeserializer::new(MapDeserializer::new(fields)))
            }
            other => Err(Refusal::new("a name", describe(&other))),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// Returns serde's name of a type in words.
fn type_in_words(expected: &str) -> String {
    match expected {
        "u64" => format!("a whole number from 0 to {}", u64::MAX),
        "usize" | "u32" | "u16" | "u8" => "a whole number, 0 or more".into(),
        "i64" | "i32" | "i16" | "i8" | "isize" => "a whole number".into(),
        "f64" | "f32" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a map" => "an object".into(),
        "a sequence" => "a list".into(),
        _ if expected.starts_with("struct ") => "an object".into(),
        _ => match expected.strip_prefix("an array of length ") {
            Some(length) => format!("a list of {}", counted(length, "value")),
            None => expected.into(),
        },
    }
}

fn found_in_words(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(truth) => truth.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        // Whole numbers beyond 64 bits, which JSON has as floating-point numbers: their digits, where they are exact.
        Unexpected::Float(number)
            if number.fract() == 0.0 && (1e16..1e22).contains(&number.abs()) =>
        {
            format!("{number:.0}")
        }
        Unexpected::Float(number)
            if number.fract() == 0.0 && (1e22..1e40).contains(&number.abs()) =>
        {
            format!("{number}")
        }
        Unexpected::Float(number) => format!("{number:?}"),
        Unexpected::Unit => "null".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "an object".into(),
        other => shorten(&other.to_string()),
    }
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
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
