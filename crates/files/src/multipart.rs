//! Writes several parts of one content as `multipart/byteranges` (RFC 9110 §14.6, RFC 2046 §5.1.1).
//!
//! In: the parts, the content's length and type. Out: the type of the whole, and the text that stands before each part
//! and after the last. Must not know where the bytes of the parts come from.

use std::{
    fmt::Write,
    hash::{BuildHasher, RandomState},
};

use bytes::Bytes;
use http::HeaderValue;

use crate::range::Part;

pub(crate) struct Multipart {
    pub(crate) content_type: HeaderValue,
    /// What stands before each part, in their order.
    pub(crate) heads: Vec<Bytes>,
    /// What stands after the last.
    pub(crate) end: Bytes,
    /// Bytes of it all, the parts' own included.
    pub(crate) len: u64,
}

impl Multipart {
    pub(crate) fn new(parts: &[Part], content_len: u64, media_type: &HeaderValue) -> Self {
        // So random that no file holds it by chance.
        let random = || RandomState::new().hash_one(parts.len());
        Self::with_boundary(&format!("{:016x}{:016x}", random(), random()), parts, content_len, media_type)
    }

    fn with_boundary(boundary: &str, parts: &[Part], content_len: u64, media_type: &HeaderValue) -> Self {
        let media_type = media_type.to_str().unwrap_or("application/octet-stream");
        let heads: Vec<Bytes> = parts
            .iter()
            .enumerate()
            .map(|(place, Part { start, last })| {
                // The line break before a boundary belongs to it; before the first there is nothing to end.
                let mut head = String::from(if place == 0 { "--" } else { "\r\n--" });
                // Writing to a String does not fail.
                let _ = write!(
                    head,
                    "{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: bytes {start}-{last}/{content_len}\r\n\r\n"
                );
                head.into()
            })
            .collect();
        let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        let texts = heads.iter().chain([&end]).map(|text| text.len() as u64);
        let len = texts.chain(parts.iter().map(Part::len)).fold(0, u64::saturating_add);
        let content_type = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}"))
            .unwrap_or_else(|_| HeaderValue::from_static("multipart/byteranges"));
        Self { content_type, heads, end, len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_says_what_it_is() {
        let parts = [Part { start: 0, last: 1 }, Part { start: 7, last: 9 }];
        let text = HeaderValue::from_static("text/plain");
        let multipart = Multipart::with_boundary("B", &parts, 10, &text);
        assert_eq!(multipart.content_type, "multipart/byteranges; boundary=B");
        assert_eq!(
            multipart.heads[0],
            "--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n"
        );
        assert_eq!(
            multipart.heads[1],
            "\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 7-9/10\r\n\r\n"
        );
        assert_eq!(multipart.end, "\r\n--B--\r\n");
        let texts: usize = multipart.heads.iter().map(Bytes::len).sum();
        assert_eq!(multipart.len, (texts + multipart.end.len() + 5) as u64);
    }

    #[test]
    fn no_two_answers_have_the_same_boundary() {
        let parts = [Part { start: 0, last: 1 }];
        let text = HeaderValue::from_static("text/plain");
        let types = [Multipart::new(&parts, 10, &text), Multipart::new(&parts, 10, &text)];
        assert_ne!(types[0].content_type, types[1].content_type);
    }
}
