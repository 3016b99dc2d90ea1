//! The addresses of an instance's buffers, and reading and writing them.

use super::{Function, Instance};
use twisterl_core::{Error, Result};

/// The longest text that is read, in bytes.
const LONGEST_TEXT: usize = 1 << 24;

/// A buffer: its position in the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Buffer {
    Key = 1,
    Slots,
    Discrete,
    Continuous,
    Rewards,
    Flags,
    Offsets,
    Indices,
    Values,
    Masks,
    State,
    Keys,
    Best,
}

/// Returns the address of a buffer in the layout at `layout`; `None` if the environment has none.
pub(super) fn address(instance: &dyn Instance, layout: u64, buffer: Buffer) -> Result<Option<u64>> {
    let width = instance.address_bytes();
    let place = layout.saturating_add((buffer as usize * width) as u64);
    let address = little_endian(instance.read(place, width)?);
    Ok(Some(address).filter(|&address| address != 0))
}

/// Returns the number of 4 or 8 bytes.
fn little_endian(bytes: &[u8]) -> u64 {
    let wide = bytes.try_into().map(u64::from_le_bytes);
    wide.or_else(|_| bytes.try_into().map(|four| u32::from_le_bytes(four).into())).unwrap_or(0)
}

/// Reads `count` numbers of `N` bytes each.
pub(super) fn numbers<'m, T, const N: usize>(
    instance: &'m dyn Instance,
    address: u64,
    count: usize,
    read: impl Fn([u8; N]) -> T + 'm,
) -> Result<impl ExactSizeIterator<Item = T> + 'm> {
    let bytes = count.checked_mul(N).ok_or_else(|| Error::internal("a buffer of 2^64 bytes"))?;
    Ok(instance.read(address, bytes)?.as_chunks::<N>().0.iter().map(move |&bytes| read(bytes)))
}

/// Reads the text that a function returns the address of.
pub(super) fn text(
    instance: &mut dyn Instance,
    function: Function,
    arguments: &[i32],
) -> Result<std::result::Result<String, String>> {
    let address = instance.call(function, arguments, 0)?;
    let Ok(address @ 1..) = u64::try_from(address) else { return Ok(Err("no text".into())) };
    text_at(instance, address)
}

/// Reads the text whose address and length stand at `address`.
pub(super) fn text_at(
    instance: &dyn Instance,
    address: u64,
) -> Result<std::result::Result<String, String>> {
    let width = instance.address_bytes();
    let span = instance.read(address, 2 * width)?;
    let (at, len) = span.split_at(width);
    let (at, len) = (little_endian(at), little_endian(len));
    let Some(len) = usize::try_from(len).ok().filter(|&len| len <= LONGEST_TEXT) else {
        return Ok(Err(format!("a text of {len} bytes, more than {LONGEST_TEXT}")));
    };
    if len == 0 {
        return Ok(Ok(String::new()));
    }
    let text = String::from_utf8(instance.read(at, len)?.to_vec());
    Ok(text.map_err(|error| format!("text that is not UTF-8: {error}")))
}
