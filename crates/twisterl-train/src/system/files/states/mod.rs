//! Files of states to be solved, in the formats in which people have them: JSON, JSON Lines, tables with a header, and
//! plain text. The format follows from the content.

mod checker;
mod json;
mod layout;
mod lines;
mod number;
mod table;
#[cfg(test)]
mod tests;
mod text;

pub use checker::StateChecker;

use crate::system::files::{MAX_STATES, read_given, read_stream};
use crate::{Error, Result};
use std::io;
use std::path::Path;

/// A state, and the length of a shortest solution if it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// The state.
    pub state: Vec<f64>,
    /// The length of a shortest solution.
    pub optimal: Option<u32>,
    /// The place in the file, such as `line 3`.
    pub place: String,
}

/// An error in the text of a file.
#[derive(Debug, Clone, PartialEq)]
struct Refusal {
    place: String,
    expected: String,
    found: String,
}

impl Refusal {
    fn new(
        place: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self { place: place.into(), expected: expected.into(), found: found.into() }
    }

    fn at_line(line: usize, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(format!("line {line}"), expected, found)
    }

    /// Converts into the error of the file `path`.
    fn of(self, path: &Path) -> Error {
        Error::input(path, self.place, self.expected, self.found)
    }
}

/// Reads the states in the file `path`, or from standard input if that is `-`, and checks that each is one of the
/// environment of `checker`. See [`parse`] for the formats.
///
/// # Errors
/// If the file cannot be read, is larger than 32 MiB or of another form, holds no state, or the environment refuses one.
pub fn read(path: &Path, checker: &mut StateChecker) -> Result<Vec<Instance>> {
    if path != Path::new("-") {
        let bytes = read_given(path, MAX_STATES).map_err(|refusal| refusal.of_input(path))?;
        return parse(path, &bytes, checker);
    }
    let path = Path::new("standard input");
    let read = read_stream(io::stdin().lock(), MAX_STATES);
    let bytes = read.map_err(|refusal| refusal.of_input(path))?;
    parse(path, &bytes, checker)
}

/// Reads states from the content of the file `path`, which only errors name. The formats are:
///
/// - JSON: `{"instances": [{"state": [1, 0, 2, 3], "optimal": 1}, ...]}`, or a list of states, each as such an object or
///   as a list of numbers, flat or in rows; or one state;
/// - JSON Lines: one such state after the other;
/// - tables with a header: columns separated by commas, semicolons, tabs or blanks; a column `state`, or one column for
///   each number; a column `optimal`; other columns are ignored;
/// - text: one state a line, or one row of a board a line; numbers separated by blanks, commas, semicolons or tabs. Before
///   a state may stand its index, behind it the length of a shortest solution.
///
/// Blank lines, and lines that begin with `#`, are ignored.
///
/// # Errors
/// As for [`read`].
pub fn parse(path: &Path, bytes: &[u8], checker: &mut StateChecker) -> Result<Vec<Instance>> {
    let refused = |refusal: Refusal| refusal.of(path);
    let text = lines::decode(bytes).map_err(refused)?;
    let Some(first) = lines::significant(&text).next() else {
        return Err(Error::input(path, "", "at least one state", "none"));
    };
    let instances = if first.text.starts_with(['{', '[']) && !lines::is_printed_array(&text) {
        json::parse(&text, checker.length()).map_err(refused)?
    } else if let Some(delimiter) = table::header_delimiter(first.text) {
        table::parse(&text, delimiter, checker.length()).map_err(refused)?
    } else {
        layout::instances(text::parse(&text).map_err(refused)?, checker)
    };
    if instances.is_empty() {
        return Err(Error::input(path, "", "at least one state", "none"));
    }
    for Instance { state, place, .. } in &instances {
        checker.check(state).map_err(|error| match error {
            twisterl_core::Error::State { expected, found } => {
                Error::input(path, place, expected, found)
            }
            other => other.into(),
        })?;
    }
    Ok(instances)
}

/// Reads one state: numbers separated by blanks or commas, flat or in rows with brackets.
///
/// # Errors
/// The expected and the found text.
pub fn one(text: &str) -> Result<Vec<f64>, (String, String)> {
    number::list(text).map_err(|found| (number::EXPECTED.to_owned(), found))
}
