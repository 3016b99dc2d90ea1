//! Bytes as lines of text.

use super::Refusal;
use std::borrow::Cow;
use twisterl_core::error::text::{self, NotUtf8};

/// A line that is neither blank nor a comment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Line<'a> {
    /// Its number, from 1.
    pub(super) number: usize,
    /// Its text, without blanks around it and without a comment behind it.
    pub(super) text: &'a str,
}

/// Decodes UTF-8, with or without a byte-order mark, and replaces all ends of lines by `\n`.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Refusal> {
    if bytes.starts_with(b"\x93NUMPY") {
        return Err(Refusal::new("", "text in UTF-8", "an array of NumPy"));
    }
    let text = text::decode(bytes).map_err(|NotUtf8 { offset, found }| {
        let line = |offset: usize| 1 + bytes[..offset].iter().filter(|&&b| b == b'\n').count();
        let place = offset.map_or_else(String::new, |offset| format!("line {}", line(offset)));
        Refusal::new(place, "text in UTF-8", found)
    })?;
    Ok(match text.contains('\r') {
        true => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
        false => Cow::Borrowed(text),
    })
}

/// Returns true if the line is a comment, or blank.
pub(super) fn is_comment(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with(['#', '%']) || line.starts_with("//")
}

/// Returns the lines that are neither blank nor comments.
pub(super) fn significant(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.split('\n').enumerate().filter(|(_, line)| !is_comment(line)).map(|(i, line)| {
        let text = line.split_once('#').map_or(line, |(text, _)| text).trim();
        Line { number: i + 1, text }
    })
}

/// Replaces comments by blanks, so that places in the text stay the same.
pub(super) fn without_comments(text: &str) -> Cow<'_, str> {
    let is_comment = |line: &&str| is_comment(line) && !line.trim().is_empty();
    if !text.split('\n').any(|line| is_comment(&line)) {
        return Cow::Borrowed(text);
    }
    let lines = text.split('\n').map(|line| match is_comment(&line) {
        true => " ".repeat(line.len()).into(),
        false => Cow::Borrowed(line),
    });
    Cow::Owned(lines.collect::<Vec<_>>().join("\n"))
}

/// Returns true for arrays as NumPy prints them, such as `[[1 2] [3 0]]`, with blanks between numbers, and for lists of
/// tuples as Python prints them.
pub(super) fn is_printed_array(text: &str) -> bool {
    let printed = |c: char| c.is_ascii_digit() || c.is_whitespace() || "[](),.+-e".contains(c);
    let mut lines = significant(text).peekable();
    lines.peek().is_some_and(|first| first.text.starts_with('['))
        && lines.all(|line| line.text.chars().all(printed))
        && significant(text).any(|line| line.text.contains('(') || number_then_number(line.text))
}

/// Returns true if two numbers follow each other with a blank between them.
fn number_then_number(line: &str) -> bool {
    let mut words = line.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let ends = word.ends_with(|c: char| c.is_ascii_digit() || c == '.');
        let digit = |next: &&str| next.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        if ends && words.peek().is_some_and(digit) {
            return true;
        }
    }
    false
}
