//! Observation spaces: sparse bits, dense values, or both.

use crate::error::counts::counted;
use crate::error::tagged_enum;
use crate::{Error, Result};
use std::ops::Range;

tagged_enum! {
    /// The observation space of an environment.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum ObservationSpace {
        /// Bits, given as the indices of the ones in the flattened `shape`.
        SparseBinary {
            /// Shape of the bits.
            shape: Vec<usize>,
        },
        /// Real numbers of a fixed shape, row-major.
        Dense {
            /// Shape of the values.
            shape: Vec<usize>,
        },
        /// Both: bits as in [`SparseBinary`](Self::SparseBinary), and real numbers as in [`Dense`](Self::Dense).
        Mixed {
            /// Shape of the bits.
            bits: Vec<usize>,
            /// Shape of the values.
            values: Vec<usize>,
        },
    }
}

impl ObservationSpace {
    /// Returns the shape; of mixed observations the shape of the bits.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::SparseBinary { shape } | Self::Dense { shape } => shape,
            Self::Mixed { bits, .. } => bits,
        }
    }

    /// Returns the number of bits and values; 0 for an empty shape, `None` if the product overflows.
    pub fn size(&self) -> Option<usize> {
        self.bits()?.checked_add(self.values()?)
    }

    /// Returns the number of bits; 0 for dense observations, `None` if the product overflows.
    pub fn bits(&self) -> Option<usize> {
        match self {
            Self::SparseBinary { shape } | Self::Mixed { bits: shape, .. } => product(shape),
            Self::Dense { .. } => Some(0),
        }
    }

    /// Returns the number of dense values; 0 for sparse observations, `None` if the product overflows.
    pub fn values(&self) -> Option<usize> {
        match self {
            Self::Dense { shape } | Self::Mixed { values: shape, .. } => product(shape),
            Self::SparseBinary { .. } => Some(0),
        }
    }
}

fn product(shape: &[usize]) -> Option<usize> {
    match shape {
        [] => Some(0),
        shape => shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)),
    }
}

