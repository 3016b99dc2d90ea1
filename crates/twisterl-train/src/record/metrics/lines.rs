//! The check of the lines of `metrics.jsonl`.

use super::append_only::Damage;
use serde::Deserialize;
use std::io::{self, BufRead, Read as _};

/// The longest line, in bytes.
const MAX_LINE: u64 = 1 << 24;

/// The metric that every line holds.
#[derive(Deserialize)]
struct Line {
    iteration: u64,
}

/// Returns the first damage: a line that is not an object of metrics, or not of a later iteration than the one before.
///
/// # Errors
/// If the lines cannot be read.
pub(super) fn first_damage(lines: &mut dyn BufRead) -> io::Result<Option<Damage>> {
    let mut line = Vec::new();
    let mut previous = None;
    for number in 1u64.. {
        line.clear();
        if lines.take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        match check(&line, previous) {
            Ok(iteration) => previous = Some(iteration),
            Err((expected, found)) => {
                return Ok(Some(Damage { place: format!("line {number}"), expected, found }));
            }
        }
    }
    Ok(None)
}

/// Returns the iteration of a line, or the accepted and the found text.
fn check(line: &[u8], previous: Option<u64>) -> Result<u64, (String, String)> {
    let refused = |found: String| ("a JSON object of metrics".to_owned(), found);
    if line.contains(&0) {
        return Err(refused("zero bytes".into()));
    }
    let Some(line) = line.strip_suffix(b"\n") else {
        return Err(refused("a line without an end".into()));
    };
    let text = str::from_utf8(line).map_err(|_| refused("bytes that are not UTF-8".into()))?;
    let Line { iteration } = serde_json::from_str(text)
        .ok()
        .filter(|_| text.starts_with('{'))
        .ok_or_else(|| refused("another text".into()))?;
    if previous.is_some_and(|previous| previous >= iteration) {
        let expected = format!("an iteration after {}", previous.unwrap_or_default());
        return Err((expected, iteration.to_string()));
    }
    Ok(iteration)
}
