//! Untrusted JSON text: its encoding, its syntax, and that each key of an object stands once.
//!
//! Of two equal keys, serde_json keeps the last one without a word. Text that passes [`check`] means the same to every
//! reader.

use super::from_serde::in_words;
use super::text::{NotUtf8, decode};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt::{self, Formatter};
use std::result::Result;

/// The longest path of an error, in characters.
const MAX_PATH: usize = 120;

/// The kind of a [`JsonError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// The text is not UTF-8.
    Encoding,
    /// It is not JSON, or the value is of another type.
    Syntax,
    /// An object repeats a key.
    RepeatedKey,
}

/// An error of JSON text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}expected {expected}, found {found}", prefix(self))]
pub struct JsonError {
    /// The kind.
    pub kind: JsonErrorKind,
    /// The path of a repeated key, such as `env.width`; empty for other errors.
    pub path: String,
    /// The line, from 1; 0 if the error is about the whole text.
    pub line: usize,
    /// The column in the line, from 1; 0 if the error is about the whole text.
    pub column: usize,
    /// The accepted text.
    pub expected: String,
    /// The text found.
    pub found: String,
}

fn prefix(error: &JsonError) -> String {
    match error.line {
        0 => String::new(),
        line => format!("line {line}, column {}: ", error.column),
    }
}

impl JsonError {
    fn of_text(NotUtf8 { offset, found }: NotUtf8) -> Self {
        let at = offset.map(|offset| format!(" at offset {offset}"));
        Self {
            kind: JsonErrorKind::Encoding,
            path: String::new(),
            line: 0,
            column: 0,
            expected: "JSON in UTF-8".into(),
            found: found + &at.unwrap_or_default(),
        }
    }

    /// Describes an error of serde_json. `repeated` is the path of the repeated key, if that is the error.
    fn at(error: &serde_json::Error, repeated: Option<String>) -> Self {
        let message = in_words(error);
        let found = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
        let (kind, path, expected, found) = match repeated {
            Some(path) => {
                let found = format!("`{path}` twice");
                (JsonErrorKind::RepeatedKey, path, "each key once", found)
            }
            None => (JsonErrorKind::Syntax, String::new(), "JSON", found.to_owned()),
        };
        let (line, column) = (error.line(), error.column());
        Self { kind, path, line, column, expected: expected.to_owned(), found }
    }
}

/// Reads a `T`.
///
/// # Errors
/// Those of [`check`], and if the value is not a `T`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    serde_json::from_str(check(bytes)?).map_err(|e| JsonError::at(&e, None))
}

/// Returns the text of a JSON file without its byte-order mark, once it is known to be one JSON value in which no object
/// repeats a key. Needs memory only for the keys of the objects that enclose one place of the text.
///
/// # Errors
/// If it is not UTF-8, is not JSON, is nested more than 127 levels deep, or repeats a key.
pub fn check(bytes: &[u8]) -> Result<&str, JsonError> {
    let text = decode(bytes).map_err(JsonError::of_text)?;
    let mut place = Place::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let checked = Unique(&mut place).deserialize(&mut json).and_then(|()| json.end());
    checked.map_err(|e| JsonError::at(&e, place.repeated))?;
    Ok(text)
}

/// Returns the text of a number, such as `NaN`, at which a parser stopped at this line and column because it is not finite.
pub fn not_finite(text: &str, line: usize, column: usize) -> Option<&'static str> {
    let line = text.split('\n').nth(line.checked_sub(1)?)?;
    let column = column.saturating_sub(1);
    // The parser stops at the first character of a word, or behind a sign or a letter that it knows.
    let texts = ["NaN", "nan", "Infinity", "inf", "-Infinity", "-inf", "-NaN", "-nan"];
    (column.saturating_sub(2)..=column).find_map(|start| {
        let rest = line.get(start..)?;
        texts.into_iter().find(|text| rest.starts_with(text))
    })
}

/// The place of the value that is being read.
#[derive(Default)]
struct Place {
    parts: Vec<Part>,
    repeated: Option<String>,
}

enum Part {
    Key(String),
    Index(usize),
}

impl Place {
    /// Notes that the last key of the path is a repeated one.
    fn note(&mut self) {
        let mut path = String::new();
        for part in &self.parts {
            path += &match part {
                Part::Key(key) if path.is_empty() => key.clone(),
                Part::Key(key) => format!(".{key}"),
                Part::Index(index) => format!("[{index}]"),
            };
            if path.len() > 4 * MAX_PATH {
                break;
            }
        }
        if let Some((end, _)) = path.char_indices().nth(MAX_PATH) {
            path.truncate(end);
            path += "...";
        }
        self.repeated = Some(path);
    }
}

