//! One element of `Forwarded` (RFC 7239 §4), and how a list is taken apart from the right.
//!
//! In: bytes of a field. Out: what the element says, or `None` if it breaks the grammar. Pure.

use std::borrow::Cow;

use http::uri::{Authority, Scheme};

use super::{Node, host, scheme};

/// What one proxy said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) node: Node,
    pub(super) scheme: Option<Scheme>,
    pub(super) host: Option<Authority>,
}

/// Splits off the last element of a list: what is before its comma, if there is one, and the element without
/// blanks around it.
///
/// Commas in quoted strings do not count. Quotes are looked for from the right too: what is at the right was
/// written by a trusted proxy and is whole, and an open quote further left cannot swallow it.
pub(super) fn split_last(list: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut is_quoted = false;
    for (at, byte) in list.iter().enumerate().rev() {
        match byte {
            b'"' if !is_quoted => is_quoted = true,
            b'"' => {
                let before = list.get(..at).unwrap_or_default();
                let slashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
                // An odd number: the quote itself is escaped.
                is_quoted = slashes % 2 == 1;
            }
            b',' if !is_quoted => {
                let element = list.get(at + 1..).unwrap_or_default();
                return (list.get(..at), element.trim_ascii());
            }
            _ => {}
        }
    }
    (None, list.trim_ascii())
}

impl Element {
    /// `forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )`. Blanks around `;` are let pass:
    /// proxies write them.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut element = Self { node: Node::Hidden, scheme: None, host: None };
        let mut seen: Vec<&[u8]> = Vec::new();
        let mut rest = text;
        loop {
            rest = rest.trim_ascii_start();
            match rest.first() {
                None => return Some(element),
                Some(b';') => {
                    rest = rest.get(1..)?;
                    continue;
                }
                Some(_) => {}
            }
            let Pair { name, value, after } = Pair::take(rest)?;
            // Each name once (§4).
            if seen.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                return None;
            }
            seen.push(name);
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            if is("for") {
                element.node = Node::parse(&value);
            } else if is("proto") {
                element.scheme = scheme(&value);
            } else if is("host") {
                element.host = host(&value);
            }
            rest = after.trim_ascii_start();
            if !matches!(rest.first(), None | Some(b';')) {
                return None;
            }
        }
    }
}

/// `forwarded-pair = token "=" value`, and what follows it.
struct Pair<'a> {
    name: &'a [u8],
    value: Cow<'a, [u8]>,
    after: &'a [u8],
}

impl<'a> Pair<'a> {
    fn take(text: &'a [u8]) -> Option<Self> {
        let equals = text.iter().position(|byte| *byte == b'=')?;
        let (name, rest) = text.split_at_checked(equals)?;
        let rest = rest.get(1..)?;
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return None;
        }
        if let Some(quoted) = rest.strip_prefix(b"\"") {
            let (value, after) = unquote(quoted)?;
            return Some(Self { name, value, after });
        }
        let end = rest.iter().position(|byte| !is_value(*byte)).unwrap_or(rest.len());
        let (value, after) = rest.split_at_checked(end)?;
        if value.is_empty() { None } else { Some(Self { name, value: Cow::Borrowed(value), after }) }
    }
}

/// The content of a `quoted-string` (RFC 9110 §5.6.4) whose opening quote is gone, and what follows it.
fn unquote(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let mut value: Option<Vec<u8>> = None;
    let mut at = 0;
    loop {
        match *text.get(at)? {
            b'"' => {
                let plain = || Cow::Borrowed(text.get(..at).unwrap_or_default());
                return Some((value.map_or_else(plain, Cow::Owned), text.get(at + 1..)?));
            }
            b'\\' => {
                let escaped = *text.get(at + 1)?;
                value.get_or_insert_with(|| text.get(..at).unwrap_or_default().to_vec()).push(escaped);
                at += 2;
            }
            byte if byte == b'\t' || (byte >= b' ' && byte != 0x7f) => {
                if let Some(value) = &mut value {
                    value.push(byte);
                }
                at += 1;
            }
            _ => return None,
        }
    }
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Besides tokens, an address with a port or in brackets should be quoted, and is not always.
fn is_value(byte: u8) -> bool {
    is_token(byte) || b":[]".contains(&byte)
}
