//! States as text.

use crate::error::from_serde::shorten;

/// The accepted text of a list.
pub const EXPECTED: &str = "numbers separated by blanks or commas";

/// Reads a finite number.
pub fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Reads a list of numbers separated by blanks, commas or semicolons; brackets and quotes around them or around rows do
/// not matter.
///
/// # Errors
/// The first part that is not a number.
pub fn list(text: &str) -> Result<Vec<f64>, String> {
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

/// Returns a list without the brackets and quotes around it and its rows.
pub fn without_brackets(text: &str) -> String {
    text.replace(['[', ']', '(', ')', '{', '}', '"', '\''], " ")
}
