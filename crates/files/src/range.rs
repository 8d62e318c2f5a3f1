//! Reads the `Range` of a request (RFC 9110 §14.1, §14.2).
//!
//! In: the request's headers and the length of the file. Out: which bytes to send. Owns the grammar of
//! `bytes=first-last`; must not know files, and decides nothing about `If-Range`, which is `conditional`'s.

use http::{HeaderMap, header};

/// Which bytes of the file a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// No range, several, or one that breaks the grammar: the whole file (RFC 9110 §14.2).
    Whole,
    /// `start <= last < len`, both inclusive.
    Part { start: u64, last: u64 },
    /// One valid range that holds no byte of the file.
    Unsatisfiable,
}

pub(crate) fn wanted(headers: &HeaderMap, len: u64) -> Wanted {
    let mut values = headers.get_all(header::RANGE).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => parse(value.as_bytes(), len).unwrap_or(Wanted::Whole),
        _ => Wanted::Whole,
    }
}

fn parse(value: &[u8], len: u64) -> Option<Wanted> {
    let value = value.trim_ascii();
    let equals = value.iter().position(|byte| *byte == b'=')?;
    let (unit, spec) = (value.get(..equals)?, value.get(equals + 1..)?);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    // A comma makes a second range, a second dash a syntax error: neither is a digit, so both end here.
    let dash = spec.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (spec.get(..dash)?, spec.get(dash + 1..)?);
    if first.is_empty() {
        let suffix = decimal(last)?;
        return Some(match (suffix, len) {
            (0, _) => Wanted::Unsatisfiable,
            // The suffix is satisfiable, but `Content-Range` cannot name zero bytes (RFC 9110 §14.4).
            (_, 0) => Wanted::Whole,
            _ => Wanted::Part { start: len.saturating_sub(suffix), last: len - 1 },
        });
    }
    let start = decimal(first)?;
    let last = if last.is_empty() { u64::MAX } else { decimal(last)? };
    if last < start {
        return None;
    }
    if start >= len {
        return Some(Wanted::Unsatisfiable);
    }
    Some(Wanted::Part { start, last: last.min(len - 1) })
}

/// One or more digits. Numbers above `u64` stop at its end: no file is that long.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        byte.is_ascii_digit().then(|| number.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, len: u64, expected: Wanted) {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, value.parse().unwrap());
        assert_eq!(wanted(&headers, len), expected, "{value} of {len}");
    }

    fn part(start: u64, last: u64) -> Wanted {
        Wanted::Part { start, last }
    }

    #[test]
    fn one_range_is_clamped_to_the_file() {
        check("bytes=0-0", 10, part(0, 0));
        check("bytes=0-3", 10, part(0, 3));
        check("bytes=5-", 10, part(5, 9));
        check("bytes=9-99", 10, part(9, 9));
        check("bytes=00-03", 10, part(0, 3));
        check("BYTES=0-3", 10, part(0, 3));
        check("bytes=4294967296-4294967297", u64::MAX, part(1 << 32, (1 << 32) + 1));
    }

    #[test]
    fn a_suffix_longer_than_the_file_is_the_whole_file_as_a_part() {
        check("bytes=-3", 10, part(7, 9));
        check("bytes=-10", 10, part(0, 9));
        check("bytes=-11", 10, part(0, 9));
        check("bytes=-99999999999999999999999999", 10, part(0, 9));
    }

    #[test]
    fn a_range_without_a_byte_of_the_file_is_unsatisfiable() {
        for value in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999-"] {
            check(value, 10, Wanted::Unsatisfiable);
        }
        check("bytes=0-", 0, Wanted::Unsatisfiable);
        check("bytes=0-0", 0, Wanted::Unsatisfiable);
        check("bytes=18446744073709551615-", u64::MAX, Wanted::Unsatisfiable);
    }

    #[test]
    fn a_suffix_of_an_empty_file_is_the_whole_file() {
        check("bytes=-5", 0, Wanted::Whole);
        check("bytes=-0", 0, Wanted::Unsatisfiable);
    }

    #[test]
    fn an_overflowing_end_is_the_end_of_the_file() {
        check("bytes=1-99999999999999999999999999", 10, part(1, 9));
        check("bytes=0-18446744073709551615", u64::MAX, part(0, u64::MAX - 1));
    }

    #[test]
    fn several_ranges_and_broken_ones_are_ignored() {
        for value in [
            "bytes=0-1,3-4",
            "bytes=0-1,",
            "bytes=,0-1",
            "bytes=",
            "bytes",
            "bytes=-",
            "bytes=a-b",
            "bytes=0-b",
            "bytes=1.5-2",
            "bytes=0x1-2",
            "bytes=0--3",
            "bytes=--3",
            "bytes=+1-2",
            "bytes=0 - 3",
            "bytes =0-3",
            "bytes:0-3",
            "items=0-3",
            "bytes=0-3;q=1",
            "bytes=5-2",
            "=0-3",
            "",
            "bytes=-1-2",
            "bytes=- 1",
        ] {
            check(value, 10, Wanted::Whole);
        }
    }

    #[test]
    fn a_repeated_field_is_ignored() {
        let mut headers = HeaderMap::new();
        headers.append(header::RANGE, "bytes=0-1".parse().unwrap());
        headers.append(header::RANGE, "bytes=0-1".parse().unwrap());
        assert_eq!(wanted(&headers, 10), Wanted::Whole);
        assert_eq!(wanted(&HeaderMap::new(), 10), Wanted::Whole);
    }
}
