//! Untrusted bytes as text.

/// The mark with which some editors begin UTF-8 text.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// Bytes that are not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotUtf8 {
    /// The first such byte, if the encoding is not known as another one.
    pub offset: Option<usize>,
    /// The encoding, or the bytes in words.
    pub found: String,
}

/// Returns the text of a file without its byte-order mark.
///
/// # Errors
/// If it is not UTF-8.
pub fn decode(bytes: &[u8]) -> Result<&str, NotUtf8> {
    let other = match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        // Without a mark, every other byte of plain text is zero.
        [0, b'{' | b'[' | b'"', 0, _, ..] | [b'{' | b'[' | b'"', 0, _, 0, ..] => Some("UTF-16"),
        _ => None,
    };
    if let Some(encoding) = other {
        let found = format!("{encoding} (save the file as UTF-8)");
        return Err(NotUtf8 { offset: None, found });
    }
    let text = bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes);
    std::str::from_utf8(text).map_err(|error| NotUtf8 {
        offset: Some(bytes.len() - text.len() + error.valid_up_to()),
        found: "bytes that are not UTF-8".into(),
    })
}
