//! Reads `Cookie` header lines as Node's `cookie` 0.7.2 does.
//!
//! In: the lines as received, byte for byte. Out: names and decoded values. Nothing here fails: what is not
//! a pair is passed over. Owns the order of unquoting and decoding; never sees signatures.
//!
//! The rules, each of them Node's: several lines are one list; pieces end at `;` and need a `=`; spaces and
//! tabs around names and values do not count; the first value of a name wins, even an empty one; one pair of
//! quotes around a value is taken off; then the value is percent-decoded, whole or not at all. A byte is one
//! character (ISO 8859-1), so a browser that sends raw UTF-8 is read as `Ã©` where it meant `é`; `%C3%A9` is
//! read as `é`. The name `__proto__` is never found, as in Node.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::component;

/// The first value of the cookie `name` in the `Cookie` header `lines`, unquoted and decoded as Node does.
///
/// `None` when no line has it. Parses no further than the cookie it finds, and allocates only for a value
/// that has to be decoded.
///
/// ```
/// let line = b"theme=dark; sid=s%3Aabc".as_slice();
/// assert_eq!(narae_cookie::find([line], "sid").as_deref(), Some("s:abc"));
/// assert_eq!(narae_cookie::find([line], "user"), None);
/// ```
pub fn find<'h>(lines: impl IntoIterator<Item = &'h [u8]>, name: &str) -> Option<Cow<'h, str>> {
    if !name.is_ascii() || name.is_empty() {
        // Rare: the names of a line need decoding, or one line alone says what the name is.
        let all = Cookies::parse(lines);
        return all.get(name).map(|value| Cow::Owned(value.to_owned()));
    }
    if name == LOST || name.ends_with(is_blank_char) || name.contains(['=', ';']) {
        return None;
    }
    lines.into_iter().flat_map(Pieces).find_map(|piece| {
        let rest = trim_start(trim_start(piece).strip_prefix(name.as_bytes())?);
        rest.strip_prefix(b"=").map(value_of)
    })
}

/// All cookies of a request, each name once.
///
/// ```
/// use narae_cookie::Cookies;
///
/// let cookies = Cookies::parse([b"a=1; b=%20; a=2".as_slice()]);
/// assert_eq!(cookies.get("a"), Some("1"));
/// assert_eq!(cookies.iter().collect::<Vec<_>>(), [("a", "1"), ("b", " ")]);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Cookies {
    /// Names and values, one after the other.
    text: String,
    entries: Vec<Entry>,
}

/// Where a cookie stands in the text.
#[derive(Clone, PartialEq, Eq)]
struct Entry {
    name: Range<usize>,
    value: Range<usize>,
}

impl Cookies {
    /// Reads the `Cookie` header `lines` as received. Never fails: what is not a pair is passed over.
    #[must_use]
    pub fn parse<'h>(lines: impl IntoIterator<Item = &'h [u8]>) -> Self {
        let mut all = Self::default();
        let mut joined = 0; // the length of the lines, joined by "; "
        for (index, line) in lines.into_iter().enumerate() {
            joined += line.len() + if index == 0 { 0 } else { 2 };
            for piece in Pieces(line) {
                if let Some(equals) = memchr::memchr(b'=', piece) {
                    all.push(trim(&piece[..equals]), &piece[equals + 1..]);
                }
            }
        }
        if joined < 2 {
            return Self::default();
        }
        all.keep_first_of_each_name();
        all
    }

    /// The value of the cookie `name`; upper and lower case are different names.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(known, value)| (known == name).then_some(value))
    }

    /// Names and values, in the order of the request.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|entry| (&self.text[entry.name.clone()], &self.text[entry.value.clone()]))
    }

    /// How many cookies there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the request had none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn push(&mut self, name: &[u8], value: &[u8]) {
        if name == LOST.as_bytes() {
            return;
        }
        let start = self.text.len();
        self.text.push_str(&characters(name));
        let middle = self.text.len();
        self.text.push_str(&value_of(value));
        self.entries.push(Entry { name: start..middle, value: middle..self.text.len() });
    }

    /// By sorting: a request may hold thousands of names, and its sender chooses them.
    fn keep_first_of_each_name(&mut self) {
        let text = &self.text;
        self.entries.sort_by(|a, b| text[a.name.clone()].cmp(&text[b.name.clone()]));
        self.entries.dedup_by(|later, first| text[later.name.clone()] == text[first.name.clone()]);
        self.entries.sort_unstable_by_key(|entry| (entry.name.start, entry.value.end));
    }
}

/// Prints names, never values: they may be secrets.
impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookies")?;
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// What stands between the `;` of a line.
struct Pieces<'h>(&'h [u8]);

impl<'h> Iterator for Pieces<'h> {
    type Item = &'h [u8];

    fn next(&mut self) -> Option<&'h [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let (piece, rest) = match memchr::memchr(b';', self.0) {
            Some(end) => (&self.0[..end], &self.0[end + 1..]),
            None => (self.0, [].as_slice()),
        };
        self.0 = rest;
        Some(piece)
    }
}

/// The value that `bytes`, all after the `=`, stand for.
fn value_of(bytes: &[u8]) -> Cow<'_, str> {
    let bytes = trim(bytes);
    let unquoted = match bytes {
        // A lone quote is its own pair.
        [b'"'] => &[],
        [b'"', inner @ .., b'"'] => inner,
        _ => bytes,
    };
    component::decode(characters(unquoted))
}

/// Each byte as one character (ISO 8859-1).
fn characters(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
    }
}

fn trim(bytes: &[u8]) -> &[u8] {
    let bytes = trim_start(bytes);
    let end = bytes.iter().rposition(|&byte| !is_blank(byte)).map_or(0, |last| last + 1);
    &bytes[..end]
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|&byte| !is_blank(byte)).unwrap_or(bytes.len());
    &bytes[start..]
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn is_blank_char(character: char) -> bool {
    character == ' ' || character == '\t'
}

/// The one name that Node's parser loses: it keeps cookies as properties of an object.
const LOST: &str = "__proto__";
