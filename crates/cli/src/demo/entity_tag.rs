//! Entity tags and the two questions clients ask with them (RFC 9110 §8.8.3,
//! §13.1).
//!
//! In: `If-Match` and `If-None-Match` values. Out: the tags in them. Owns their
//! grammar; never sees what a tag stands for.

use axum::http::header::{HeaderMap, HeaderName};
use axum::http::{HeaderValue, header};

/// What a conditional header asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Condition {
    /// `*`: any version at all.
    Any,
    /// One of these versions. Empty if the header made no sense, which matches
    /// nothing: the safe side of both questions.
    OneOf(Vec<Tag>),
}

/// One tag of a conditional header.
#[derive(Debug, PartialEq)]
pub(super) struct Tag {
    pub(super) weak: bool,
    /// What stands between the quotes.
    pub(super) opaque: String,
}

/// The condition in the header called `name`; `None` if it was not sent.
pub(super) fn condition(headers: &HeaderMap, name: HeaderName) -> Option<Condition> {
    let mut values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).peekable();
    values.peek()?;
    let mut tags = Vec::new();
    for value in values {
        if value.trim() == "*" {
            return Some(Condition::Any);
        }
        tags.extend(parse_list(value).unwrap_or_default());
    }
    Some(Condition::OneOf(tags))
}

/// Whether the client already holds the version called `opaque`: then `304`
/// is answer enough (RFC 9110 §13.1.2).
pub(super) fn client_has(headers: &HeaderMap, opaque: &str) -> bool {
    match condition(headers, header::IF_NONE_MATCH) {
        None => false,
        Some(Condition::Any) => true,
        // Weak comparison: equal meaning is enough to keep a copy.
        Some(Condition::OneOf(tags)) => tags.iter().any(|tag| tag.opaque == opaque),
    }
}

/// `version` as a strong entity tag.
pub(super) fn of_version(version: i64) -> HeaderValue {
    let mut digits = HeaderValue::from(version).as_bytes().to_vec();
    digits.insert(0, b'"');
    digits.push(b'"');
    HeaderValue::from_bytes(&digits).expect("quotes and digits are visible ASCII")
}

/// Splits `"a", W/"b"` into its tags; `None` if the list breaks the grammar.
/// A comma may stand inside the quotes, so splitting at commas would not do.
fn parse_list(mut rest: &str) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(tags);
        }
        let strong = rest.strip_prefix("W/");
        let (opaque, after) = strong.unwrap_or(rest).strip_prefix('"')?.split_once('"')?;
        if !after.trim_start_matches([' ', '\t']).starts_with(',') && !after.trim().is_empty() {
            return None;
        }
        tags.push(Tag { weak: strong.is_some(), opaque: opaque.to_owned() });
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: Option<&[(bool, &str)]>) {
        let tags = parse_list(value)
            .map(|tags| tags.into_iter().map(|tag| (tag.weak, tag.opaque)).collect::<Vec<_>>());
        let expected = expected
            .map(|tags| tags.iter().map(|(weak, opaque)| (*weak, (*opaque).to_owned())).collect::<Vec<_>>());
        assert_eq!(tags, expected, "{value}");
    }

    #[test]
    fn reads_lists_of_tags_and_refuses_anything_else() {
        check("", Some(&[]));
        check("\"3\"", Some(&[(false, "3")]));
        check("W/\"3\" , \"a,b\"", Some(&[(true, "3"), (false, "a,b")]));
        check(",, \"\"", Some(&[(false, "")]));
        check("3", None);
        check("\"3", None);
        check("\"3\" \"4\"", None);
        check("w/\"3\"", None);
    }

    #[test]
    fn tells_an_absent_header_from_one_that_makes_no_sense() {
        let mut headers = HeaderMap::new();
        assert_eq!(condition(&headers, header::IF_MATCH), None);
        headers.append(header::IF_MATCH, HeaderValue::from_static("nonsense"));
        assert_eq!(condition(&headers, header::IF_MATCH), Some(Condition::OneOf(Vec::new())));
        headers.append(header::IF_MATCH, HeaderValue::from_static("*"));
        assert_eq!(condition(&headers, header::IF_MATCH), Some(Condition::Any));
    }
}
