//! Tables with a header.

use super::{Entry, Instance, Refusal, number};
use csv::{ReaderBuilder, StringRecord};
use twisterl_core::error::from_serde::shorten;

/// The names of a column that holds whole states.
const STATE: [&str; 7] =
    ["state", "board", "tiles", "puzzle", "start", "initial_state", "start_state"];
/// The names of a column that holds lengths of shortest solutions.
const OPTIMAL: [&str; 6] =
    ["optimal", "optimum", "optimal_length", "optimal_cost", "optimal_moves", "opt"];
/// Cells in place of a length that is not known.
const UNKNOWN: [&str; 6] = ["", "-", "none", "null", "nan", "na"];

/// Returns the delimiter of the columns if the line is a header: one of its cells is a name, or the first is empty as in
/// tables of pandas. The delimiter is the first of semicolon, tab and comma that is in it, and otherwise a blank.
pub(super) fn header_delimiter(line: &str) -> Option<u8> {
    let delimiter = [b';', b'\t', b','].into_iter().find(|d| line.as_bytes().contains(d));
    let cells: Vec<&str> = match delimiter {
        Some(delimiter) => line.split(char::from(delimiter)).map(unquoted).collect(),
        None => line.split_whitespace().map(unquoted).collect(),
    };
    // A single letter may stand for a blank tile.
    let is_name = |cell: &&str| {
        let mut letters = cell.chars();
        letters.next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && letters.next().is_some()
            && cell.parse::<f64>().is_err()
    };
    let counted = |cells: &[&str]| {
        cells.len() > 1 && cells.iter().enumerate().all(|(i, cell)| *cell == i.to_string())
    };
    let is_header = match &cells[..] {
        ["", rest @ ..] if counted(rest) => true,
        all => all.iter().any(is_name),
    };
    is_header.then_some(delimiter.unwrap_or(b' '))
}

fn unquoted(cell: &str) -> &str {
    cell.trim().trim_matches(['"', '\''])
}

/// Reads the states of a table whose first line is a header.
pub(super) fn parse(
    text: &str,
    delimiter: u8,
    length: Option<usize>,
) -> Result<Vec<Entry>, Refusal> {
    let text = super::lines::without_comments(text);
    let records = match delimiter {
        b' ' => words(&text),
        _ => cells(&text, delimiter)?,
    };
    let mut records = records.into_iter();
    let Some((line, header)) = records.next() else { return Ok(Vec::new()) };
    let columns = Columns::of(line, &header, length)?;
    Ok(records.map(|(line, record)| columns.instance(line, &record)).collect())
}

/// A line number and the cells of a row.
type Record = (usize, Vec<String>);

fn words(text: &str) -> Vec<Record> {
    let mut lines = super::lines::significant(text).peekable();
    // A single column is the whole line, whatever is between its numbers.
    let single = lines.peek().is_some_and(|header| !header.text.contains(char::is_whitespace));
    let cells = |text: &str| match single {
        true => vec![text.to_owned()],
        false => text.split_whitespace().map(str::to_owned).collect(),
    };
    lines.map(|line| (line.number, cells(line.text))).collect()
}