/// A batch of observations. Bits are stored as offsets and indices of the ones, dense values row-major; the array of a kind
/// that the space does not have stays empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observations {
    rows: usize,
    /// The end of each row in `indices`, `[rows]`.
    offsets: Vec<u32>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl Observations {
    /// Returns an empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Returns true if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Drops all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.rows = 0;
        self.offsets.clear();
        self.indices.clear();
        self.values.clear();
    }

    /// Appends a row that `write` fills.
    #[inline]
    pub fn push_with(&mut self, write: impl FnOnce(&mut ObservationRow<'_>)) {
        write(&mut ObservationRow { indices: &mut self.indices, values: &mut self.values });
        self.offsets.push(self.indices.len() as u32);
        self.rows += 1;
    }

    /// Appends a sparse row with the bits `ones` set.
    pub fn push_ones(&mut self, ones: &[u32]) {
        self.push_with(|row| row.ones(ones.iter().map(|&i| i as usize)));
    }

    /// Appends a row for each of `ends`, the ends of their ones in `indices`. The values of all rows are `values`.
    pub fn push_rows(&mut self, ends: &[u32], indices: &[u32], values: &[f32]) {
        let base = self.indices.len() as u32;
        self.rows += ends.len();
        self.offsets.extend(ends.iter().map(|end| end + base));
        self.indices.extend_from_slice(indices);
        self.values.extend_from_slice(values);
    }

    /// Returns the end of the ones of each row in [`indices`](Self::indices), `[rows]`.
    pub fn ends(&self) -> &[u32] {
        &self.offsets
    }

    /// Appends all rows of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.push_rows(&other.offsets, &other.indices, &other.values);
    }

    /// Appends row `i` of `other`.
    ///
    /// # Panics
    /// If `other` does not have as many rows.
    pub fn push_row(&mut self, other: &Self, i: usize) {
        self.indices.extend_from_slice(other.ones(i));
        self.values.extend_from_slice(other.values(i));
        self.offsets.push(self.indices.len() as u32);
        self.rows += 1;
    }

    /// The place of the ones of row `i` in `indices`.
    #[inline]
    fn place(&self, i: usize) -> Range<usize> {
        let start = if i == 0 { 0 } else { self.offsets[i - 1] as usize };
        start..self.offsets[i] as usize
    }

    /// Returns the indices of the ones of row `i`.
    ///
    /// # Panics
    /// If there are not as many rows.
    #[inline]
    pub fn ones(&self, i: usize) -> &[u32] {
        &self.indices[self.place(i)]
    }

    /// Returns the indices of the ones of row `i`, to be replaced by as many others.
    pub(crate) fn ones_mut(&mut self, i: usize) -> &mut [u32] {
        let place = self.place(i);
        &mut self.indices[place]
    }

    /// Returns the dense values of row `i`.
    ///
    /// # Panics
    /// If there are not as many rows.
    #[inline]
    pub fn values(&self, i: usize) -> &[f32] {
        let width = self.values.len() / self.rows;
        &self.values[i * width..(i + 1) * width]
    }

    /// All indices of ones, row after row.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// All dense values, `[rows, values]`.
    pub fn dense(&self) -> &[f32] {
        &self.values
    }

    /// All dense values, `[rows, values]`, to be changed in place.
    pub fn dense_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Returns the dense values of some rows, `[rows, size]`.
    ///
    /// # Errors
    /// If rows do not have `size` values.
    pub(crate) fn dense_rows(&self, rows: Range<usize>, size: usize) -> Result<&[f32]> {
        let values = self.values.get(rows.start * size..rows.end * size);
        values.filter(|_| self.values.len() == self.rows * size).ok_or_else(|| {
            let found = self.lengths();
            Error::observation(format!("{} a row", counted(size, "value")), found)
        })
    }

    /// Writes some rows to `out`, `[rows, bits + values]`: bits as zeros and ones, followed by the dense values.
    ///
    /// # Errors
    /// If an index is out of range, or rows have another number of values.
    pub fn write(
        &self,
        rows: Range<usize>,
        (bits, values): (usize, usize),
        out: &mut [f32],
    ) -> Result<()> {
        self.dense_rows(rows.clone(), values)?;
        out.fill(0.0);
        for (row, out) in rows.zip(out.chunks_exact_mut((bits + values).max(1))) {
            let (zeros, behind) = out.split_at_mut(bits);
            for &one in self.ones(row) {
                match zeros.get_mut(one as usize) {
                    Some(bit) => *bit = 1.0,
                    None => return Err(Error::observation(format!("indices below {bits}"), one)),
                }
            }
            behind.copy_from_slice(self.values(row));
        }
        Ok(())
    }

    /// Describes the numbers of values and rows, for errors.
    fn lengths(&self) -> String {
        format!("{} in {}", counted(self.values.len(), "value"), counted(self.rows, "row"))
    }

    /// Returns `Ok` if every row is an element of `space`.
    ///
    /// # Errors
    /// The first index that is out of range, or a wrong number of values.
    pub fn check(&self, space: &ObservationSpace) -> Result<()> {
        // A size that overflows is larger than any batch.
        let bits = space.bits().unwrap_or(usize::MAX);
        let values = space.values().unwrap_or(usize::MAX);
        if let Some(index) = self.indices.iter().find(|&&i| i as usize >= bits) {
            return Err(match bits {
                0 => Error::observation("dense values", format!("index {index} of a one")),
                bits => Error::observation(format!("indices below {bits}"), index),
            });
        }
        if self.values.len() != values.saturating_mul(self.rows) {
            let found = self.lengths();
            return Err(Error::observation(format!("{} a row", counted(values, "value")), found));
        }
        Ok(())
    }
}

