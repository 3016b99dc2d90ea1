//! Keys that a section does not have: the key that is meant, there or in another section.

use super::join;
use crate::config::schema::properties;
use serde_json::Value;
use twisterl_core::Error;
use twisterl_core::error::from_serde;
use twisterl_core::error::names::{nearest, question, synonyms};

/// The most keys of other sections that a message names.
const MAX_NAMED: usize = 2;
/// The shortest key for which other sections are searched for similar ones, in bytes.
const MIN_SIMILAR: usize = 5;

/// Returns the error for `key` in the section at `path`, which has the keys `known`, of a config with the schema `root`.
/// It names the key that is meant: one of `known`, or the path of one in another section.
pub(super) fn unknown_key<'a>(
    (path, key): (&str, &str),
    known: impl Iterator<Item = &'a str> + Clone,
    root: &Value,
) -> Error {
    let error = match meant((path, key), known.clone(), root) {
        Some(meant) => {
            let known: Vec<&str> = known.collect();
            from_serde::unknown_key_asking(key, &known, &question(&meant))
        }
        None => from_serde::unknown_key(key, known),
    };
    error.below(path)
}

/// Returns the key that is meant, if it is not just the nearest one in its section.
fn meant<'a>(
    (path, key): (&str, &str),
    known: impl Iterator<Item = &'a str> + Clone,
    root: &Value,
) -> Option<String> {
    let own: Vec<&str> = synonyms(key).filter(|field| known.clone().any(|k| k == *field)).collect();
    if let [field, ..] = own[..] {
        return Some(field.to_owned());
    }
    let mut all = Vec::new();
    collect("", root, &mut all);
    let named = |name: &str| {
        let same = all.iter().filter(|(_, last)| *last == name);
        same.map(|(path, _)| path.clone()).take(MAX_NAMED).collect::<Vec<_>>()
    };
    let mut paths = named(key);
    if paths.is_empty() {
        paths = synonyms(key).flat_map(named).take(MAX_NAMED).collect();
    }
    if paths.is_empty() && key.len() >= MIN_SIMILAR && nearest(key, known).is_none() {
        paths = nearest(key, all.iter().map(|(_, last)| *last)).map(named).unwrap_or_default();
    }
    paths.retain(|found| *found != join(path, key));
    (!paths.is_empty()).then(|| paths.join("` or `"))
}

/// Adds the paths of all keys below `path`, each with the key itself.
fn collect<'a>(path: &str, schema: &'a Value, all: &mut Vec<(String, &'a str)>) {
    for (key, schema) in properties(schema).into_iter().flatten() {
        let path = join(path, key);
        all.push((path.clone(), key));
        collect(&path, schema, all);
    }
}
