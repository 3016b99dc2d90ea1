//! Payloads in native executables: behind their end, followed by a trailer of 16 bytes, the payload's length and [`MAGIC`].
//!
//! Linux ignores what stands behind the end of an executable. Other systems sign theirs, or check their lengths.

use super::check_length;
use super::reader::Reader;
use twisterl_core::{Error, Result};

/// The last bytes of a bundle that is an executable.
pub const MAGIC: [u8; 8] = *b"twstrl01";
const TRAILER: usize = 16;

/// Returns the bundle of an executable for Linux and a payload.
///
/// # Errors
/// If `runner` is no executable for Linux, or has a payload already.
pub fn append(runner: &[u8], payload: &[u8]) -> Result<Vec<u8>> {
    check_length(payload)?;
    if !runner.starts_with(b"\x7fELF") {
        let found = match runner {
            [b'M', b'Z', ..] => "a program for Windows",
            [0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => "a program for macOS",
            _ => "a file of another kind",
        };
        return Err(Error::bundle("runner", "a program for Linux (ELF)", found));
    }
    if runner.ends_with(&MAGIC) {
        let found = "a bundle, which has a policy already";
        return Err(Error::bundle("runner", "a program without a payload", found));
    }
    let length = (payload.len() as u64).to_le_bytes();
    Ok([runner, payload, &length, &MAGIC].concat())
}

/// Returns true if a program has a payload at its end.
pub fn has_payload(program: &[u8]) -> bool {
    program.ends_with(&MAGIC)
}

/// Returns the payload of a bundle that is an executable.
///
/// # Errors
/// If `program` has none, or the trailer claims more than there is.
pub fn payload(program: &[u8]) -> Result<&[u8]> {
    let (rest, trailer) = match program.len().checked_sub(TRAILER) {
        Some(end) if has_payload(program) => program.split_at(end),
        _ => {
            let expected = "a program with a policy behind its end";
            return Err(Error::bundle("trailer", expected, "none (is the file complete?)"));
        }
    };
    let length = u64::from_le_bytes(Reader::new("trailer", trailer).fixed()?);
    let start = usize::try_from(length).ok().and_then(|length| rest.len().checked_sub(length));
    match start {
        Some(start) => Ok(rest.split_at(start).1),
        None => {
            let expected = format!("a payload of at most {} bytes before it", rest.len());
            Err(Error::bundle("trailer", expected, format!("a length of {length}")))
        }
    }
}