/// A value of any kind, of which nothing is kept.
struct Unique<'a>(&'a mut Place);

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = ();

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let place = self.0;
        for index in 0.. {
            place.parts.push(Part::Index(index));
            if items.next_element_seed(Unique(place))?.is_none() {
                break;
            }
            place.parts.pop();
        }
        place.parts.pop();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let place = self.0;
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let first = keys.insert(key.clone());
            place.parts.push(Part::Key(key));
            if !first {
                place.note();
                return Err(serde::de::Error::custom("a repeated key"));
            }
            entries.next_value_seed(Unique(place))?;
            place.parts.pop();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn repeated_keys_are_refused_with_their_path() {
        for (text, path, place) in [
            (r#"{"a": 1, "a": 2}"#, "a", (1, 12)),
            (r#"{"env": {"width": 2, "height": 3, "width": 2}}"#, "env.width", (1, 41)),
            ("[1, [{\"a\": 1},\n {\"b\": 1, \"b\": 1}]]", "[1][1].b", (2, 13)),
            (r#"{"a": {"x": 1}, "b": {"x": 1, "y": [], "y": 1}}"#, "b.y", (1, 42)),
            // Equal once their escapes are read.
            (r#"{"a": 1, "\u0061": 2}"#, "a", (1, 17)),
            (r#"{"": 1, "": 2}"#, "", (1, 10)),
        ] {
            let error = check(text.as_bytes()).unwrap_err();
            assert_eq!((error.path.as_str(), error.line, error.column), (path, place.0, place.1));
            assert_eq!(error.found, format!("`{path}` twice"), "{text}");
            assert_eq!(error, parse::<Value>(text.as_bytes()).unwrap_err());
        }
        let long = "k".repeat(100_000);
        let error = check(format!(r#"{{"{long}": 1, "{long}": 1}}"#).as_bytes()).unwrap_err();
        assert!(error.to_string().len() < 400);
    }

    #[test]
    fn marks_are_skipped_and_other_encodings_are_named() {
        let text = r#"{"a": "ü", "b": [{"a": 1}, {"a": 2}]}"#;
        let marked = format!("\u{feff}{text}").into_bytes();
        assert_eq!(check(&marked).unwrap(), text);
        let utf16 = |order: fn(u16) -> [u8; 2], text: &str| {
            text.encode_utf16().flat_map(order).collect::<Vec<u8>>()
        };
        let utf32: Vec<u8> =
            format!("\u{feff}{text}").chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
        let marked = format!("\u{feff}{text}");
        for (bytes, found) in [
            (utf16(u16::to_le_bytes, &marked), "UTF-16 (save the file as UTF-8)"),
            (utf16(u16::to_be_bytes, &marked), "UTF-16 (save the file as UTF-8)"),
            (utf16(u16::to_le_bytes, text), "UTF-16 (save the file as UTF-8)"),
            (utf16(u16::to_be_bytes, text), "UTF-16 (save the file as UTF-8)"),
            (utf32, "UTF-32 (save the file as UTF-8)"),
            (b"{\"a\": \"\xfc\"}".to_vec(), "bytes that are not UTF-8 at offset 7"),
        ] {
            let error = check(&bytes).unwrap_err();
            assert_eq!(error.to_string(), format!("expected JSON in UTF-8, found {found}"));
        }
    }

    #[test]
    fn syntax_errors_give_line_and_column() {
        let message = |text: &str| check(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            message("{\"a\": 1,\n}"),
            "line 2, column 1: expected JSON, found trailing comma"
        );
        assert_eq!(message("[] []"), "line 1, column 4: expected JSON, found trailing characters");
        assert!(message("").contains("EOF while parsing a value"));
        assert!(message(&"[".repeat(100_000)).contains("recursion limit exceeded"));
        assert_eq!(
            parse::<Vec<u8>>(b"[1,\n\"x\"]").unwrap_err().to_string(),
            "line 2, column 3: expected JSON, found string \"x\", expected a whole number, 0 or more"
        );
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(|x| json!(x)),
            "[a-c\\PC]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c]{0,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn values_without_repeated_keys_read_as_by_serde_json(value in any_json()) {
            let text = value.to_string();
            prop_assert_eq!(parse::<Value>(text.as_bytes()).unwrap(), value);
        }

        #[test]
        fn other_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = check(&bytes);
        }
    }
}
