//! Numbers and text in the notations of pickles.

use super::Object;
use std::borrow::Cow;

/// Returns the integer with these decimal digits.
pub(super) fn whole(digits: &[u8]) -> Object<'_> {
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    number.map_or(Object::Long(digits), Object::Int)
}

/// Returns the integer with these bytes in two's complement, little-endian.
pub(super) fn long(bytes: &[u8]) -> Object<'_> {
    if bytes.len() > 8 {
        return Object::Long(bytes);
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut all = if negative { [0xff; 8] } else { [0; 8] };
    all.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    Object::Int(i64::from_le_bytes(all))
}

/// Returns text without the escapes that protocol 0 uses: `\\`, `\'`, `\n`, `\xhh`, `\uhhhh` and the like.
pub(super) fn unescaped(text: &[u8]) -> Cow<'_, str> {
    if !text.contains(&b'\\') {
        return String::from_utf8_lossy(text);
    }
    let text = String::from_utf8_lossy(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let escape = if c == '\\' { rest.next() } else { None };
        let digits = match escape {
            None => {
                out.push(c);
                continue;
            }
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some(other) => {
                out.push(match other {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => other,
                });
                continue;
            }
        };
        let hex: String = rest.by_ref().take(digits).collect();
        let code = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32);
        out.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(out)
}
