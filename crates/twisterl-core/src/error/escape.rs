//! Control characters in text from outside, such as names in files, made visible before a terminal sees them.

use std::borrow::Cow;

/// Escapes the characters that change the display of a terminal: control characters (C0, DEL and C1, among them the escape
/// character, carriage returns and newlines), line and paragraph separators, and the marks that change the direction of
/// text. They become `\u{1b}`, `\r`, `\n` and so on, as in Rust's string literals.
pub fn escape_controls(text: &str) -> Cow<'_, str> {
    escape(text, is_control)
}

/// Like [`escape_controls`], for text of several lines: newlines and tabs are kept.
pub fn escape_lines(text: &str) -> Cow<'_, str> {
    escape(text, |c| is_control(c) && !matches!(c, '\n' | '\t'))
}

/// Like [`escape_controls`], for a line of a board. Colours and other attributes of characters (`ESC [ numbers m`) are
/// kept, which environments use to draw.
pub fn escape_board(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    for (text, attribute) in split_attributes(line) {
        escaped.push_str(&escape_controls(text));
        escaped.push_str(attribute);
    }
    escaped
}

/// Returns the number of characters in a line of a board, without the attributes that [`escape_board`] keeps.
pub fn visible_length(line: &str) -> usize {
    split_attributes(line).map(|(text, _)| text.chars().count()).sum()
}

/// Splits a line into pieces of text and the attributes of characters that follow each; the last may be empty.
fn split_attributes(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = line;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let found = rest.match_indices("\x1b[").find_map(|(at, _)| {
            let numbers = rest.get(at + 2..)?;
            let length = numbers.find(|c: char| !c.is_ascii_digit() && c != ';')?;
            numbers.get(length..)?.starts_with('m').then_some((at, at + 2 + length + 1))
        });
        let (text, end) = found.unwrap_or((rest.len(), rest.len()));
        let piece = (rest.get(..text)?, rest.get(text..end)?);
        rest = rest.get(end..)?;
        Some(piece)
    })
}

/// Escapes the characters that `selected` selects.
fn escape(text: &str, selected: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&selected) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' if selected(c) => escaped.extend(c.escape_default()),
            c if selected(c) => escaped.extend(c.escape_unicode()),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// Returns true for a character that changes the display instead of being displayed.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible() {
        for (text, escaped) in [
            ("plain, grün, 漢字, 🙂", "plain, grün, 漢字, 🙂"),
            ("\x1b[31mred\x1b[0m", r"\u{1b}[31mred\u{1b}[0m"),
            ("a\rb\nc\td", r"a\rb\nc\td"),
            ("\0\x07\x08\x7f", r"\u{0}\u{7}\u{8}\u{7f}"),
            ("\u{85}\u{9b}2J", r"\u{85}\u{9b}2J"),
            ("\u{202e}txt\u{2066}\u{2069}", r"\u{202e}txt\u{2066}\u{2069}"),
            ("\u{2028}\u{200f}\u{61c}", r"\u{2028}\u{200f}\u{61c}"),
            ("back\\slash", "back\\slash"),
        ] {
            assert_eq!(escape_controls(text), escaped);
            assert_eq!(escape_controls(escaped), escaped, "escaping twice changes nothing");
        }
        assert_eq!(escape_lines("a\nb\tc\x1b[K\rd"), "a\nb\tc\\u{1b}[K\\rd");
    }

    #[test]
    fn boards_keep_their_colours_and_nothing_else() {
        for (line, escaped, length) in [
            ("", "", 0),
            ("SFFF", "SFFF", 4),
            ("\x1b[41mS\x1b[0mFF", "\x1b[41mS\x1b[0mFF", 3),
            ("\x1b[1;31mä\x1b[m", "\x1b[1;31mä\x1b[m", 1),
            ("a\x1b[2Jb\x1b[31mc\x1b[", "a\\u{1b}[2Jb\x1b[31mc\\u{1b}[", 19),
            ("\x1b]0;title\x07", "\\u{1b}]0;title\\u{7}", 19),
        ] {
            assert_eq!(escape_board(line), escaped);
            assert_eq!(visible_length(&escape_board(line)), length, "{line:?}");
        }
    }
}
