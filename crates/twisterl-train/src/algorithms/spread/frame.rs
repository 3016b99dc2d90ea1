//! The bytes of questions and answers: a name and a version, a checksum, JSON, and a body.

use crate::system::files::{MAX_CHECKPOINT_STATE, MAX_WEIGHTS_FILE};
use crate::{Error, Result};
use serde_json::Value;
use twisterl_core::error::json;

/// The version of all messages. Workers of another one refuse to answer.
const VERSION: u32 = 1;
/// Bytes before the JSON: name, version, checksum of all that follows, length of the JSON.
const HEADER: usize = 8 + 4 + 4 + 8;

/// The name of a kind of message, its first bytes.
pub type Magic = [u8; 8];

/// A message that was read.
pub struct Frame<'a> {
    /// The CRC-32C of its JSON and body.
    pub checksum: u32,
    /// Small values.
    pub json: Value,
    /// Everything else.
    pub body: &'a [u8],
}

/// Returns the bytes of a message.
///
/// # Errors
/// If it is too long.
pub fn write(magic: Magic, json: &Value, body: &[u8]) -> Result<Vec<u8>> {
    let json = json.to_string();
    for (part, length, limit) in
        [("JSON", json.len(), MAX_CHECKPOINT_STATE), ("arrays", body.len(), MAX_WEIGHTS_FILE)]
    {
        if length as u64 > limit {
            let expected = format!("at most {limit} bytes of {part}");
            return Err(Error::checkpoint(name(magic), expected, length));
        }
    }
    let length = (json.len() as u64).to_le_bytes();
    let checksum = [&length[..], json.as_bytes(), body]
        .iter()
        .fold(0, |sum, bytes| crc32c::crc32c_append(sum, bytes));
    let mut bytes = Vec::with_capacity(HEADER + json.len() + body.len());
    bytes.extend(magic);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(checksum.to_le_bytes());
    bytes.extend(length);
    bytes.extend(json.as_bytes());
    bytes.extend(body);
    Ok(bytes)
}

/// Reads the bytes of [`write`]; `place` names them in errors.
///
/// # Errors
/// If they are another kind of message, of another version, or damaged.
pub fn read<'a>(magic: Magic, place: &str, bytes: &'a [u8]) -> Result<Frame<'a>> {
    let wrong = |expected: String, found: String| Error::checkpoint(place, expected, found);
    let Some((header, rest)) = bytes.split_at_checked(HEADER) else {
        let expected = format!("a message of at least {HEADER} bytes");
        return Err(wrong(expected, bytes.len().to_string()));
    };
    let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| header[at + i]));
    if header[..8] != magic {
        return Err(wrong(format!("a message that begins with {}", name(magic)), "another".into()));
    }
    let (version, checksum) = (number(8), number(12));
    if version != VERSION {
        let found = format!("version {version}: head and workers must run the same version");
        return Err(wrong(format!("a message of version {VERSION}"), found));
    }
    let found = crc32c::crc32c(&bytes[16..]);
    if found != checksum {
        let expected = format!("a message with the checksum {checksum:08x}");
        return Err(wrong(expected, format!("{found:08x}: it was damaged on its way")));
    }
    let length = u64::from_le_bytes(std::array::from_fn(|i| header[16 + i]));
    let parts = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
    let Some((text, body)) = parts else {
        return Err(wrong(format!("{length} bytes of JSON"), rest.len().to_string()));
    };
    let json = json::parse(text).map_err(|e| wrong("JSON".into(), e.to_string()))?;
    Ok(Frame { checksum, json, body })
}

fn name(magic: Magic) -> String {
    String::from_utf8_lossy(&magic).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    const MAGIC: Magic = *b"twtested";

    #[test]
    fn messages_come_back() {
        let bytes = write(MAGIC, &json!({"a": [1, 0.1f32]}), &[1, 2, 3]).unwrap();
        let frame = read(MAGIC, "x", &bytes).unwrap();
        assert_eq!((frame.json, frame.body), (json!({"a": [1, 0.1f32]}), &[1, 2, 3][..]));
    }

    #[test]
    fn other_bytes_are_refused() {
        let bytes = write(MAGIC, &json!({"a": 1}), &[7; 9]).unwrap();
        let refused = |bytes: &[u8]| read(MAGIC, "part 3", bytes).err().unwrap().to_string();
        for length in 0..bytes.len() {
            assert!(refused(&bytes[..length]).starts_with("part 3: expected "));
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(refused(&damaged).contains("expected a message"), "byte {at}");
        }
        assert!(refused(&[&bytes[..], &[0]].concat()).contains("checksum"));
        let other = write(*b"twothers", &json!(1), &[]).unwrap();
        assert!(refused(&other).contains("begins with twtested"));
    }
}