/// The places of the ones of each byte, in ascending order and followed by others, and their number.
static PLACES: [([u32; 8], usize); 256] = {
    let mut all = [([0; 8], 0); 256];
    let mut byte = 0;
    while byte < all.len() {
        let (places, count) = &mut all[byte];
        let mut bit = 0;
        while bit < u8::BITS {
            if byte >> bit & 1 == 1 {
                places[*count] = bit;
                *count += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    all
};

/// The row of a batch to which an environment writes its observation.
#[derive(Debug)]
pub struct ObservationRow<'a> {
    indices: &'a mut Vec<u32>,
    values: &'a mut Vec<f32>,
}

impl ObservationRow<'_> {
    /// Sets bit `index`.
    #[inline]
    pub fn one(&mut self, index: usize) {
        self.indices.push(index as u32);
    }

    /// Sets the bits `indices`.
    #[inline]
    pub fn ones(&mut self, indices: impl IntoIterator<Item = usize>) {
        self.indices.extend(indices.into_iter().map(|i| i as u32));
    }

    /// Sets the bits of the ones among the first `bits` bits of a word, the first of which is bit `first`. The time does not
    /// depend on the ones: a loop over them is mispredicted at each of its ends.
    #[inline]
    pub fn word(&mut self, word: u64, bits: u32, first: usize) {
        let mut first = first as u32;
        for byte in word.to_le_bytes().into_iter().take(bits.div_ceil(8) as usize) {
            let (places, count) = &PLACES[usize::from(byte)];
            let end = self.indices.len() + count;
            self.indices.extend_from_slice(&places.map(|place| first + place));
            self.indices.truncate(end);
            first += u8::BITS;
        }
    }

    /// Appends dense values.
    #[inline]
    pub fn values(&mut self, values: &[f32]) {
        self.values.extend_from_slice(values);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sparse_rows_read_back_as_written() {
        let mut batch = Observations::new();
        batch.push_ones(&[1, 5]);
        batch.push_ones(&[]);
        batch.push_ones(&[7]);
        assert_eq!((batch.ones(0), batch.ones(1), batch.ones(2)), (&[1, 5][..], &[][..], &[7][..]));
        let mut twice = batch.clone();
        twice.extend(&batch);
        assert_eq!((twice.len(), twice.ones(3), twice.ones(5)), (6, &[1, 5][..], &[7][..]));
        batch.check(&ObservationSpace::SparseBinary { shape: vec![2, 4] }).unwrap();
        assert!(batch.check(&ObservationSpace::SparseBinary { shape: vec![7] }).is_err());
    }

    #[test]
    fn words_set_the_bits_of_their_ones() {
        let mut batch = Observations::new();
        for word in [0, 1, 1 << 63, u64::MAX, 0x8000_0100_0040_0021] {
            batch.push_with(|row| {
                row.one(3);
                row.word(word, u64::BITS, 10);
                row.word(word & 0x7ff, 11, 100);
            });
        }
        assert_eq!((batch.ones(0), batch.ones(1)), (&[3][..], &[3, 10, 100][..]));
        assert_eq!(batch.ones(2), [3, 73]);
        let all: Vec<u32> = [3].into_iter().chain(10..74).chain(100..111).collect();
        assert_eq!(batch.ones(3), all);
        assert_eq!(batch.ones(4), [3, 10, 15, 32, 50, 73, 100, 105]);
    }

    #[test]
    fn dense_rows_read_back_as_written() {
        let mut batch = Observations::new();
        batch.push_with(|row| row.values(&[1.0, 2.0]));
        batch.push_with(|row| row.values(&[3.0, 4.0]));
        assert_eq!(batch.values(1), &[3.0, 4.0]);
        batch.check(&ObservationSpace::Dense { shape: vec![2] }).unwrap();
        assert!(batch.check(&ObservationSpace::Dense { shape: vec![3] }).is_err());
    }

    #[test]
    fn mixed_rows_read_back_as_written() {
        let mut batch = Observations::new();
        for (ones, value) in [(&[1, 2][..], 0.5), (&[0][..], -0.5)] {
            batch.push_with(|row| {
                row.ones(ones.iter().copied());
                row.values(&[value]);
            });
        }
        let mut copy = Observations::new();
        copy.push_row(&batch, 1);
        copy.push_row(&batch, 0);
        assert_eq!((copy.ones(1), copy.values(1)), (&[1, 2][..], &[0.5][..]));
        let space =
            |bits, values| ObservationSpace::Mixed { bits: vec![bits], values: vec![values] };
        assert_eq!(space(3, 1).size(), Some(4));
        batch.check(&space(3, 1)).unwrap();
        assert!(batch.check(&space(2, 1)).is_err() && batch.check(&space(3, 2)).is_err());
        assert!(batch.check(&ObservationSpace::Dense { shape: vec![1] }).is_err());
    }
}
