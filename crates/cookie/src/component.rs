//! The encoding of values: JavaScript's `encodeURIComponent` and `decodeURIComponent`.
//!
//! In: text. Out: text. Never sees names, attributes or headers.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What `encodeURIComponent` leaves alone beside letters and digits: `- _ . ! ~ * ' ( )`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// `text` decoded as a whole, or as it is when one escape in it is bad: not two hexadecimal digits, or not
/// UTF-8. Nothing is allocated when there is nothing to decode.
pub(crate) fn decode(text: Cow<'_, str>) -> Cow<'_, str> {
    match memchr::memchr(b'%', text.as_bytes()) {
        None => text,
        Some(first) => match decoded(text.as_bytes(), first) {
            Some(decoded) => Cow::Owned(decoded),
            None => text,
        },
    }
}

/// `bytes` decoded from the first `%` at `first` on.
fn decoded(bytes: &[u8], first: usize) -> Option<String> {
    let (plain, mut rest) = bytes.split_at_checked(first)?;
    let mut decoded = Vec::with_capacity(bytes.len());
    decoded.extend_from_slice(plain);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let ([high, low], after) = rest.split_first_chunk()?;
            decoded.push(digit(*high)? << 4 | digit(*low)?);
            rest = after;
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