fn cells(text: &str, delimiter: u8) -> Result<Vec<Record>, Refusal> {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut records = Vec::new();
    for record in reader.records() {
        let record: StringRecord =
            record.map_err(|error| Refusal::new("", "a table", error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line) as usize;
        let cells: Vec<String> = record.iter().map(|cell| cell.trim().to_owned()).collect();
        // Lines of blanks only, such as those that replace comments.
        if cells.iter().any(|cell| !cell.is_empty()) {
            records.push((line, cells));
        }
    }
    Ok(records)
}

/// The meaning of the columns.
#[derive(Debug, PartialEq)]
struct Columns {
    count: usize,
    /// The columns of the state: one with all of its numbers, or one for each.
    state: Vec<usize>,
    optimal: Option<usize>,
}

impl Columns {
    fn of(line: usize, header: &[String], length: Option<usize>) -> Result<Self, Refusal> {
        let names: Vec<String> = header
            .iter()
            .map(|name| unquoted(name).to_lowercase().replace([' ', '-'], "_"))
            .collect();
        let only = |known: &[&str]| -> Result<Option<usize>, Refusal> {
            let mut found = (0..names.len()).filter(|&i| known.contains(&names[i].as_str()));
            match (found.next(), found.next()) {
                (Some(first), Some(second)) => {
                    let found = format!("`{}` and `{}`", header[first], header[second]);
                    Err(Refusal::at_line(line, "one such column", found))
                }
                (first, _) => Ok(first),
            }
        };
        let optimal = only(&OPTIMAL)?;
        let state = match only(&STATE)? {
            Some(column) => vec![column],
            None => numbered(&names, length)
                .or_else(|| {
                    let others: Vec<usize> =
                        (0..names.len()).filter(|&i| Some(i) != optimal).collect();
                    Some(others).filter(|others| Some(others.len()) == length)
                })
                .ok_or_else(|| {
                    let of = length.map_or(String::new(), |length| format!(" of the {length}"));
                    let expected = format!(
                        "a header with a column `state`, or with one numbered column for each{of} numbers of a state"
                    );
                    let names: Vec<_> =
                        header.iter().map(|name| format!("`{}`", shorten(name))).collect();
                    Refusal::at_line(line, expected, shorten(&names.join(", ")))
                })?,
        };
        Ok(Self { count: header.len(), state, optimal })
    }

    fn instance(&self, line: usize, cells: &[String]) -> Entry {
        if cells.len() != self.count {
            let expected = format!("{} columns, as in the header", self.count);
            return Err(Refusal::at_line(line, expected, cells.len().to_string()));
        }
        let state = match self.state[..] {
            [column] => number::list(&cells[column])
                .map_err(|found| Refusal::at_line(line, number::EXPECTED, found))?,
            _ => {
                let number = |&column: &usize| {
                    let cell = unquoted(&cells[column]);
                    number::finite(cell).ok_or_else(|| {
                        let found = format!("{:?} in column {}", shorten(cell), column + 1);
                        Refusal::at_line(line, "a number", found)
                    })
                };
                self.state.iter().map(number).collect::<Result<_, _>>()?
            }
        };
        let optimal = self.optimal.map(|column| unquoted(&cells[column]));
        let optimal = match optimal.filter(|cell| !UNKNOWN.contains(&cell.to_lowercase().as_str()))
        {
            None => None,
            Some(cell) => {
                let moves = number::optimal(number::finite(cell).unwrap_or(-1.0));
                let refused = |expected: &str| {
                    Refusal::at_line(
                        line,
                        format!("{expected}, in the column of optimal lengths"),
                        format!("{:?}", shorten(cell)),
                    )
                };
                Some(moves.map_err(refused)?)
            }
        };
        Ok(Instance { state, optimal, place: format!("line {line}") })
    }
}

/// Returns the columns that are numbered without gaps, such as `t0`, `t1`, ...: those of one name in the order of their
/// numbers, or all of them as they stand if together they are as many as a state has numbers.
fn numbered(names: &[String], length: Option<usize>) -> Option<Vec<usize>> {
    let mut groups: Vec<(&str, Vec<(usize, usize)>)> = Vec::new();
    for (column, name) in names.iter().enumerate() {
        let prefix = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let Ok(number) = name[prefix.len()..].parse::<usize>() else { continue };
        match groups.iter_mut().find(|(other, _)| *other == prefix) {
            Some((_, group)) => group.push((number, column)),
            None => groups.push((prefix, vec![(number, column)])),
        }
    }
    let fits = |count: usize| length.map_or(count > 1, |length| count == length);
    for (_, group) in &mut groups {
        group.sort_unstable();
        let from = group[0].0;
        let counted =
            from <= 1 && group.iter().enumerate().all(|(i, (number, _))| *number == from + i);
        if counted && fits(group.len()) {
            return Some(group.iter().map(|(_, column)| *column).collect());
        }
    }
    let mut all: Vec<usize> =
        groups.iter().flat_map(|(_, group)| group.iter().map(|(_, column)| *column)).collect();
    all.sort_unstable();
    (length.is_some() && fits(all.len())).then_some(all)
}
