//! Numbers and lists of them as text.

use twisterl_core::error::from_serde::shorten;

/// The accepted text of a list.
pub(super) const EXPECTED: &str = "numbers separated by blanks or commas";

/// Reads a finite number.
pub(super) fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Reads a list of numbers separated by blanks, commas or semicolons; brackets and quotes around them or around rows do
/// not matter.
///
/// # Errors
/// The first part that is not a number.
pub(super) fn list(text: &str) -> Result<Vec<f64>, String> {
    let plain = without_brackets(text);
    let mut numbers = Vec::new();
    for (i, cell) in plain.split([',', ';']).enumerate() {
        if cell.trim().is_empty() {
            return Err(if text.trim().is_empty() || plain.trim().is_empty() {
                "none".into()
            } else {
                format!("nothing in place of value {}", i + 1)
            });
        }
        for word in cell.split_whitespace() {
            numbers.push(finite(word).ok_or_else(|| format!("{:?}", shorten(word)))?);
        }
    }
    Ok(numbers)
}

/// Counts the numbers that a list has, or would have if its parts were numbers.
pub(super) fn count(text: &str) -> usize {
    let cells = without_brackets(text);
    cells.split([',', ';']).map(|cell| cell.split_whitespace().count().max(1)).sum()
}

fn without_brackets(text: &str) -> String {
    text.replace(['[', ']', '(', ')', '{', '}', '"', '\''], " ")
}

/// Reads the length of a shortest solution: a whole number, which may be written as 20.0.
///
/// # Errors
/// The expected number.
pub(super) fn optimal(number: f64) -> Result<u32, &'static str> {
    let whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    whole.then_some(number as u32).ok_or("a whole number of moves, 0 or more")
}
