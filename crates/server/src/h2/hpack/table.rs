//! The static table (RFC 7541 Appendix A) and the dynamic table (RFC 7541 §2.3.2, §4).
//!
//! In: indexes and names, from the decoder and the encoder; entries for the dynamic table. Out: names and
//! fields. The decoder and the encoder each have a dynamic table of their own; what an entry holds is theirs,
//! when it goes is decided here. Never sees encoded octets.

use std::collections::VecDeque;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::OVERHEAD;
use super::field::{Field, Name};

/// The first index of the dynamic table (RFC 7541 §2.3.3).
pub(super) const FIRST_DYNAMIC: usize = 62;
/// The index that the encoder names `:status` by.
pub(super) const STATUS: usize = 8;
/// The index of the first field that is no pseudo field.
const FIRST_HEADER: usize = 15;
/// The one header field of the static table whose value is not empty.
const ACCEPT_ENCODING: (usize, &str) = (16, "gzip, deflate");

/// The names of the indexes from [`FIRST_HEADER`] to the end.
static HEADERS: [HeaderName; FIRST_DYNAMIC - FIRST_HEADER] = [
    header::ACCEPT_CHARSET,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::ACCEPT_RANGES,
    header::ACCEPT,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::AGE,
    header::ALLOW,
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::DATE,
    header::ETAG,
    header::EXPECT,
    header::EXPIRES,
    header::FROM,
    header::HOST,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::LAST_MODIFIED,
    header::LINK,
    header::LOCATION,
    header::MAX_FORWARDS,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::RANGE,
    header::REFERER,
    header::REFRESH,
    header::RETRY_AFTER,
    header::SERVER,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::TRANSFER_ENCODING,
    header::USER_AGENT,
    header::VARY,
    header::VIA,
    header::WWW_AUTHENTICATE,
];

/// The name at an index of the static table.
pub(super) fn static_name(index: usize) -> Option<Name> {
    Some(match index {
        1 => Name::Authority,
        2 | 3 => Name::Method,
        4 | 5 => Name::Path,
        6 | 7 => Name::Scheme,
        8..=14 => Name::Pseudo(":status".len()),
        _ => Name::Header(HEADERS.get(index.checked_sub(FIRST_HEADER)?)?.clone()),
    })
}

/// The field at an index of the static table, and its size. Allocates nothing.
pub(super) fn static_field(index: usize) -> Option<(Field, usize)> {
    let name = static_name(index)?;
    let (field, value) = match index {
        1 => (Field::Authority(Bytes::new()), ""),
        2 => (Field::Method(Method::GET), "GET"),
        3 => (Field::Method(Method::POST), "POST"),
        4 => (Field::Path(Bytes::from_static(b"/")), "/"),
        5 => (Field::Path(Bytes::from_static(b"/index.html")), "/index.html"),
        6 => (Field::Scheme(Bytes::from_static(b"http")), "http"),
        7 => (Field::Scheme(Bytes::from_static(b"https")), "https"),
        8..=14 => (Field::UnknownPseudo, "200"),
        _ => {
            let value = if index == ACCEPT_ENCODING.0 { ACCEPT_ENCODING.1 } else { "" };
            let Name::Header(name) = &name else { return None };
            (Field::Header(name.clone(), HeaderValue::from_static(value)), value)
        }
    };
    Some((field, name.len() + value.len() + OVERHEAD))
}

/// The index of a status that the static table has whole.
pub(super) fn index_of_status(status: StatusCode) -> Option<usize> {
    Some(match status.as_u16() {
        200 => 8,
        204 => 9,
        206 => 10,
        304 => 11,
        400 => 12,
        404 => 13,
        500 => 14,
        _ => return None,
    })
}

/// Whether the static table has the field at `index` with this value.
pub(super) fn has_static_value(index: usize, value: &[u8]) -> bool {
    let expected = if index == ACCEPT_ENCODING.0 { ACCEPT_ENCODING.1 } else { "" };
    index >= FIRST_HEADER && value == expected.as_bytes()
}

/// The index of a name in the static table.
pub(super) fn index_of_name(name: &HeaderName) -> Option<usize> {
    Some(match *name {
        header::ACCEPT_CHARSET => 15,
        header::ACCEPT_ENCODING => 16,
        header::ACCEPT_LANGUAGE => 17,
        header::ACCEPT_RANGES => 18,
        header::ACCEPT => 19,
        header::ACCESS_CONTROL_ALLOW_ORIGIN => 20,
        header::AGE => 21,
        header::ALLOW => 22,
        header::AUTHORIZATION => 23,
        header::CACHE_CONTROL => 24,
        header::CONTENT_DISPOSITION => 25,
        header::CONTENT_ENCODING => 26,
        header::CONTENT_LANGUAGE => 27,
        header::CONTENT_LENGTH => 28,
        header::CONTENT_LOCATION => 29,
        header::CONTENT_RANGE => 30,
        header::CONTENT_TYPE => 31,
        header::COOKIE => 32,
        header::DATE => 33,
        header::ETAG => 34,
        header::EXPECT => 35,
        header::EXPIRES => 36,
        header::FROM => 37,
        header::HOST => 38,
        header::IF_MATCH => 39,
        header::IF_MODIFIED_SINCE => 40,
        header::IF_NONE_MATCH => 41,
        header::IF_RANGE => 42,
        header::IF_UNMODIFIED_SINCE => 43,
        header::LAST_MODIFIED => 44,
        header::LINK => 45,
        header::LOCATION => 46,
        header::MAX_FORWARDS => 47,
        header::PROXY_AUTHENTICATE => 48,
        header::PROXY_AUTHORIZATION => 49,
        header::RANGE => 50,
        header::REFERER => 51,
        header::REFRESH => 52,
        header::RETRY_AFTER => 53,
        header::SERVER => 54,
        header::SET_COOKIE => 55,
        header::STRICT_TRANSPORT_SECURITY => 56,
        header::TRANSFER_ENCODING => 57,
        header::USER_AGENT => 58,
        header::VARY => 59,
        header::VIA => 60,
        header::WWW_AUTHENTICATE => 61,
        _ => return None,
    })
}

