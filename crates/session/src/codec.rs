//! The binary form of a [`Record`], for stores that keep bytes.
//!
//! In: a record, or bytes from a file or a cookie. Out: the other. Owns the layout and its version. Bytes may
//! come from anywhere: they never cause a panic, nor an allocation larger than themselves.
//!
//! ```text
//! 0       1       2        10       18      26       34
//! format  flags   version  created  seen    expires  [max age] [user] count { key length, JSON length, key, JSON }
//! u8      u8      u64      u64      u64     u64      varint    varint, text   varint ...
//! ```
//! Integers of fixed size are little-endian; varints have seven bits a byte, the lowest first. What is
//! asked for often stands at a fixed place, so that an expiry is checked, or moved, without the rest.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::record::{MaxAge, Record, Values};
use crate::time::Timestamp;

/// The fields of a record that stand at fixed places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) version: u64,
    pub(crate) created: Option<Timestamp>,
    pub(crate) seen: Option<Timestamp>,
    pub(crate) expires: Timestamp,
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// A later version of narae wrote it, in this format.
    UnknownFormat(u8),
    /// It ends too early.
    Truncated,
    /// It breaks this rule of the layout.
    Malformed(&'static str),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFormat(format) => {
                write!(f, "it has format {format}, and this version of narae reads format {FORMAT}")
            }
            Self::Truncated => f.write_str("it ends too early"),
            Self::Malformed(rule) => write!(f, "it is malformed: {rule}"),
        }
    }
}

impl StdError for CodecError {}

/// Appends the binary form of `record` to `into`.
pub fn encode(record: &Record, into: &mut Vec<u8>) {
    let (kind, milliseconds) = match record.max_age {
        MaxAge::Configured => (0, None),
        MaxAge::BrowserSession => (AGE_BROWSER, None),
        MaxAge::Milliseconds(milliseconds) => (AGE_MILLISECONDS, Some(milliseconds)),
    };
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    let flags = kind
        | flag(record.created.is_some(), HAS_CREATED)
        | flag(record.seen.is_some(), HAS_SEEN)
        | flag(record.user.is_some(), HAS_USER);
    let content: usize = record.values.iter().map(|(key, json)| key.len() + json.len() + 4).sum();
    into.reserve(HEADER_BYTES + record.user.as_ref().map_or(0, |user| user.len()) + content + 16);
    into.extend_from_slice(&[FORMAT, flags]);
    let times = [record.created, record.seen, Some(record.expires)];
    into.extend_from_slice(&record.version.to_le_bytes());
    times.iter().for_each(|time| into.extend_from_slice(&time.unwrap_or_default().0.to_le_bytes()));
    if let Some(milliseconds) = milliseconds {
        push_varint(milliseconds, into);
    }
    if let Some(user) = &record.user {
        push_varint(user.len() as u64, into);
        into.extend_from_slice(user.as_bytes());
    }
    push_varint(record.values.len() as u64, into);
    for (key, json) in record.values.iter() {
        push_varint(key.len() as u64, into);
        push_varint(json.len() as u64, into);
        into.extend_from_slice(key.as_bytes());
        into.extend_from_slice(json.as_bytes());
    }
}

/// Reads what [`encode`] wrote, all of it.
///
/// # Errors
/// [`CodecError`] if it is something else.
pub fn decode(bytes: &[u8]) -> Result<Record, CodecError> {
    let Header { version, created, seen, expires } = header(bytes)?;
    let flags = bytes[FLAGS_AT];
    let mut rest = &bytes[HEADER_BYTES..];
    let max_age = match flags & AGE_MASK {
        0 => MaxAge::Configured,
        AGE_BROWSER => MaxAge::BrowserSession,
        AGE_MILLISECONDS => MaxAge::Milliseconds(take_varint(&mut rest)?),
        _ => return Err(CodecError::Malformed("an unknown kind of lifetime")),
    };
    let user = match flags & HAS_USER {
        0 => None,
        _ => {
            let length = take_varint(&mut rest)?;
            Some(Arc::from(take_text(&mut rest, length)?))
        }
    };
    let mut values = Values::default();
    for _ in 0..take_varint(&mut rest)? {
        let (key, json) = (take_varint(&mut rest)?, take_varint(&mut rest)?);
        let key = take_text(&mut rest, key)?;
        values.push(key.into(), take_text(&mut rest, json)?.into());
    }
    if !rest.is_empty() {
        return Err(CodecError::Malformed("bytes follow its end"));
    }
    Ok(Record { version, created, seen, expires, max_age, user, values })
}

