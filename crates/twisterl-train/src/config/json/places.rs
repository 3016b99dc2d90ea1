//! The places of the values of a config in its text.

use jsonc_parser::ast::{ObjectProp, Value as Node};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::Value;
use std::ops::Range;
use twisterl_core::error::names::split_question;

/// A step from a value to one in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum Step {
    /// To the value of a key.
    Key(String),
    /// To an item of a list.
    Item(usize),
}

/// Returns the steps from `root` along a JSON path, such as `policy.layers.common[0].width`, as far as there are values,
/// and whether the path ends there. Keys may contain dots.
pub(in crate::config) fn steps(root: &Value, path: &str) -> (Vec<Step>, bool) {
    let (mut value, mut rest, mut steps) = (root, path, Vec::new());
    while !rest.is_empty() {
        let Some((step, inner, after)) = next(value, rest) else { return (steps, false) };
        steps.push(step);
        (value, rest) = (inner, after);
    }
    (steps, true)
}

/// Returns the first step along a path, where it leads, and the path from there.
fn next<'a>(value: &'a Value, path: &'a str) -> Option<(Step, &'a Value, &'a str)> {
    match value {
        Value::Array(items) => {
            let (position, after) = path.strip_prefix('[')?.split_once(']')?;
            let position = position.parse().ok()?;
            Some((Step::Item(position), items.get(position)?, after.trim_start_matches('.')))
        }
        Value::Object(fields) => {
            let ends = |after: &str| after.is_empty() || after.starts_with(['.', '[']);
            let fits = |key: &&String| path.strip_prefix(key.as_str()).is_some_and(ends);
            let key = fields.keys().filter(fits).max_by_key(|key| key.len())?;
            let after = path.get(key.len()..)?;
            let after = after.strip_prefix('.').unwrap_or(after);
            Some((Step::Key(key.clone()), fields.get(key)?, after))
        }
        _ => None,
    }
}

/// Returns the place that an error about the value at the end of `steps` marks in `text`, which is JSON: the value if
/// `found` is just this value, otherwise the key. Only if `complete`, the last step leads to the value itself; otherwise
/// there is no such value, and the place is that of the object where it is missing. `None` if the text has no such steps.
pub(in crate::config) fn place(
    text: &str,
    (steps, complete): (&[Step], bool),
    found: &str,
) -> Option<Range<usize>> {
    let strict = ParseOptions::default();
    let root = parse_to_ast(text, &CollectOptions::default(), &strict).ok()?.value?;
    let (mut node, mut key) = (&root, None);
    for step in steps {
        node = match (node, step) {
            (Node::Object(object), Step::Key(name)) => {
                let entry = object.get(name)?;
                key = Some(entry);
                &entry.value
            }
            (Node::Array(list), Step::Item(position)) => list.elements.get(*position)?,
            // The peer's marked lists.
            (Node::Object(object), Step::Item(position)) => {
                object.get_array("list")?.elements.get(*position)?
            }
            _ => return None,
        };
    }
    let whole = node.range();
    let is_item = matches!(steps.last(), Some(Step::Item(_)));
    let several = matches!(node, Node::Object(_) | Node::Array(_));
    Some(match key {
        None => whole.start..whole.start + 1,
        _ if is_item && complete && several => whole.start..whole.start + 1,
        Some(_) if complete && !several && (is_item || is_value(node, found)) => {
            whole.start..whole.end
        }
        Some(entry) => key_range(entry),
    })
}

fn key_range(entry: &ObjectProp<'_>) -> Range<usize> {
    let range = entry.name.range();
    range.start..range.end
}

/// Returns true if the words for what was found are those for this value, rather than for its key.
fn is_value(node: &Node<'_>, found: &str) -> bool {
    let (found, _) = split_question(found);
    let found = found.strip_prefix("string ").unwrap_or(found);
    let unquoted = found.trim_matches(['"', '`']);
    match node {
        Node::StringLit(text) => unquoted == text.value || unquoted.ends_with("..."),
        Node::NumberLit(number) => {
            let same = |a: &str, b: &str| Some(a.parse::<f64>().ok()?.eq(&b.parse::<f64>().ok()?));
            found == number.value || same(found, number.value) == Some(true)
        }
        Node::BooleanLit(truth) => found == truth.value.to_string(),
        Node::NullKeyword(_) => found == "null",
        Node::Object(_) | Node::Array(_) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = r#"{
  "env": {"width": "3", "a.b": {"c": null}},
  "layers": [64, true],
  "tuples": {"__tuple_list__": true, "list": [[1, 2], [3, "x"]]}
}"#;

    #[test]
    fn paths_lead_to_values_and_keys_of_the_text() {
        let mut value: Value = serde_json::from_str(TEXT).unwrap();
        crate::config::json::plain_lists(&mut value).unwrap();
        for (path, found, marked) in [
            ("env.width", "string \"3\"", "\"3\""),
            ("env.width", "unknown key `width`", "\"width\""),
            ("env.a.b.c", "null", "null"),
            ("env.a.b", "an object", "\"a.b\""),
            ("env.height", "none", "\"env\""),
            ("layers[1]", "true", "true"),
            ("layers[7]", "nothing", "\"layers\""),
            ("layers", "a list", "\"layers\""),
            ("tuples[1][1]", "string \"x\"", "\"x\""),
            ("", "an object", "{"),
            ("env_cls", "none", "{"),
        ] {
            let (steps, complete) = steps(&value, path);
            let place = place(TEXT, (&steps, complete), found).unwrap();
            assert_eq!(&TEXT[place], marked, "{path}");
        }
    }
}
