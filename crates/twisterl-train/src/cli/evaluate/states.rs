//! Files of states to be solved.

use crate::config::limits::files::{MAX_STATES, read_given};
use crate::{Error, Result};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use std::fmt;
use std::path::Path;
use twisterl_core::error::json::{self, JsonError};

/// A state, and the length of a shortest solution if it is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Instance {
    pub(super) state: Vec<f64>,
    pub(super) optimal: Option<u32>,
}

/// Reads the states in a JSON file: `{"instances": [{"state": [1, 0, 2, 3], "optimal": 1}, ...]}`, or a plain list of
/// states, each as such an object or as a list of numbers. Other keys are ignored.
///
/// # Errors
/// If the file cannot be read, is larger than 32 MiB, is of another form or holds no state.
pub(super) fn read(path: &Path) -> Result<Vec<Instance>> {
    let bytes = read_given(path, MAX_STATES).map_err(|refusal| refusal.of_input(path))?;
    let text =
        json::check(&bytes).map_err(|e| Error::input(path, place(&e), e.expected, e.found))?;
    let Instances(instances) = parse(text.as_bytes())
        .map_err(|(place, message)| Error::input(path, place, "a list of states", message))?;
    if instances.is_empty() {
        return Err(Error::input(path, "", "at least one state", "none"));
    }
    Ok(instances)
}

/// Returns the place of an error of the text: the path of a repeated key, or else line and column.
fn place(error: &JsonError) -> String {
    match error.line {
        0 => String::new(),
        _ if error.is_repeated_key() => error.path.clone(),
        line => format!("line {line}, column {}", error.column),
    }
}

fn parse(bytes: &[u8]) -> Result<Instances, (String, String)> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let instances = serde_path_to_error::deserialize(&mut json)
        .map_err(|e| (e.path().to_string(), e.inner().to_string()))?;
    json.end().map_err(|e| ("end".to_owned(), e.to_string()))?;
    Ok(instances)
}

struct Instances(Vec<Instance>);

impl<'de> Deserialize<'de> for Instances {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Instances;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of states, or an object with the list `instances`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Instances, A::Error> {
                let mut instances = Vec::new();
                while let Some(instance) = seq.next_element()? {
                    instances.push(instance);
                }
                Ok(Instances(instances))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Instances, A::Error> {
                let mut instances = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key == "instances" {
                        instances = Some(map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                instances.map(Instances).ok_or_else(|| de::Error::missing_field("instances"))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Instance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Instance;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of numbers, or an object with `state`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Instance, A::Error> {
                let mut state = Vec::new();
                while let Some(number) = seq.next_element()? {
                    state.push(number);
                }
                Ok(Instance { state, optimal: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Instance, A::Error> {
                let (mut state, mut optimal) = (None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "state" => state = Some(map.next_value()?),
                        "optimal" => optimal = map.next_value()?,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                let state = state.ok_or_else(|| de::Error::missing_field("state"))?;
                Ok(Instance { state, optimal })
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refusal(text: &str) -> (String, String) {
        parse(text.as_bytes()).map(|_| ()).unwrap_err()
    }

    #[test]
    fn all_forms_are_read() {
        let one = |state: &[f64], optimal| Instance { state: state.to_vec(), optimal };
        let read = |text: &str| parse(text.as_bytes()).map_err(|e| e.1).unwrap().0;
        let expected = [one(&[1.0, 0.0], Some(7)), one(&[0.5], None)];
        assert_eq!(
            read(
                r#"{"note": [{}], "instances": [{"state": [1, 0], "optimal": 7}, {"state": [0.5]}], "width": 2}"#
            ),
            expected
        );
        assert_eq!(read(r#"[{"optimal": 7, "state": [1, 0], "x": null}, [0.5]]"#), expected);
        assert_eq!(read(r#"[{"state": [0.5], "optimal": null}]"#), expected[1..]);
    }

    #[test]
    fn errors_name_their_place() {
        for (text, place, message) in [
            (r#"[[1], [2, "x"]]"#, "[1][1]", "invalid type: string \"x\", expected f64"),
            (
                r#"{"instances": [{"state": 3}]}"#,
                "instances[0].state",
                "invalid type: integer `3`, expected a sequence",
            ),
            (r#"{"instances": [{}]}"#, "instances[0]", "missing field `state`"),
            (
                r#"[{"state": [1], "optimal": -1}]"#,
                "[0].optimal",
                "invalid value: integer `-1`, expected u32",
            ),
            (r#"{"states": []}"#, ".", "missing field `instances`"),
            (
                "[[1], 5]",
                "[1]",
                "invalid type: integer `5`, expected a list of numbers, or an object with `state`",
            ),
            ("[[1]] x", "end", "trailing characters"),
        ] {
            let (at, found) = refusal(text);
            assert_eq!(at, place, "{text}");
            assert!(found.starts_with(message), "{text}: {found}");
        }
        refusal("");
        refusal("null");
        refusal(&"[".repeat(100_000));
        refusal(&format!("{{\"x\": {}", "[".repeat(100_000)));
    }

    #[test]
    fn files_without_states_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("states.json");
        let refusal = || read(&path).unwrap_err().to_string();
        assert!(refusal().contains("states.json: cannot read"));
        std::fs::write(&path, "[]").unwrap();
        assert!(refusal().ends_with("states.json: expected at least one state, found none"));
        std::fs::write(&path, "\u{feff}[[1], {\"state\": [1], \"x\": 1, \"x\": 2}]").unwrap();
        assert!(
            refusal().ends_with("states.json: [1].x: expected each key once, found `[1].x` twice")
        );
        std::fs::File::create(&path).unwrap().set_len(MAX_STATES + 1).unwrap();
        assert!(refusal().ends_with("expected a file of at most 32 MiB, found 33554433 bytes"));
    }

    proptest::proptest! {
        #[test]
        fn junk_never_panics(text in r#"([\[\]{},:]|"state"|"optimal"|"instances"|-?[0-9.e]{1,4}|null){0,24}"#) {
            let _ = parse(text.as_bytes());
        }
    }
}
