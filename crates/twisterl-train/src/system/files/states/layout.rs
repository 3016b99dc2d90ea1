//! The meaning of the numbers of plain text: states, rows of boards, indices, and lengths of shortest solutions.
//!
//! A line of as many numbers as a state has is a state. One number more is an index before it (Korf's list of 100
//! 15-puzzles, "Depth-first iterative-deepening", 1985) or the length of a shortest solution behind it; two more are both.
//! Punctuation that sets the state apart decides; otherwise [`one_more`] does. Lines of fewer numbers are rows of a board.

use super::text::Row;
use super::{Entry, Instance, StateChecker, number};

/// Returns the states of the lines. A line that fits no layout is taken for a state, which the environment then refuses.
pub(super) fn instances(rows: &[Row], checker: &mut StateChecker) -> Vec<Entry> {
    let Some(length) = checker.length() else {
        return rows.iter().map(|row| Column::None.instance(row)).collect();
    };
    if let Some(boards) = boards(rows, length, checker) {
        return boards;
    }
    let one_more = one_more(rows, length, checker);
    let column = |row: &Row| {
        Column::set_apart(row, length).unwrap_or(match row.numbers.len().checked_sub(length) {
            Some(1) => one_more,
            Some(2) => Column::Both,
            _ => Column::None,
        })
    };
    rows.iter().map(|row| column(row).instance(row)).collect()
}

/// The numbers of a line beside the state.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Column {
    None,
    Index,
    Optimal,
    Both,
}

impl Column {
    /// Returns the numbers beside the state of a line whose punctuation sets the state apart.
    fn set_apart(row: &Row, length: usize) -> Option<Self> {
        let state = row.set_apart.as_ref().filter(|state| state.len() == length)?;
        match (state.start, row.numbers.len() - state.end) {
            (1, 0) => Some(Self::Index),
            (0, 1) => Some(Self::Optimal),
            (1, 1) => Some(Self::Both),
            _ => None,
        }
    }

    fn state(self, numbers: &[f64]) -> &[f64] {
        match (self, numbers) {
            (Self::Index, [_, state @ ..]) => state,
            (Self::Optimal, [state @ .., _]) => state,
            (Self::Both, [_, state @ .., _]) => state,
            (_, numbers) => numbers,
        }
    }

    fn instance(self, row: &Row) -> Entry {
        if let Some(refusal) = &row.refusal {
            return Err(refusal.clone());
        }
        let place = format!("line {}", row.line);
        let last = row.numbers.last().filter(|_| matches!(self, Self::Optimal | Self::Both));
        Ok(match last.map(|last| number::optimal(*last)) {
            // With its last number the line is too long for a state, so that the environment refuses it.
            Some(Err(_)) => Instance { state: row.numbers.clone(), optimal: None, place },
            optimal => Instance {
                state: self.state(&row.numbers).to_vec(),
                optimal: optimal.and_then(Result::ok),
                place,
            },
        })
    }
}

/// Returns the column that the lines with one number more than a state have: that which leaves more states of the
/// environment. If both leave as many, it is an index if it counts the lines, and the length of a solution otherwise. A
/// single line is not counted: its number more is a length.
fn one_more(rows: &[Row], length: usize, checker: &mut StateChecker) -> Column {
    let decided = |row: &&Row| Column::set_apart(row, length).is_some();
    let rows: Vec<_> =
        rows.iter().filter(|row| row.numbers.len() == length + 1 && !decided(row)).collect();
    let mut accepted = |column: Column| {
        rows.iter().filter(|row| is_state(checker, column.state(&row.numbers))).count()
    };
    let counts = |from: f64| {
        rows.iter().enumerate().all(|(i, row)| row.numbers.first() == Some(&(from + i as f64)))
    };
    match (accepted(Column::Index), accepted(Column::Optimal)) {
        (index, optimal) if index > optimal => Column::Index,
        (index, optimal) if index < optimal => Column::Optimal,
        _ if rows.len() > 1 && (counts(0.0) || counts(1.0)) => Column::Index,
        _ => Column::Optimal,
    }
}

/// Returns the boards that are written with one row a line, if all lines are rows of boards of `length` cells. A line
/// with the sides may stand before each board.
fn boards(rows: &[Row], length: usize, checker: &mut StateChecker) -> Option<Vec<Entry>> {
    let mut accepted = |boards: &Vec<Entry>| {
        boards.iter().flatten().filter(|board| is_state(checker, &board.state)).count()
    };
    let plain = boards_with(rows, length, false);
    let count = plain.as_ref().map_or(0, &mut accepted);
    if plain.as_ref().is_some_and(|boards| boards.len() == count) {
        return plain;
    }
    // Sides may look like a row of a board of two columns.
    boards_with(rows, length, true).filter(|boards| accepted(boards) > count).or(plain)
}

fn boards_with(rows: &[Row], length: usize, sides: bool) -> Option<Vec<Entry>> {
    let mut rows = rows;
    let mut boards = Vec::new();
    while let [first, after @ ..] = rows {
        let board = match sides {
            true if is_sides(first, after, length) => after,
            true => return None,
            false => rows,
        };
        let width = board.first()?.numbers.len();
        if width == 0 || width >= length || !length.is_multiple_of(width) {
            return None;
        }
        let (board, rest) = board.split_at_checked(length / width)?;
        if board.iter().any(|row| row.numbers.len() != width) {
            return None;
        }
        boards.push(match board.iter().find_map(|row| row.refusal.clone()) {
            Some(refusal) => Err(refusal),
            None => Ok(Instance {
                state: board.iter().flat_map(|row| row.numbers.iter().copied()).collect(),
                optimal: None,
                place: format!("line {}", first.line),
            }),
        });
        rows = rest;
    }
    Some(boards)
}

/// Returns true if the numbers are a state of the environment.
fn is_state(checker: &mut StateChecker, numbers: &[f64]) -> bool {
    numbers.iter().all(|number| number.is_finite()) && checker.check(numbers).is_ok()
}

/// Returns true if a line holds the sides of the board below it: one number for a square board, or both.
fn is_sides(line: &Row, board: &[Row], length: usize) -> bool {
    let width = board.first().map_or(0, |row| row.numbers.len());
    let height = length.checked_div(width).unwrap_or(0);
    let (width, height) = (width as f64, height as f64);
    match line.numbers[..] {
        [side] => side == width && side == height,
        [a, b] => [a, b] == [height, width] || [a, b] == [width, height],
        _ => false,
    }
}
