//! The error of values that are read by serde, as data: the path, what was expected, what was found.

use super::Error;
use super::counts::counted;
use super::names::did_you_mean;
use serde::de::{self, Expected, Unexpected};
use serde_json::Value;
use std::fmt::{self, Display, Formatter};

/// The longest text of a user that an error repeats, in characters.
const MAX_QUOTE: usize = 120;

/// The error of serde as data.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The place of the value.
    path: String,
    /// The key below it, if the error is about a key.
    key: Option<String>,
    expected: String,
    found: String,
}

impl Refusal {
    pub(super) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        let (expected, found) = (expected.into(), found.into());
        Self { path: String::new(), key: None, expected, found }
    }

    /// Returns the error of the crate.
    pub(super) fn into_error(self) -> Error {
        let Self { path, key, expected, found } = self;
        match key {
            Some(key) => Error::config(key, expected, found).below(&path),
            None => Error::config(shorten(&path), expected, found),
        }
    }

    /// Returns the same error as one of another reader, with the place of the value in its text.
    pub(crate) fn into_other<E: de::Error>(self) -> E {
        let Self { path, key, expected, mut found } = self;
        for place in [path, key.unwrap_or_default()].iter().filter(|place| !place.is_empty()) {
            found += &format!(" at {place}");
        }
        E::invalid_value(Unexpected::Other(&found), &expected.as_str())
    }

    /// Returns the error of a value that stands below `part`: a key, or an index in brackets.
    pub(super) fn below(mut self, part: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{}{dot}{}", shorten(part), self.path);
        self
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
        let question = did_you_mean(key, expected.iter().copied());
        let (expected, found) = unknown_key_in_words(key, expected, &question);
        Self { key: Some(shorten(key)), ..Self::new(expected, found) }
    }

    fn missing_field(key: &'static str) -> Self {
        Self { key: Some(key.to_owned()), ..Self::new("a value", "none") }
    }
}

/// Returns a value in words: its kind if it is an object or a list, its JSON otherwise.
pub fn describe(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".into(),
        Value::Array(_) => "a list".into(),
        other => shorten(&other.to_string()),
    }
}

/// Returns at most 120 characters of `text`.
pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns what is expected in place of a key that is not known, and what was found.
pub(super) fn unknown_key_in_words(key: &str, known: &[&str], question: &str) -> (String, String) {
    let found = format!("unknown key `{}`{question}", shorten(key));
    (format!("one of the keys {}", quoted(known)), found)
}

/// Returns serde's name of a type in words.
pub(super) fn type_in_words(expected: &str) -> String {
    match expected {
        "u64" => format!("a whole number from 0 to {}", u64::MAX),
        "usize" | "u32" | "u16" | "u8" => "a whole number, 0 or more".into(),
        "i64" | "i32" | "i16" | "i8" | "isize" => "a whole number".into(),
        "f64" | "f32" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a map" => "an object".into(),
        "a sequence" => "a list".into(),
        _ if expected.starts_with("struct ") => "an object".into(),
        _ => match ["an array of length ", "a tuple of size "]
            .iter()
            .find_map(|prefix| expected.strip_prefix(prefix))
        {
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
