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
use twisterl_core::env::Start;
use twisterl_core::error::counts::counted;

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

impl Instance {
    /// Returns the start at this state, with the full budget.
    pub fn start(&self) -> Start<'_> {
        Start::State { state: &self.state, difficulty: None }
    }
}

/// An error in the text of a file, or a state that the environment refuses.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The place in the file, such as `line 3`; empty if it is the file as a whole.
    pub place: String,
    /// The expected text.
    pub expected: String,
    /// The found text.
    pub found: String,
    /// The numbers of the state, if they could be read.
    pub state: Vec<f64>,
}

/// The most places of further refused states that a message names.
const MAX_PLACES: usize = 10;

/// A state of a file, or its refusal.
type Entry = Result<Instance, Refusal>;

impl Refusal {
    fn new(
        place: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        let (expected, found) = (expected.into(), found.into());
        Self { place: place.into(), expected, found, state: Vec::new() }
    }

    fn at_line(line: usize, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(format!("line {line}"), expected, found)
    }

    /// Moves an error in line 1 of a text to the line `number` of the file.
    fn below(self, number: usize) -> Self {
        let rest = self.place.strip_prefix("line 1").unwrap_or_default();
        Self { place: format!("line {number}{rest}"), ..self }
    }

    /// Adds the places of the other refused states of the file.
    fn with_others<'a>(self, others: impl ExactSizeIterator<Item = &'a Self>) -> Self {
        if others.len() == 0 {
            return self;
        }
        let count = counted(others.len(), "more state");
        let places = listed(others.map(|other| other.place.as_str()));
        Self { found: format!("{}; {count} refused: {places}", self.found), ..self }
    }

    /// Converts into the error of the file `path`.
    pub fn of(self, path: &Path) -> Error {
        Error::input(path, self.place, self.expected, self.found)
    }
}

/// Reads the states in the file `path`, or from standard input if that is `-`, and checks that each is one of the
/// environment of `checker`. See [`parse`] for the formats.
///
/// # Errors
/// If the file cannot be read, is larger than 32 MiB or of another form, holds no state, or the environment refuses one.
pub fn read(path: &Path, checker: &mut StateChecker) -> Result<Vec<Instance>> {
    parse(name(path), &bytes(path)?, checker)
}

/// Like [`read`], but returns a state that is refused in its place instead of refusing the file.
///
/// # Errors
/// If the file cannot be read, is larger than 32 MiB or of another form, or holds no state.
pub fn read_each(
    path: &Path,
    checker: &mut StateChecker,
) -> Result<Vec<Result<Instance, Refusal>>> {
    entries(name(path), &bytes(path)?, checker)
}

/// Returns the name of a file in errors and records: `standard input` for `-`.
pub fn name(path: &Path) -> &Path {
    if path == Path::new("-") { Path::new("standard input") } else { path }
}

/// Lists at most ten of the places of several states, such as `lines 3, 5, 8`.
pub fn listed<'a>(places: impl ExactSizeIterator<Item = &'a str>) -> String {
    let dots = if places.len() > MAX_PLACES { ", ..." } else { "" };
    let places: Vec<_> = places.take(MAX_PLACES).collect();
    let numbers: Option<Vec<_>> = places
        .iter()
        .map(|place| place.strip_prefix("line ").filter(|number| number.parse::<usize>().is_ok()))
        .collect();
    match numbers.as_deref() {
        Some([number]) => format!("line {number}{dots}"),
        Some(numbers) => format!("lines {}{dots}", numbers.join(", ")),
        None => format!("{}{dots}", places.join("; ")),
    }
}

/// Returns the number of the line in a place, which begins with it.
pub fn line(place: &str) -> Option<usize> {
    let number = place.strip_prefix("line ")?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    let bytes = match path == Path::new("-") {
        true => read_stream(io::stdin().lock(), MAX_STATES),
        false => read_given(path, MAX_STATES),
    };
    bytes.map_err(|refusal| refusal.of_input(name(path)))
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
    let (mut instances, mut refusals) = (Vec::new(), Vec::new());
    for entry in entries(path, bytes, checker)? {
        match entry {
            Ok(instance) => instances.push(instance),
            Err(refusal) => refusals.push(refusal),
        }
    }
    match refusals.split_first() {
        Some((first, others)) => Err(first.clone().with_others(others.iter()).of(path)),
        None => Ok(instances),
    }
}

/// Reads the states of the file `path`, each or its refusal.
fn entries(path: &Path, bytes: &[u8], checker: &mut StateChecker) -> Result<Vec<Entry>> {
    let refused = |refusal: Refusal| refusal.of(path);
    let text = lines::decode(bytes).map_err(refused)?;
    let Some(first) = lines::significant(&text).next() else {
        return Err(Error::input(path, "", "at least one state", "none"));
    };
    let mut entries = if first.text.starts_with(['{', '[']) && !lines::is_printed_array(&text) {
        json::parse(&text, checker.length()).map_err(refused)?
    } else if let Some(delimiter) = table::header_delimiter(first.text) {
        table::parse(&text, delimiter, checker.length()).map_err(refused)?
    } else {
        layout::instances(&text::parse(&text), checker)
    };
    if entries.is_empty() {
        return Err(Error::input(path, "", "at least one state", "none"));
    }
    for entry in &mut entries {
        let Ok(Instance { state, place, .. }) = entry else { continue };
        match checker.check(state) {
            Ok(()) => {}
            Err(twisterl_core::Error::State { expected, found }) => {
                let state = std::mem::take(state);
                *entry = Err(Refusal { state, ..Refusal::new(place.as_str(), expected, found) });
            }
            Err(other) => return Err(other.into()),
        }
    }
    Ok(entries)
}

/// Reads one state: numbers separated by blanks or commas, flat or in rows with brackets.
///
/// # Errors
/// The expected and the found text.
pub fn one(text: &str) -> Result<Vec<f64>, (String, String)> {
    number::list(text).map_err(|found| (number::EXPECTED.to_owned(), found))
}
