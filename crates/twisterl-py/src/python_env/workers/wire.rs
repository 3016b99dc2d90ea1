//! Numbers, texts and observations as bytes, for the socket between a worker and the process that started it.

use bytemuck::Pod;
use std::borrow::Cow;
use std::io::{self, ErrorKind, Read, Write};
use twisterl_core::space::Observations;
use twisterl_core::{Error, Result};

/// The largest message: what its length can hold.
const MAX_LENGTH: usize = u32::MAX as usize;

/// Writes a message with its ticket.
///
/// # Errors
/// If the other side is gone.
pub(super) fn write_message(mut to: impl Write, ticket: u32, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(|_| {
        io::Error::new(
            ErrorKind::InvalidInput,
            format!("a message of more than {MAX_LENGTH} bytes"),
        )
    })?;
    let mut bytes = Vec::with_capacity(8 + message.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&ticket.to_le_bytes());
    bytes.extend_from_slice(message);
    to.write_all(&bytes)
}

/// Reads the next message and its ticket; `None` at the end.
pub(super) fn read_message(mut from: impl Read) -> Option<(u32, Vec<u8>)> {
    let (mut length, mut ticket) = ([0; 4], [0; 4]);
    from.read_exact(&mut length).ok()?;
    from.read_exact(&mut ticket).ok()?;
    let mut message = vec![0; u32::from_le_bytes(length) as usize];
    from.read_exact(&mut message).ok()?;
    Some((u32::from_le_bytes(ticket), message))
}

/// Appends values to a message.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// Appends numbers as this machine stores them, on which both sides are.
    fn values(&mut self, numbers: &[impl Pod]) {
        let bytes: &[u8] = bytemuck::cast_slice(numbers);
        // Exactly, since observations may be large.
        self.0.reserve(8 + bytes.len());
        self.number(numbers.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn u32s(&mut self, numbers: &[u32]) {
        self.values(numbers);
    }

    pub(super) fn u64s(&mut self, numbers: &[u64]) {
        self.values(numbers);
    }

    pub(super) fn f32s(&mut self, numbers: &[f32]) {
        self.values(numbers);
    }

    pub(super) fn f64s(&mut self, numbers: &[f64]) {
        self.values(numbers);
    }

    pub(super) fn bools(&mut self, flags: &[bool]) {
        self.number(flags.len() as u64);
        self.0.extend(flags.iter().map(|&flag| u8::from(flag)));
    }

    pub(super) fn observations(&mut self, observations: &Observations) {
        let lengths: Vec<u32> =
            (0..observations.len()).map(|row| observations.ones(row).len() as u32).collect();
        self.u32s(&lengths);
        self.u32s(observations.indices());
        self.f32s(observations.dense());
    }
}

/// Takes values from a message.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| Error::internal("a message of a worker process ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| Error::internal("a slice of another length"))
    }

    /// Takes numbers, without a copy where they are aligned.
    fn numbers<T: Pod>(&mut self) -> Result<Cow<'a, [T]>> {
        let count = self.size()?;
        let bytes = self.take(count.saturating_mul(size_of::<T>()))?;
        Ok(bytemuck::try_cast_slice(bytes).map_or_else(
            |_| {
                let mut values = vec![T::zeroed(); count];
                bytemuck::cast_slice_mut(&mut values).copy_from_slice(bytes);
                Cow::Owned(values)
            },
            Cow::Borrowed,
        ))
    }

    fn values<T: Pod>(&mut self) -> Result<Vec<T>> {
        Ok(self.numbers()?.into_owned())
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn number(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn size(&mut self) -> Result<usize> {
        usize::try_from(self.number()?).map_err(|_| Error::internal("a size of more than memory"))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8]> {
        let count = self.size()?;
        self.take(count)
    }

    pub(super) fn text(&mut self) -> Result<String> {
        Ok(String::from_utf8_lossy(self.bytes()?).into_owned())
    }

    pub(super) fn u32s(&mut self) -> Result<Vec<u32>> {
        self.values()
    }

    pub(super) fn u64s(&mut self) -> Result<Vec<u64>> {
        self.values()
    }

    pub(super) fn f32s(&mut self) -> Result<Vec<f32>> {
        self.values()
    }

    pub(super) fn f64s(&mut self) -> Result<Vec<f64>> {
        self.values()
    }

    pub(super) fn bools(&mut self) -> Result<Vec<bool>> {
        Ok(self.bytes()?.iter().map(|&flag| flag != 0).collect())
    }

    pub(super) fn slots(&mut self) -> Result<Vec<usize>> {
        Ok(self.u64s()?.into_iter().map(|slot| slot as usize).collect())
    }

    /// Appends the observations of the message to `observations`, and returns their number.
    pub(super) fn observations(&mut self, observations: &mut Observations) -> Result<usize> {
        let (lengths, indices, values) = (self.u32s()?, self.u32s()?, self.numbers::<f32>()?);
        let width = values.len() / lengths.len().max(1);
        let (mut ones, mut dense) = (&indices[..], &*values);
        for &length in &lengths {
            let (of_row, others) = ones
                .split_at_checked(length as usize)
                .ok_or_else(|| Error::internal("rows of other lengths than their indices"))?;
            // There are `width` values for each row.
            let (values, rest) = dense.split_at(width);
            (ones, dense) = (others, rest);
            observations.push_with(|row| {
                row.ones(of_row.iter().map(|&one| one as usize));
                row.values(values);
            });
        }
        Ok(lengths.len())
    }
}
