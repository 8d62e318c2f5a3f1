//! Reads the `Range` of a request (RFC 9110 §14.1, §14.2).
//!
//! In: the request's headers and the length of the content. Out: which parts to send. Owns the grammar of
//! `bytes=first-last, …` and the bounds on what one request may ask for; must not know files, and decides nothing
//! about `If-Range`, which is `conditional`'s.

use http::{HeaderMap, header};

/// A part of the content. `start <= last < len`, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) start: u64,
    pub(crate) last: u64,
}

/// Which bytes of the content a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// No range, or one that breaks the grammar or asks for too much: the whole content (RFC 9110 §14.2).
    Whole,
    One(Part),
    /// Two or more, in the order of the request; none overlaps or touches another.
    Several(Vec<Part>),
    /// Valid ranges, none of which holds a byte of the content.
    Unsatisfiable,
}

impl Part {
    /// At least 1.
    pub(crate) fn len(&self) -> u64 {
        self.last - self.start + 1
    }
}

pub(crate) fn wanted(headers: &HeaderMap, len: u64) -> Wanted {
    if !headers.contains_key(header::RANGE) {
        return Wanted::Whole;
    }
    let mut values = headers.get_all(header::RANGE).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => parse(value.as_bytes(), len).unwrap_or(Wanted::Whole),
        _ => Wanted::Whole,
    }
}

fn parse(value: &[u8], len: u64) -> Option<Wanted> {
    let value = value.trim_ascii();
    let equals = value.iter().position(|byte| *byte == b'=')?;
    let (unit, set) = (value.get(..equals)?, value.get(equals + 1..)?);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut parts = Vec::new();
    let mut count = 0;
    // Empty elements of a list are allowed and say nothing (RFC 9110 §5.6.1.2).
    for spec in set.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|spec| !spec.is_empty()) {
        count += 1;
        if count > MOST_RANGES {
            return None;
        }
        match one(spec, len)? {
            // The suffix is satisfiable, but `Content-Range` cannot name zero bytes (RFC 9110 §14.4).
            Spec::Everything => return Some(Wanted::Whole),
            Spec::Part(part) => parts.push(part),
            Spec::Unsatisfiable => {}
        }
    }
    match (count, &*parts) {
        (0, _) => None,
        (_, []) => Some(Wanted::Unsatisfiable),
        (_, [part]) => Some(Wanted::One(*part)),
        _ => Some(match &*joined(parts) {
            [part] => Wanted::One(*part),
            parts => Wanted::Several(parts.to_vec()),
        }),
    }
}

enum Spec {
    Part(Part),
    Everything,
    Unsatisfiable,
}

fn one(spec: &[u8], len: u64) -> Option<Spec> {
    // A second dash is a syntax error: it is no digit.
    let dash = spec.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (spec.get(..dash)?, spec.get(dash + 1..)?);
    if first.is_empty() {
        let suffix = decimal(last)?;
        return Some(match (suffix, len) {
            (0, _) => Spec::Unsatisfiable,
            (_, 0) => Spec::Everything,
            _ => Spec::Part(Part { start: len.saturating_sub(suffix), last: len - 1 }),
        });
    }
    let start = decimal(first)?;
    let last = if last.is_empty() { u64::MAX } else { decimal(last)? };
    if last < start {
        return None;
    }
    Some(match start >= len {
        true => Spec::Unsatisfiable,
        false => Spec::Part(Part { start, last: last.min(len - 1) }),
    })
}

/// Joins parts that overlap or touch, so that no byte is sent twice (RFC 9110 §15.3.7.2). The first of each stays at
/// its place.
fn joined(parts: Vec<Part>) -> Vec<Part> {
    let mut ordered: Vec<(usize, Part)> = parts.into_iter().enumerate().collect();
    ordered.sort_by_key(|(_, part)| part.start);
    let mut joined: Vec<(usize, Part)> = Vec::with_capacity(ordered.len());
    for (place, part) in ordered {
        match joined.last_mut() {
            Some((first, before)) if part.start <= before.last.saturating_add(1) => {
                before.last = before.last.max(part.last);
                *first = place.min(*first);
            }
            _ => joined.push((place, part)),
        }
    }
    joined.sort_by_key(|(place, _)| *place);
    joined.into_iter().map(|(_, part)| part).collect()
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

// More is ignored: no player or PDF reader asks for so many, and each costs a part's head.
const MOST_RANGES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "cases read better")]
    fn check(value: &str, len: u64, expected: Wanted) {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, value.parse().unwrap());
        assert_eq!(wanted(&headers, len), expected, "{value} of {len}");
    }

    fn part(start: u64, last: u64) -> Wanted {
        Wanted::One(Part { start, last })
    }

    fn parts(parts: &[(u64, u64)]) -> Wanted {
        Wanted::Several(parts.iter().map(|(start, last)| Part { start: *start, last: *last }).collect())
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
    fn several_ranges_keep_their_order() {
        check("bytes=0-1,3-4", 10, parts(&[(0, 1), (3, 4)]));
        check("bytes=8-,0-1", 10, parts(&[(8, 9), (0, 1)]));
        check("bytes= 0-1 ,\t-1 , 4-4", 10, parts(&[(0, 1), (9, 9), (4, 4)]));
        check("bytes=,0-1,,3-4,", 10, parts(&[(0, 1), (3, 4)]));
    }

    #[test]
    fn ranges_that_overlap_or_touch_become_one() {
        check("bytes=0-1,2-3", 10, part(0, 3));
        check("bytes=2-3,0-1", 10, part(0, 3));
        check("bytes=0-,0-,0-,-5,3-8", 10, part(0, 9));
        check("bytes=0-0,9-9,1-1", 10, parts(&[(0, 1), (9, 9)]));
        check("bytes=9-9,0-0,1-1", 10, parts(&[(9, 9), (0, 1)]));
        check("bytes=0-0,2-2,0-18446744073709551615", u64::MAX, part(0, u64::MAX - 1));
    }

    #[test]
    fn ranges_outside_are_left_out_and_when_all_are_the_answer_says_so() {
        check("bytes=20-30,0-1", 10, part(0, 1));
        check("bytes=20-30,0-1,-0,3-3", 10, parts(&[(0, 1), (3, 3)]));
        check("bytes=20-30,40-50", 10, Wanted::Unsatisfiable);
        check("bytes=-1,-0", 0, Wanted::Whole);
    }

    #[test]
    fn too_many_ranges_are_ignored() {
        let many =
            |count: u64| (0..count).map(|at| format!("{}-{}", at * 2, at * 2)).collect::<Vec<_>>().join(",");
        assert!(matches!(parse(format!("bytes={}", many(32)).as_bytes(), 1000), Some(Wanted::Several(_))));
        check(&format!("bytes={}", many(33)), 1000, Wanted::Whole);
    }

    #[test]
    fn a_broken_range_spoils_the_others() {
        for value in [
            "bytes=0-1,5-2",
            "bytes=0-1,x",
            "bytes=0-1 3-4",
            "bytes=0-1;3-4",
            "bytes=0-1,-",
            "bytes=0 -1,3-4",
        ] {
            check(value, 10, Wanted::Whole);
        }
    }

    #[test]
    fn broken_ranges_are_ignored() {
        for value in [
            "bytes=,",
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
