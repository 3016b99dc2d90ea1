//! Plain text: lines of numbers.

use super::lines::{self, Line};
use super::{Refusal, number};

/// The numbers of one line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) line: usize,
    /// The numbers; NaN in place of each part of a line that is refused.
    pub(super) numbers: Vec<f64>,
    pub(super) refusal: Option<Refusal>,
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
    let text = match line.text.split_once([':', ')']) {
        Some((index, rest)) if index.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{index} {rest}")
        }
        _ => line.text.to_owned(),
    };
    // Rows of a printed list end with a comma.
    let text = match text.trim_end().strip_suffix(',') {
        Some(rest) if rest.ends_with([')', ']']) => rest.to_owned(),
        _ => text,
    };
    match number::list(&text) {
        Ok(numbers) => Row { line: line.number, numbers, refusal: None },
        Err(found) => Row {
            line: line.number,
            numbers: vec![f64::NAN; number::count(&text)],
            refusal: Some(Refusal::at_line(line.number, number::EXPECTED, found)),
        },
    }
}
