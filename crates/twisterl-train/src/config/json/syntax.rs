//! Frequent mistakes in the syntax of JSON, and how to mend them.

/// Returns the bytes around `at` that an error marks: the word there, or the character; at the end of the text, the last
/// character before it.
pub(super) fn marked(text: &str, at: usize) -> (usize, usize) {
    let (before, after) = text.split_at(at.min(text.len()));
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
    let start = before.trim_end_matches(is_word).len();
    let end = at + after.find(|c| !is_word(c)).unwrap_or(after.len());
    if start < end && after.starts_with(is_word) {
        return (start, end);
    }
    match after.chars().next().filter(|c| !c.is_whitespace()) {
        Some(c) => (at, at + c.len_utf8()),
        None => {
            let text = before.trim_end();
            (text.char_indices().next_back().map_or(0, |(start, _)| start), text.len())
        }
    }
}

/// Returns the bytes of the key whose closing quote is at `at`.
pub(super) fn key_before(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or_default();
    (before.rfind('"').unwrap_or(at), (at + 1).min(text.len()))
}

/// Returns the change that mends an error of syntax at `at`, if it is known.
pub(super) fn advice(text: &str, at: usize, found: &str) -> Option<String> {
    let (start, end) = marked(text, at);
    let word = text.get(start..end).unwrap_or_default();
    let rest = text.get(at..).unwrap_or_default();
    let last = text.get(..at)?.trim_end().chars().next_back();
    let known = match (word, last) {
        ("True" | "False" | "None", _) => {
            let mended = if word == "None" { "null".to_owned() } else { word.to_lowercase() };
            format!("JSON writes it as {mended}")
        }
        _ if found.starts_with("trailing comma") => "remove the comma before it".into(),
        _ if rest.starts_with('\'') => "text stands in double quotes".into(),
        _ if rest.starts_with('#') || rest.starts_with("//") || rest.starts_with("/*") => {
            "JSON has no comments: remove it".into()
        }
        _ if text.trim_start().starts_with(|c| c != '{') => {
            "a config is a JSON object: {\"env_cls\": ...}".into()
        }
        _ if found.starts_with("EOF") => {
            "close what is still open: a brace, bracket or quote".into()
        }
        _ if found.contains("expected `,`") => "put a comma between the fields".into(),
        _ if found.starts_with("key must be a string") => "keys stand in double quotes".into(),
        _ if found.contains("expected `:`") => "put a colon between key and value".into(),
        _ => return None,
    };
    Some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_or_character_at_the_place_is_marked() {
        for (text, at, marked_text) in [
            ("{\"a\": True}", 6, "True"),
            ("{\"a\": True}", 8, "True"),
            ("{\"a\": 1,}", 9, "}"),
            ("{\"a\": 1\n\n", 10, "1"),
            ("ä'", 2, "'"),
        ] {
            let (start, end) = marked(text, at);
            assert_eq!(text.get(start..end), Some(marked_text), "{text}");
        }
        assert_eq!(marked("", 0), (0, 0));
    }
}
