//! A decoded field, and the name it is made of (RFC 9113 §8.2, §8.3).
//!
//! In: octets of a name and of a value, from the decoder. Out: a [`Field`]. Names and values are copied, so
//! that nothing here keeps the buffer of a read alive. Never sees the tables.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

/// A decoded field. Cloning is cheap (reference counts).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Method(Method),
    /// Any octets, like the two below: what they may be is for the message's reader.
    Scheme(Bytes),
    Authority(Bytes),
    Path(Bytes),
    /// A pseudo field that requests do not have (`:status`, unknown), or `:method` with a value that is no
    /// token.
    UnknownPseudo,
    Header(HeaderName, HeaderValue),
    /// A field with a name that is not lower case or not a token, or a value with forbidden bytes. The block
    /// goes on; the message is malformed (RFC 9113 §8.2.1).
    Invalid,
}

/// A field's name. A name that no message may have is known by its length only, which its size needs.
#[derive(Clone, Debug)]
pub(super) enum Name {
    Method,
    Scheme,
    Authority,
    Path,
    Pseudo(usize),
    Header(HeaderName),
    Invalid(usize),
}

impl Name {
    pub(super) fn parse(octets: &[u8]) -> Self {
        match octets {
            b":method" => Self::Method,
            b":scheme" => Self::Scheme,
            b":authority" => Self::Authority,
            b":path" => Self::Path,
            [b':', ..] => Self::Pseudo(octets.len()),
            // `from_lowercase` takes this one, which no token has (RFC 9110 §5.6.2).
            _ if octets.contains(&b'"') => Self::Invalid(octets.len()),
            _ => HeaderName::from_lowercase(octets).map_or(Self::Invalid(octets.len()), Self::Header),
        }
    }

    /// In octets.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Method => ":method".len(),
            Self::Scheme => ":scheme".len(),
            Self::Authority => ":authority".len(),
            Self::Path => ":path".len(),
            Self::Pseudo(length) | Self::Invalid(length) => *length,
            Self::Header(name) => name.as_str().len(),
        }
    }

    /// The field of this name with that value.
    pub(super) fn with(&self, value: &[u8], is_sensitive: bool) -> Field {
        match self {
            Self::Method => Method::from_bytes(value).map_or(Field::UnknownPseudo, Field::Method),
            Self::Scheme => Field::Scheme(match value {
                b"https" => Bytes::from_static(b"https"),
                b"http" => Bytes::from_static(b"http"),
                _ => Bytes::copy_from_slice(value),
            }),
            Self::Authority => Field::Authority(Bytes::copy_from_slice(value)),
            Self::Path => Field::Path(Bytes::copy_from_slice(value)),
            Self::Pseudo(_) => Field::UnknownPseudo,
            Self::Header(name) => match HeaderValue::from_bytes(value) {
                Ok(mut value) => {
                    value.set_sensitive(is_sensitive);
                    Field::Header(name.clone(), value)
                }
                Err(_) => Field::Invalid,
            },
            Self::Invalid(_) => Field::Invalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &[u8], value: &[u8]) -> Field {
        Name::parse(name).with(value, false)
    }

    #[test]
    fn the_four_pseudo_fields_of_requests_are_told_apart() {
        assert_eq!(field(b":method", b"BREW"), Field::Method(Method::from_bytes(b"BREW").unwrap()));
        assert_eq!(field(b":scheme", b"https"), Field::Scheme(Bytes::from_static(b"https")));
        assert_eq!(field(b":scheme", b"ftp"), Field::Scheme(Bytes::from_static(b"ftp")));
        assert_eq!(field(b":authority", b"a:1"), Field::Authority(Bytes::from_static(b"a:1")));
        assert_eq!(field(b":path", b"*"), Field::Path(Bytes::from_static(b"*")));
    }

    #[test]
    fn other_pseudo_fields_are_unknown() {
        for name in [b":status".as_slice(), b":protocol", b":Method", b":", b":method "] {
            assert_eq!(field(name, b"200"), Field::UnknownPseudo);
        }
    }

    #[test]
    fn a_method_that_is_no_token_is_unknown() {
        for value in [b"".as_slice(), b"GE T", b"GET\r", b"\xff"] {
            assert_eq!(field(b":method", value), Field::UnknownPseudo);
        }
    }

    #[test]
    fn a_header_name_is_made_of_lower_case_token_octets() {
        for octet in 0..=u8::MAX {
            let is_token =
                octet.is_ascii_lowercase() || octet.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&octet);
            for length in [1, 2, 63, 64, 65, 300] {
                let mut name = vec![b'x'; length];
                name[length - 1] = octet;
                let is_header = matches!(field(&name, b"v"), Field::Header(..));
                assert_eq!(is_header, is_token, "octet {octet:#x} at the end of {length}");
            }
        }
    }

    #[test]
    fn an_empty_name_and_one_too_long_are_invalid() {
        assert_eq!(field(b"", b"v"), Field::Invalid);
        assert_eq!(field(&[b'a'; 70_000], b"v"), Field::Invalid);
    }

    #[test]
    fn a_value_with_forbidden_octets_is_invalid() {
        for value in [b"a\0".as_slice(), b"a\rb", b"a\nb", b"\x7f", b"\x01"] {
            assert_eq!(field(b"x", value), Field::Invalid);
        }
        for value in [b"".as_slice(), b"a\tb", b"\x80\xff", b"a b"] {
            let expected =
                Field::Header(HeaderName::from_static("x"), HeaderValue::from_bytes(value).unwrap());
            assert_eq!(field(b"x", value), expected);
        }
    }

    #[test]
    fn a_name_knows_its_length() {
        for name in [b":method".as_slice(), b":scheme", b":authority", b":path", b":x", b"accept", b"X", b""]
        {
            assert_eq!(Name::parse(name).len(), name.len());
        }
    }
}
