//! Decides conditional requests, in the order of RFC 9110 §13.2.2.
//!
//! In: the headers of a `GET` or `HEAD` and the file's validators. Out: a [`Verdict`]. Owns the grammar of
//! entity-tag lists; must not know files, ranges or clocks.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, header};

use crate::validators::Validators;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Answer as if there were no condition.
    Proceed,
    /// `304`.
    NotModified,
    /// `412`.
    Failed,
}

pub(crate) fn evaluate(headers: &HeaderMap, validators: &Validators) -> Verdict {
    // Step 1, strong comparison (RFC 9110 §13.1.1); step 2 only without it (RFC 9110 §13.1.4).
    let strong =
        |tag: Tag<'_>| !tag.is_weak && !validators.is_weak() && tag.opaque == validators.opaque_tag();
    let unchanged = match any_tag(headers, &header::IF_MATCH, strong) {
        None => is_since(headers, &header::IF_UNMODIFIED_SINCE, validators),
        decided => decided,
    };
    if unchanged == Some(false) {
        return Verdict::Failed;
    }
    // Step 3, weak comparison (RFC 9110 §13.1.2); step 4 only without it (RFC 9110 §13.1.3).
    let weak = |tag: Tag<'_>| tag.opaque == validators.opaque_tag();
    let known = match any_tag(headers, &header::IF_NONE_MATCH, weak) {
        None => is_since(headers, &header::IF_MODIFIED_SINCE, validators),
        decided => decided,
    };
    if known == Some(true) { Verdict::NotModified } else { Verdict::Proceed }
}

/// Step 5: whether a `Range` may be honoured (RFC 9110 §13.1.5). True without `If-Range`.
pub(crate) fn allows_range(headers: &HeaderMap, validators: &Validators) -> bool {
    let mut values = headers.get_all(header::IF_RANGE).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return true,
        (Some(value), None) => value.as_bytes(),
        (Some(_), Some(_)) => return false,
    };
    if validators.is_weak() {
        return false;
    }
    if value.starts_with(b"\"") {
        return value == validators.opaque_tag();
    }
    let date = std::str::from_utf8(value).ok().and_then(http_seconds);
    date.is_some() && date == validators.last_modified()
}

struct Tag<'a> {
    is_weak: bool,
    /// With its quotes.
    opaque: &'a [u8],
}

/// Whether a tag of the list matches, or the list is `*`. `None` when the field is absent or empty.
///
/// What follows a syntax error is not read: an unreadable tag matches nothing.
fn any_tag(headers: &HeaderMap, name: &HeaderName, matches: impl Fn(Tag<'_>) -> bool) -> Option<bool> {
    let mut lines = headers.get_all(name).iter().map(|value| value.as_bytes().trim_ascii()).peekable();
    lines.peek()?;
    let mut is_empty = true;
    let mut is_first = true;
    while let Some(line) = lines.next() {
        if line == b"*" {
            // `*` stands alone, it is not an element of the list.
            return Some(is_first && lines.peek().is_none());
        }
        is_first = false;
        is_empty &= line.is_empty();
        let mut rest = line;
        while let Some((tag, after)) = next_tag(rest) {
            if matches(tag) {
                return Some(true);
            }
            rest = after;
        }
    }
    (!is_empty).then_some(false)
}

/// Reads `entity-tag` (RFC 9110 §8.8.3) after any commas and spaces; returns what follows it.
fn next_tag(list: &[u8]) -> Option<(Tag<'_>, &[u8])> {
    let start = list.iter().position(|byte| !matches!(byte, b',' | b' ' | b'\t'))?;
    let list = list.get(start..)?;
    let (is_weak, quoted) = match list.strip_prefix(b"W/") {
        Some(quoted) => (true, quoted),
        None => (false, list),
    };
    let len = quoted.strip_prefix(b"\"")?.iter().position(|byte| *byte == b'"')? + 2;
    let (opaque, after) = quoted.split_at_checked(len)?;
    let ends = matches!(after.trim_ascii_start().first(), None | Some(b','));
    ends.then_some((Tag { is_weak, opaque }, after))
}

/// Whether the file's date is not later than the field's. `None` when either is missing, repeated or no date.
fn is_since(headers: &HeaderMap, name: &HeaderName, validators: &Validators) -> Option<bool> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let date = http_seconds(value.to_str().ok()?)?;
    Some(validators.last_modified()? <= date)
}