/// Reads the fields at fixed places alone.
pub(crate) fn header(bytes: &[u8]) -> Result<Header, CodecError> {
    match bytes.first() {
        None => return Err(CodecError::Truncated),
        Some(&FORMAT) => {}
        Some(&format) => return Err(CodecError::UnknownFormat(format)),
    }
    let Some((fixed, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(CodecError::Truncated);
    };
    let flags = fixed[FLAGS_AT];
    if flags & !KNOWN_FLAGS != 0 {
        return Err(CodecError::Malformed("unknown flags"));
    }
    let time = |at: usize, flag: u8| (flags & flag != 0).then(|| Timestamp(integer(fixed, at)));
    Ok(Header {
        version: integer(fixed, VERSION_AT),
        created: time(CREATED_AT, HAS_CREATED),
        seen: time(SEEN_AT, HAS_SEEN),
        expires: Timestamp(integer(fixed, EXPIRES_AT)),
    })
}

/// Who is logged in, without the rest.
#[cfg(feature = "embedded")]
pub(crate) fn user(bytes: &[u8]) -> Result<Option<&str>, CodecError> {
    header(bytes)?;
    let flags = bytes[FLAGS_AT];
    let mut rest = &bytes[HEADER_BYTES..];
    if flags & HAS_USER == 0 {
        return Ok(None);
    }
    if flags & AGE_MASK == AGE_MILLISECONDS {
        take_varint(&mut rest)?;
    }
    let length = take_varint(&mut rest)?;
    take_text(&mut rest, length).map(Some)
}

/// Moves the expiry, and when it was last used unless it has been used later.
#[cfg(feature = "embedded")]
pub(crate) fn touch(bytes: &mut [u8], now: Timestamp, expires: Timestamp) -> Result<(), CodecError> {
    let seen = header(bytes)?.seen.max(Some(now)).unwrap_or(now);
    bytes[FLAGS_AT] |= HAS_SEEN;
    bytes[SEEN_AT..SEEN_AT + 8].copy_from_slice(&seen.0.to_le_bytes());
    bytes[EXPIRES_AT..EXPIRES_AT + 8].copy_from_slice(&expires.0.to_le_bytes());
    Ok(())
}

fn integer(fixed: &[u8; HEADER_BYTES], at: usize) -> u64 {
    fixed[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn push_varint(mut number: u64, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    into.push((number & 0x7f) as u8);
}

fn take_varint(rest: &mut &[u8]) -> Result<u64, CodecError> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or(CodecError::Truncated)?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            break;
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(CodecError::Malformed("a number has more than 64 bits"))
}

fn take_text<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a str, CodecError> {
    let length = usize::try_from(length).map_err(|_| CodecError::Truncated)?;
    let (text, after) = rest.split_at_checked(length).ok_or(CodecError::Truncated)?;
    *rest = after;
    std::str::from_utf8(text).map_err(|_| CodecError::Malformed("a text is not UTF-8"))
}

/// The one format there is. Another layout gets another number, and its reader keeps this one's.
const FORMAT: u8 = 1;

const FLAGS_AT: usize = 1;
const VERSION_AT: usize = 2;
const CREATED_AT: usize = 10;
const SEEN_AT: usize = 18;
const EXPIRES_AT: usize = 26;
const HEADER_BYTES: usize = 34;

const HAS_CREATED: u8 = 1;
const HAS_SEEN: u8 = 1 << 1;
const HAS_USER: u8 = 1 << 2;
const AGE_BROWSER: u8 = 1 << 3;
const AGE_MILLISECONDS: u8 = 1 << 4;
const AGE_MASK: u8 = AGE_BROWSER | AGE_MILLISECONDS;
const KNOWN_FLAGS: u8 = HAS_CREATED | HAS_SEEN | HAS_USER | AGE_MASK;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(user: Option<&str>, max_age: MaxAge, values: &[(&str, &str)]) -> Record {
        Record {
            version: 7,
            created: Some(Timestamp(1_000)),
            seen: Some(Timestamp(2_000)),
            expires: Timestamp(3_000),
            max_age,
            user: user.map(Into::into),
            values: values.iter().copied().collect(),
        }
    }

    fn samples() -> Vec<Record> {
        let long = "나래".repeat(100_000);
        vec![
            record(None, MaxAge::Configured, &[]),
            record(Some("anna"), MaxAge::BrowserSession, &[("a", "1"), ("", "\"\"")]),
            record(Some(""), MaxAge::Milliseconds(u64::MAX), &[("열쇠", &long), (&long, "null")]),
            Record { created: None, seen: None, ..record(None, MaxAge::Milliseconds(0), &[("b", "[]")]) },
            Record {
                version: u64::MAX,
                expires: Timestamp(u64::MAX),
                ..record(None, MaxAge::Configured, &[])
            },
        ]
    }

    fn encoded(record: &Record) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(record, &mut bytes);
        bytes
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for record in samples() {
            assert_eq!(decode(&encoded(&record)).as_ref(), Ok(&record));
        }
    }

    #[test]
    fn the_layout_of_format_1_never_changes() {
        let bytes = encoded(&record(Some("anna"), MaxAge::Milliseconds(300), &[("k", "42")]));
        let mut expected = vec![1, 0b1_0111];
        for number in [7_u64, 1_000, 2_000, 3_000] {
            expected.extend(number.to_le_bytes());
        }
        expected.extend([0b1010_1100, 2, 4, b'a', b'n', b'n', b'a', 1, 1, 2, b'k', b'4', b'2']);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_record_that_was_cut_short_is_an_error() {
        for record in [&samples()[1], &samples()[3]] {
            let bytes = encoded(record);
            for end in 0..bytes.len() {
                assert_eq!(decode(&bytes[..end]), Err(CodecError::Truncated), "{end} bytes");
            }
        }
    }

    #[test]
    fn bytes_after_the_end_are_an_error() {
        let mut bytes = encoded(&samples()[1]);
        bytes.push(0);
        assert!(matches!(decode(&bytes), Err(CodecError::Malformed(_))));
    }

    #[test]
    fn a_later_format_and_unknown_flags_are_errors() {
        let mut bytes = encoded(&samples()[0]);
        bytes[0] = 2;
        let error = decode(&bytes).unwrap_err();
        assert_eq!(error, CodecError::UnknownFormat(2));
        assert!(error.to_string().contains("format 2"), "{error}");
        bytes[0] = 1;
        for flags in [0x20, 0x40, 0x80, AGE_MASK] {
            bytes[1] = flags;
            assert!(matches!(decode(&bytes), Err(CodecError::Malformed(_))), "{flags:x}");
        }
    }

    #[test]
    fn any_byte_may_be_wrong_without_a_panic() {
        for record in [&samples()[1], &samples()[3]] {
            let sound = encoded(record);
            for at in 0..sound.len() {
                for byte in 0..=u8::MAX {
                    let mut bytes = sound.clone();
                    bytes[at] = byte;
                    if let Ok(read) = decode(&bytes) {
                        assert_eq!(decode(&encoded(&read)), Ok(read), "byte {at} is {byte}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_huge_length_allocates_nothing() {
        let mut bytes = encoded(&samples()[0]);
        bytes.pop();
        for number in [u64::MAX, u64::from(u32::MAX), 1 << 40] {
            let mut bytes = bytes.clone();
            push_varint(number, &mut bytes);
            assert_eq!(decode(&bytes), Err(CodecError::Truncated));
        }
        bytes.extend([0xff; 11]);
        assert!(matches!(decode(&bytes), Err(CodecError::Malformed(_))));
    }

    #[cfg(feature = "embedded")]
    #[test]
    fn the_head_is_read_and_moved_without_the_rest() {
        for record in samples() {
            let mut bytes = encoded(&record);
            let Record { version, created, seen, expires, .. } = record;
            assert_eq!(header(&bytes), Ok(Header { version, created, seen, expires }));
            assert_eq!(user(&bytes), Ok(record.user.as_deref()));
            touch(&mut bytes, Timestamp(1_500), Timestamp(9_000)).unwrap();
            let expected = Record {
                seen: Some(seen.unwrap_or_default().max(Timestamp(1_500))),
                expires: Timestamp(9_000),
                ..record
            };
            assert_eq!(decode(&bytes), Ok(expected));
        }
    }
}
