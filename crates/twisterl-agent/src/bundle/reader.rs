//! Reading of untrusted bytes.

use twisterl_core::{Error, Result};

/// Bytes that are read from the front. Errors name the place, such as `data section`.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    place: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(place: &'static str, bytes: &'a [u8]) -> Self {
        Self { place, rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns the bytes that were not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Returns the error of this place.
    pub(super) fn error(&self, expected: impl Into<String>, found: impl ToString) -> Error {
        Error::bundle(self.place, expected, found)
    }

    /// Reads `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.error(format!("{count} more bytes"), self.rest.len())),
        }
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        let taken = self.take(1)?;
        Ok(taken.first().copied().unwrap_or_default())
    }

    /// Reads an unsigned LEB128 number of 32 bits.
    pub(super) fn unsigned(&mut self) -> Result<u32> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let refused = || self.error("a number of 32 bits", value);
                return u32::try_from(value).map_err(|_| refused());
            }
        }
        Err(self.error("a number of 32 bits", "one of more than 5 bytes"))
    }

    /// Reads a signed LEB128 number of at most 64 bits.
    pub(super) fn signed(&mut self) -> Result<i64> {
        let mut value = 0_i128;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= i128::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let negative = if byte & 0x40 == 0 { 0 } else { 1 << (shift + 7) };
                let refused = || self.error("a number of 64 bits", value - negative);
                return i64::try_from(value - negative).map_err(|_| refused());
            }
        }
        Err(self.error("a number of 64 bits", "one of more than 10 bytes"))
    }

    /// Reads as many bytes as the number before them says.
    pub(super) fn counted(&mut self) -> Result<&'a [u8]> {
        let count = self.unsigned()?;
        // usize has at least 32 bits wherever there is std.
        self.take(count as usize)
    }

    /// Reads a little-endian number.
    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let place = self.clone();
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| place.error(format!("{N} bytes"), taken.len()))
    }
}

/// Appends an unsigned LEB128 number.
pub(super) fn write_unsigned(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed LEB128 number.
pub(super) fn write_signed(mut value: i32, out: &mut Vec<u8>) {
    while !(-0x40..0x40).contains(&value) {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8 & 0x7f);
}
