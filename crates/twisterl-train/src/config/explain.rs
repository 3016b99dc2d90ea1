//! Turns serde's messages into errors that say where, what was expected and what was found.

use crate::Error;

/// The longest text from a config that an error repeats, in characters.
const MAX_QUOTE: usize = 120;

/// The name without its Python module path: `twisterl.rl.PPO` is `PPO`.
pub(super) fn short_name(name: &str) -> &str {
    name.rsplit(['.', ':']).next().unwrap_or(name)
}

/// The error for serde's `message` about the value at `path`.
pub(super) fn error(path: &str, message: &str) -> Error {
    let path = if path == "." { "" } else { path };
    // What was found may quote the user at length, commas included; what was expected is ours.
    let (found, expected) = message.rsplit_once(", expected ").unwrap_or((message, ""));
    if let Some(key) = quoted(message, "missing field ") {
        return Error::config(join(path, key), "a value", "none");
    }
    if let Some(key) = quoted(found, "unknown field ") {
        let near = nearest(key, expected).map(|known| format!(" (did you mean `{known}`?)"));
        let found = format!("unknown key `{}`{}", shorten(key), near.unwrap_or_default());
        let known = expected.strip_prefix("one of ").unwrap_or(expected);
        return Error::config(shorten(&join(path, key)), format!("one of the keys {known}"), found);
    }
    if let Some(name) = quoted(found, "unknown variant ") {
        return Error::config(shorten(path), expected, format!("`{}`", shorten(name)));
    }
    for kind in ["invalid type: ", "invalid value: ", "invalid "] {
        if let Some(found) = found.strip_prefix(kind) {
            return Error::config(shorten(place(path)), plain_type(expected), plain_value(found));
        }
    }
    // Our own, as layers write them, about something within the value.
    if let Some((inner, rest)) = message.split_once(": expected ")
        && let Some((expected, found)) = rest.rsplit_once(", found ")
        && !inner.contains(' ')
    {
        let whole =
            if inner.starts_with('[') { format!("{path}{inner}") } else { join(path, inner) };
        return Error::config(shorten(&whole), expected, shorten(found));
    }
    // As the named classes write them.
    match message.strip_prefix("expected ").and_then(|m| m.split_once(", found ")) {
        Some((expected, found)) => Error::config(shorten(path), expected, shorten(found)),
        None => Error::config(shorten(place(path)), "a valid value", shorten(message)),
    }
}

/// At most [`MAX_QUOTE`] characters of `text`.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The key among the backquoted ones of `known` that is closest to `key`, if it is close at all.
fn nearest<'a>(key: &str, known: &'a str) -> Option<&'a str> {
    if key.len() > MAX_QUOTE {
        return None;
    }
    let known = known.split('`').skip(1).step_by(2);
    let (distance, best) = known.map(|k| (edits(key, k), k)).min_by_key(|(d, _)| *d)?;
    (distance <= best.len().div_ceil(3)).then_some(best)
}

/// Levenshtein's distance: insertions, deletions and replacements of characters.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().zip(std::iter::once(None).chain(b.chars().map(Some))) {
            let value = match y {
                None => i + 1,
                Some(y) => (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1),
            };
            diagonal = *cell;
            *cell = value;
            left = value;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// The part of `message` between backquotes after `prefix`.
fn quoted<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message.strip_prefix(prefix)?.strip_prefix('`')?.strip_suffix('`')
}

/// `path.key`, unless the path ends with the key already.
fn join(path: &str, key: &str) -> String {
    match path.strip_suffix(key) {
        Some(parent) if parent.is_empty() || parent.ends_with('.') => path.to_owned(),
        _ if path.is_empty() => key.to_owned(),
        _ => format!("{path}.{key}"),
    }
}

/// The path, or a word for the root.
pub(super) fn place(path: &str) -> &str {
    if path.is_empty() { "config" } else { path }
}

/// Serde's name of a type in words for people.
fn plain_type(expected: &str) -> String {
    match expected {
        "usize" | "u64" | "u32" => "a whole number, 0 or more".into(),
        "f64" | "f32" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a map" => "an object".into(),
        "a sequence" => "a list".into(),
        "string or map" => "a name".into(),
        _ if expected.starts_with("struct ") => "an object".into(),
        _ => match expected.strip_prefix("an array of length ") {
            Some(length) => format!("a list of {length} values"),
            None => expected.into(),
        },
    }
}

/// Serde's account of a value in words for people.
fn plain_value(found: &str) -> String {
    match found {
        "map" => return "an object".into(),
        "sequence" => return "a list".into(),
        _ => {}
    }
    let bare = ["integer ", "floating point ", "boolean "];
    match bare.iter().find_map(|kind| quoted(found, kind)) {
        Some(value) => value.into(),
        None => shorten(found),
    }
}
