//! Plain text: lines of numbers.

use super::lines::{self, Line};
use super::{Refusal, number};
use std::ops::Range;

/// The numbers of one line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) line: usize,
    /// The numbers; NaN in place of each part of a line that is refused.
    pub(super) numbers: Vec<f64>,
    pub(super) refusal: Option<Refusal>,
    /// The numbers that punctuation sets apart from the others, as in `7: 1 0 2 3`, `[1 0 2 3] 1` or `1 0 2 3; 1`.
    pub(super) set_apart: Option<Range<usize>>,
}

/// Reads the numbers of each line that is neither blank nor a comment.
pub(super) fn parse(text: &str) -> Vec<Row> {
    lines::significant(text).filter(|line| !is_bracket(line)).map(row).collect()
}

/// Returns true for a line that holds only brackets, around an array that is printed.
fn is_bracket(line: &Line<'_>) -> bool {
    line.text.chars().all(|c| "[]() ".contains(c))
}

fn row(line: Line<'_>) -> Row {
    // An index may be set off by punctuation, as in `7: 1 0 2 3`.
    let (index, text) = match line.text.split_once([':', ')']) {
        Some((index, rest)) if index.bytes().all(|b| b.is_ascii_digit()) => (index, rest),
        _ => ("", line.text),
    };
    // Rows of a printed list end with a comma.
    let text = match text.trim_end().strip_suffix(',') {
        Some(rest) if rest.ends_with([')', ']']) => rest,
        _ => text,
    };
    let list = format!("{index} {text}");
    let (numbers, refusal) = match number::list(&list) {
        Ok(numbers) => (numbers, None),
        Err(found) => {
            let refusal = Refusal::at_line(line.number, number::EXPECTED, found);
            (vec![f64::NAN; number::count(&list)], Some(refusal))
        }
    };
    let before = count(index);
    let set_apart = match set_apart(text) {
        Some(range) => Some(range.start + before..range.end + before),
        None => (before > 0).then_some(before..numbers.len()),
    };
    Row { line: line.number, numbers, set_apart, refusal }
}

/// Returns the numbers that brackets, quotes or a stronger separator put together, if the others stand alone.
fn set_apart(text: &str) -> Option<Range<usize>> {
    let separators = [';', '\t', ','].into_iter();
    std::iter::once(groups(text))
        .chain(separators.map(|separator| text.split(separator).map(count).collect()))
        .find_map(|counts: Vec<usize>| {
            let long = counts.iter().position(|&count| count > 1)?;
            let alone = |(i, &count): (usize, &usize)| i == long || count < 2;
            let start = counts[..long].iter().sum();
            let end = start + counts[long];
            let whole = counts.iter().sum::<usize>() == counts[long];
            (!whole && counts.iter().enumerate().all(alone)).then_some(start..end)
        })
}

/// Returns the counts of the numbers within each outermost pair of brackets or quotes; those outside are one each.
fn groups(text: &str) -> Vec<usize> {
    let (mut groups, mut depth, mut quote, mut start) = (Vec::new(), 0, None, 0);
    for (at, c) in text.char_indices() {
        let (opens, closes) = match (c, quote) {
            ('"' | '\'', None) => (true, false),
            (c, Some(open)) => (false, c == open),
            (c, None) => ("[({".contains(c), "])}".contains(c)),
        };
        if opens {
            if depth == 0 {
                groups.extend(std::iter::repeat_n(1, count(&text[start..at])));
                start = at;
            }
            depth += 1;
            quote = Some(c).filter(|c| "\"'".contains(*c));
        } else if closes && depth > 0 {
            depth -= 1;
            quote = None;
            if depth == 0 {
                groups.push(count(&text[start..at]));
                start = at + c.len_utf8();
            }
        }
    }
    groups.extend(std::iter::repeat_n(1, count(&text[start..])));
    groups
}

/// Returns the count of numbers in a text.
fn count(text: &str) -> usize {
    text.split(|c: char| c.is_whitespace() || ",;[](){}\"'".contains(c))
        .filter(|word| !word.is_empty())
        .count()
}