/// A dynamic table: the newest entry first, the oldest evicted when the sizes exceed the limit.
pub(super) struct Dynamic<T> {
    /// With the size of each (RFC 7541 §4.1).
    entries: VecDeque<(T, usize)>,
    /// The sum of the sizes; `used <= limit`.
    used: usize,
    limit: usize,
}

impl<T> Dynamic<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: VecDeque::new(), used: 0, limit }
    }

    /// The entry at an index that counts from [`FIRST_DYNAMIC`], and its size.
    pub(super) fn at(&self, index: usize) -> Option<&(T, usize)> {
        self.entries.get(index.checked_sub(FIRST_DYNAMIC)?)
    }

    /// The entries with their indexes, newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        (FIRST_DYNAMIC..).zip(self.entries.iter().map(|(entry, _)| entry))
    }

    pub(super) fn fits(&self, size: usize) -> bool {
        size <= self.limit
    }

    /// Changes the limit (RFC 7541 §4.3).
    pub(super) fn resize(&mut self, limit: usize) {
        self.limit = limit;
        self.shrink_to(limit);
    }

    /// Adds an entry. One that does not fit leaves the table empty (RFC 7541 §4.4). Gives the entry that was
    /// evicted last, if one was.
    pub(super) fn insert(&mut self, entry: T, size: usize) -> Option<T> {
        let evicted = self.shrink_to(self.limit.saturating_sub(size));
        if self.fits(size) {
            self.entries.push_front((entry, size));
            self.used += size;
        }
        evicted
    }

    fn shrink_to(&mut self, most: usize) -> Option<T> {
        let mut last = None;
        while self.used > most {
            let (entry, size) = self.entries.pop_back()?;
            self.used -= size;
            last = Some(entry);
        }
        last
    }
}

#[cfg(test)]
impl<T> Dynamic<T> {
    pub(super) fn used(&self) -> usize {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_indexes_of_their_places() {
        for index in FIRST_HEADER..FIRST_DYNAMIC {
            let Some(Name::Header(name)) = static_name(index) else { panic!("no name at {index}") };
            assert_eq!(index_of_name(&name), Some(index));
        }
        assert_eq!(index_of_name(&HeaderName::from_static("x-other")), None);
        assert_eq!(index_of_name(&header::UPGRADE), None);
    }

    #[test]
    fn the_static_table_has_61_entries() {
        assert!((1..=61).all(|index| static_field(index).is_some() && static_name(index).is_some()));
        for index in [0, 62, 63, usize::MAX] {
            assert!(static_field(index).is_none() && static_name(index).is_none());
        }
    }

    #[test]
    fn static_fields_are_those_of_the_appendix() {
        assert_eq!(static_field(1), Some((Field::Authority(Bytes::new()), 42)));
        assert_eq!(static_field(2), Some((Field::Method(Method::GET), 42)));
        assert_eq!(static_field(5), Some((Field::Path(Bytes::from_static(b"/index.html")), 48)));
        assert_eq!(static_field(14), Some((Field::UnknownPseudo, 42)));
        let encodings = Field::Header(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"));
        assert_eq!(static_field(16), Some((encodings, 60)));
        let last = Field::Header(header::WWW_AUTHENTICATE, HeaderValue::from_static(""));
        assert_eq!(static_field(61), Some((last, 48)));
    }

    #[test]
    fn the_oldest_entries_go_first() {
        let mut table = Dynamic::new(100);
        assert_eq!(table.insert('a', 40), None);
        assert_eq!(table.insert('b', 60), None);
        assert_eq!(table.insert('c', 33), Some('a'));
        assert_eq!(table.iter().collect::<Vec<_>>(), [(62, &'c'), (63, &'b')]);
        assert_eq!(table.at(63), Some(&('b', 60)));
        assert_eq!((table.at(64), table.at(61), table.at(0)), (None, None, None));
        assert_eq!(table.insert('d', 100), Some('c'));
        assert_eq!((table.iter().count(), table.used()), (1, 100));
    }

    #[test]
    fn an_entry_larger_than_the_table_empties_it() {
        let mut table = Dynamic::new(100);
        table.insert('a', 40);
        table.insert('b', 101);
        assert_eq!((table.iter().count(), table.used()), (0, 0));
    }

    #[test]
    fn a_lower_limit_evicts_and_a_higher_one_does_not() {
        let mut table = Dynamic::new(100);
        table.insert('a', 50);
        table.insert('b', 50);
        table.resize(99);
        assert_eq!(table.iter().collect::<Vec<_>>(), [(62, &'b')]);
        table.resize(200);
        assert_eq!(table.used(), 50);
        table.resize(0);
        assert_eq!(table.used(), 0);
    }
}