/// Whole seconds since 1970 of a date in any of the three formats of RFC 9110 §5.6.7.
fn http_seconds(text: &str) -> Option<u64> {
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    date.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Verdict::*, *};
    use crate::{open_file::Modified, validators::Wanted};

    // ETag "a-2ebc98a1-0", Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT.
    const SECONDS: i64 = 784_111_777;
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const EXACT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn validators(age: u64) -> Validators {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 + age);
        let wanted = Wanted { etag: true, last_modified: true };
        Validators::new(10, Modified { seconds: SECONDS, nanoseconds: 0 }, None, now, wanted)
    }

    fn fields(pairs: &[(&str, &str)]) -> HeaderMap {
        let pairs =
            pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }

    fn check(pairs: &[(&str, &str)], expected: Verdict) {
        assert_eq!(evaluate(&fields(pairs), &validators(100)), expected, "{pairs:?}");
    }

    #[test]
    fn if_match_compares_strongly() {
        check(&[("if-match", r#""a-2ebc98a1-0""#)], Proceed);
        check(&[("if-match", r#""x" , "a-2ebc98a1-0""#)], Proceed);
        check(&[("if-match", r#""x""#), ("if-match", r#""a-2ebc98a1-0""#)], Proceed);
        check(&[("if-match", "*")], Proceed);
        check(&[("if-match", "")], Proceed);
        check(&[("if-match", r#"W/"a-2ebc98a1-0""#)], Failed);
        check(&[("if-match", r#""x""#)], Failed);
        check(&[("if-match", "garbage")], Failed);
        check(&[("if-match", "a-2ebc98a1-0")], Failed);
    }

    #[test]
    fn a_young_file_never_matches_strongly() {
        let headers = fields(&[("if-match", r#""a-2ebc98a1-0""#)]);
        assert_eq!(evaluate(&headers, &validators(0)), Failed);
        let headers = fields(&[("if-none-match", r#""a-2ebc98a1-0""#)]);
        assert_eq!(evaluate(&headers, &validators(0)), NotModified);
    }

    #[test]
    fn if_none_match_compares_weakly() {
        check(&[("if-none-match", r#""a-2ebc98a1-0""#)], NotModified);
        check(&[("if-none-match", r#"W/"a-2ebc98a1-0""#)], NotModified);
        check(&[("if-none-match", r#""a,b",,"a-2ebc98a1-0" ,"b""#)], NotModified);
        check(&[("if-none-match", "*")], NotModified);
        check(&[("if-none-match", r#""x""#), ("if-none-match", r#""a-2ebc98a1-0""#)], NotModified);
        check(&[("if-none-match", r#""x""#)], Proceed);
        check(&[("if-none-match", r#""A-2EBC98A1-0""#)], Proceed);
        check(&[("if-none-match", r#"w/"a-2ebc98a1-0""#)], Proceed);
        check(&[("if-none-match", r#"W/W/"a-2ebc98a1-0""#)], Proceed);
        check(&[("if-none-match", r#""x", *"#)], Proceed);
        check(&[("if-none-match", r#""a-2ebc98a1-0"#)], Proceed);
        check(&[("if-none-match", r#""a-2ebc98a1-0"junk"#)], Proceed);
        check(&[("if-none-match", "*"), ("if-none-match", r#""x""#)], Proceed);
        check(&[("if-none-match", "")], Proceed);
    }

    #[test]
    fn if_modified_since_compares_whole_seconds() {
        check(&[("if-modified-since", EXACT)], NotModified);
        check(&[("if-modified-since", AFTER)], NotModified);
        check(&[("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT")], NotModified);
        check(&[("if-modified-since", "Sun Nov  6 08:49:37 1994")], NotModified);
        check(&[("if-modified-since", BEFORE)], Proceed);
        check(&[("if-modified-since", "garbage")], Proceed);
        check(&[("if-modified-since", "")], Proceed);
        check(&[("if-modified-since", "0")], Proceed);
        check(&[("if-modified-since", EXACT), ("if-modified-since", EXACT)], Proceed);
    }

    #[test]
    fn if_unmodified_since_compares_whole_seconds() {
        check(&[("if-unmodified-since", EXACT)], Proceed);
        check(&[("if-unmodified-since", AFTER)], Proceed);
        check(&[("if-unmodified-since", BEFORE)], Failed);
        check(&[("if-unmodified-since", "garbage")], Proceed);
    }

    #[test]
    fn tags_take_precedence_over_dates_and_failure_over_not_modified() {
        check(&[("if-match", r#""a-2ebc98a1-0""#), ("if-unmodified-since", BEFORE)], Proceed);
        check(&[("if-none-match", r#""x""#), ("if-modified-since", AFTER)], Proceed);
        check(&[("if-none-match", r#""a-2ebc98a1-0""#), ("if-modified-since", BEFORE)], NotModified);
        check(&[("if-match", r#""x""#), ("if-none-match", "*")], Failed);
        check(&[("if-match", "*"), ("if-none-match", "*")], NotModified);
        check(&[("if-unmodified-since", AFTER), ("if-modified-since", AFTER)], NotModified);
        check(&[("if-unmodified-since", BEFORE), ("if-none-match", "*")], Failed);
    }

    #[test]
    fn if_range_takes_the_strong_tag_or_the_exact_date() {
        let check = |value: &str, expected: bool| {
            let headers = fields(&[("if-range", value)]);
            assert_eq!(allows_range(&headers, &validators(100)), expected, "{value}");
            assert!(!allows_range(&headers, &validators(0)), "{value} of a young file");
        };
        check(r#""a-2ebc98a1-0""#, true);
        check(EXACT, true);
        check(r#"W/"a-2ebc98a1-0""#, false);
        check(r#""x""#, false);
        check(r#""a-2ebc98a1-0", "x""#, false);
        check(BEFORE, false);
        check(AFTER, false);
        check("garbage", false);
        check("", false);
        assert!(allows_range(&HeaderMap::new(), &validators(0)));
        let twice = fields(&[("if-range", EXACT), ("if-range", EXACT)]);
        assert!(!allows_range(&twice, &validators(100)));
    }
}
