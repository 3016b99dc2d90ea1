//! Messages between a head and its worker processes: a kind, the length of the data, and the data.

use crate::system::files::{MAX_CHECKPOINT_STATE, MAX_WEIGHTS_FILE};
use std::io::{self, Read, Write};

/// The kind of a message.
pub type Kind = u8;
/// The config of a run, from the head.
pub const CONFIG: Kind = b'C';
/// A question, from the head.
pub const QUESTION: Kind = b'Q';
/// The number of a part to answer, from the head.
pub const PART: Kind = b'P';
/// An answer, from a worker.
pub const ANSWER: Kind = b'A';
/// The text of a failure, from a worker.
pub const FAILURE: Kind = b'F';

/// The longest data of a message.
const MAX: u64 = MAX_CHECKPOINT_STATE + MAX_WEIGHTS_FILE + 1024;

/// Writes a message.
///
/// # Errors
/// If the other side has gone away.
pub fn write(file: &mut impl Write, kind: Kind, data: &[u8]) -> io::Result<()> {
    file.write_all(&[kind])?;
    file.write_all(&(data.len() as u64).to_le_bytes())?;
    file.write_all(data)?;
    file.flush()
}

/// Reads a message; `None` at the end, also if that is in the middle of one, or what follows is none.
pub fn read(file: &mut impl Read) -> Option<(Kind, Vec<u8>)> {
    let (mut kind, mut length) = ([0], [0; 8]);
    file.read_exact(&mut kind).ok()?;
    file.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    if length > MAX {
        return None;
    }
    let mut data = Vec::new();
    file.take(length).read_to_end(&mut data).ok()?;
    (data.len() as u64 == length).then_some((kind[0], data))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn messages_come_back_and_what_is_cut_or_too_long_ends_the_stream() {
        let mut bytes = Vec::new();
        write(&mut bytes, PART, b"12").unwrap();
        write(&mut bytes, ANSWER, b"").unwrap();
        let mut file = &bytes[..];
        assert_eq!(read(&mut file), Some((PART, b"12".to_vec())));
        assert_eq!(read(&mut file), Some((ANSWER, vec![])));
        assert_eq!(read(&mut file), None);
        for length in 0..11 {
            assert_eq!(read(&mut &bytes[..length]), None);
        }
        assert_eq!(read(&mut &[&b"A"[..], &[255; 8]].concat()[..]), None);
    }
}
