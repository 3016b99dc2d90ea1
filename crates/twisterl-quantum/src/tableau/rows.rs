//! Square matrices over GF(2), a word a row.

use twisterl_core::Result;
use twisterl_core::env::whole_numbers;
use twisterl_core::space::ObservationRow;

/// A matrix of at most 64 rows.
#[derive(Debug)]
pub(super) struct Rows {
    /// The rows, the first column in the lowest bit.
    rows: Vec<u64>,
    /// The number of rows that are not those of the identity.
    wrong: u32,
}

impl Clone for Rows {
    fn clone(&self) -> Self {
        Self { rows: self.rows.clone(), wrong: self.wrong }
    }

    fn clone_from(&mut self, source: &Self) {
        self.rows.clone_from(&source.rows);
        self.wrong = source.wrong;
    }
}

impl Rows {
    pub(super) fn identity(side: usize) -> Self {
        Self { rows: (0..side).map(|row| 1 << row).collect(), wrong: 0 }
    }

    pub(super) fn new(rows: Vec<u64>) -> Self {
        let wrong = rows.iter().enumerate().filter(|&(i, &row)| row != 1 << i).count() as u32;
        Self { rows, wrong }
    }

    /// Reads a matrix row by row.
    pub(super) fn read(side: usize, state: &[f64]) -> Result<Vec<u64>> {
        let mut rows = vec![0; side];
        for (place, entry) in whole_numbers(state, 2).enumerate() {
            let entry = entry?;
            if let Some(row) = rows.get_mut(place / side) {
                *row |= (entry as u64) << (place % side);
            }
        }
        Ok(rows)
    }

    pub(super) fn write(&self, out: &mut Vec<f64>) {
        let side = self.rows.len();
        for row in &self.rows {
            out.extend((0..side).map(|column| (row >> column & 1) as f64));
        }
    }

    pub(super) fn rows(&self) -> &[u64] {
        &self.rows
    }

    pub(super) fn restart(&mut self) {
        self.rows.iter_mut().enumerate().for_each(|(i, row)| *row = 1 << i);
        self.wrong = 0;
    }

    /// The number of rows that are not those of the identity.
    #[inline]
    pub(super) fn wrong(&self) -> u32 {
        self.wrong
    }

    /// Adds row `from` to row `to`.
    #[inline]
    pub(super) fn add(&mut self, to: usize, from: usize) {
        let row = self.rows[to] ^ self.rows[from];
        self.replace(to, row);
    }

    /// Adds a row that is given to row `to`.
    #[inline]
    pub(super) fn add_row(&mut self, to: usize, row: u64) {
        let row = self.rows[to] ^ row;
        self.replace(to, row);
    }

    #[inline]
    pub(super) fn swap(&mut self, a: usize, b: usize) {
        let (first, second) = (self.rows[a], self.rows[b]);
        self.replace(a, second);
        self.replace(b, first);
    }

    #[inline]
    fn replace(&mut self, at: usize, row: u64) {
        let right = 1 << at;
        self.wrong += u32::from(row != right);
        self.wrong -= u32::from(self.rows[at] != right);
        self.rows[at] = row;
    }

    /// Writes the ones.
    #[inline]
    pub(super) fn observe(&self, out: &mut ObservationRow<'_>) {
        observe(&self.rows, self.rows.len(), out);
    }

    /// Writes the ones, and those of `below` after them, a matrix with as many columns.
    #[inline]
    pub(super) fn observe_above(&self, below: &Self, out: &mut ObservationRow<'_>) {
        observe(self.rows.iter().chain(&below.rows), self.rows.len(), out);
    }

    pub(super) fn relabelled(&self, image: &[u32]) -> Self {
        let mut rows = vec![0; self.rows.len()];
        for (&row, &to) in self.rows.iter().zip(image) {
            let ones = image.iter().enumerate().filter(|&(column, _)| row >> column & 1 == 1);
            rows[to as usize] = ones.fold(0, |row, (_, &to)| row | 1 << to);
        }
        Self::new(rows)
    }

    /// Returns the inverse of an invertible matrix (Gauss and Jordan).
    pub(super) fn inverse(&self) -> Self {
        let (mut rows, mut inverse) = (self.rows.clone(), Self::identity(self.rows.len()).rows);
        for column in 0..rows.len() {
            // States are invertible, so that one of the rows from here on has a 1.
            let pivot = (column..rows.len()).find(|&row| rows[row] >> column & 1 == 1);
            let pivot = pivot.unwrap_or(column);
            rows.swap(column, pivot);
            inverse.swap(column, pivot);
            let (row, image) = (rows[column], inverse[column]);
            for other in (0..rows.len()).filter(|&other| other != column) {
                if rows[other] >> column & 1 == 1 {
                    rows[other] ^= row;
                    inverse[other] ^= image;
                }
            }
        }
        Self::new(inverse)
    }

    pub(super) fn transposed(&self) -> Self {
        let column = |column: usize| {
            let ones = self.rows.iter().enumerate().map(|(i, row)| (row >> column & 1) << i);
            ones.fold(0, |all, one| all | one)
        };
        Self::new((0..self.rows.len()).map(column).collect())
    }

    /// Returns the matrix as text, in blocks of `block` rows and columns.
    pub(super) fn render(&self, block: usize) -> String {
        let side = self.rows.len();
        let line = |row: &u64| {
            let mut line = String::new();
            for column in 0..side {
                let gap = if column == 0 {
                    ""
                } else if column % block == 0 {
                    " | "
                } else {
                    " "
                };
                line += gap;
                line += if row >> column & 1 == 1 { "1" } else { "·" };
            }
            line
        };
        let mut lines = Vec::new();
        for (i, row) in self.rows.iter().enumerate() {
            let line = line(row);
            if i > 0 && i % block == 0 {
                lines.push("-".repeat(line.chars().count()));
            }
            lines.push(line);
        }
        lines.join("\n")
    }
}

/// Writes the ones of rows of `side` bits, word by word of the bits without gaps between rows.
#[inline]
fn observe<'a>(rows: impl IntoIterator<Item = &'a u64>, side: usize, out: &mut ObservationRow<'_>) {
    let side = side as u32; // at most 64
    let (mut word, mut filled, mut first) = (0, 0, 0);
    for &row in rows {
        word |= row << filled;
        filled += side;
        if filled >= u64::BITS {
            out.word(word, u64::BITS, first);
            filled -= u64::BITS;
            // The bits that did not fit; a shift by 64 leaves none.
            word = row.checked_shr(side - filled).unwrap_or(0);
            first += u64::BITS as usize;
        }
    }
    out.word(word, filled, first);
}

/// The span of some rows.
#[derive(Default)]
pub(super) struct Span {
    /// Reduced rows, each with its leading bit, which no other row has as its own.
    basis: Vec<(u64, u64)>,
}

impl Span {
    /// Adds a row. Returns false if it is in the span already.
    pub(super) fn add(&mut self, mut row: u64) -> bool {
        for &(reduced, leading) in &self.basis {
            if row & leading != 0 {
                row ^= reduced;
            }
        }
        self.basis.push((row, row & row.wrapping_neg()));
        if row == 0 {
            self.basis.pop();
        }
        row != 0
    }
}
