//! Numbers and lists of them as text.

pub(super) use twisterl_core::env::written::{EXPECTED, finite, list};

use twisterl_core::env::written::without_brackets;

/// Counts the numbers that a list has, or would have if its parts were numbers.
pub(super) fn count(text: &str) -> usize {
    let cells = without_brackets(text);
    cells.split([',', ';']).map(|cell| cell.split_whitespace().count().max(1)).sum()
}

/// Reads the length of a shortest solution: a whole number, which may be written as 20.0.
///
/// # Errors
/// The expected number.
pub(super) fn optimal(number: f64) -> Result<u32, &'static str> {
    let whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    whole.then_some(number as u32).ok_or("a whole number of moves, 0 or more")
}
