//! Reads requests that need no engine (RFC 9112 §3, §5, §6).
//!
//! In: bytes. Out: a request, if it has come whole, body included, without an expectation, an offer or a wish that concerns
//! the connection; everything else, and everything that is wrong, is the engine's. Pure; never sees sockets.

use std::mem::MaybeUninit;

use axum_core::body::Body;
use bytes::{Buf, Bytes};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Uri, Version};
use httparse::{ParserConfig, Status};

use crate::limits::Limits;
use crate::response::decimal;

/// As many fields as the engine allows as well.
const MOST_FIELDS: usize = 100;

/// What stands at the beginning of some bytes.
#[allow(clippy::large_enum_variant, reason = "it is taken apart at once, and a box would cost an allocation")]
pub(super) enum Head {
    /// A request, and its body, which may be empty.
    Request(Request<Body>, Bytes),
    /// The beginning of a head.
    Partial,
    /// Something for the engine.
    Other,
}

/// Takes a request from the bytes. Its fields are put into `fields`, which is for its memory only.
pub(super) fn take(bytes: &mut Bytes, mut fields: HeaderMap, limits: &Limits) -> Head {
    let mut room = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut head = httparse::Request::new(&mut []);
    let parsed = ParserConfig::default().parse_request_with_uninit_headers(&mut head, bytes, &mut room);
    let length = match parsed {
        Ok(Status::Complete(length)) if length <= limits.max_head_bytes => length,
        Ok(Status::Partial) => return Head::Partial,
        _ => return Head::Other,
    };
    let Some(method) = head.method.and_then(method) else { return Head::Other };
    let (Some(target), Some(1)) = (head.path, head.version) else { return Head::Other };
    if !ends_lines_in_crlf(&bytes[..length]) || has_fault(target, limits) {
        return Head::Other;
    }
    let Ok(target) = Uri::from_maybe_shared(bytes.slice_ref(target.as_bytes())) else { return Head::Other };
    fields.reserve(head.headers.len());
    let mut size = None;
    for field in &*head.headers {
        let Ok(name) = HeaderName::from_bytes(field.name.as_bytes()) else { return Head::Other };
        if name == header::CONTENT_LENGTH {
            // More than one, or what is no number.
            let (None, Some(length)) = (size, decimal(field.value)) else { return Head::Other };
            size = Some(length);
        } else if is_for_the_engine(&name, field.value) {
            return Head::Other;
        }
        let Ok(value) = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value)) else {
            return Head::Other;
        };
        fields.append(name, value);
    }
    let size = usize::try_from(size.unwrap_or(0)).unwrap_or(usize::MAX);
    if size > bytes.len() - length {
        return Head::Other;
    }
    bytes.advance(length);
    let body = bytes.split_to(size);
    let mut request = Request::new(Body::empty());
    *request.method_mut() = method;
    *request.uri_mut() = target;
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = fields;
    Head::Request(request, body)
}

/// Drops empty lines, which may stand before a request (RFC 9112 §2.2).
pub(super) fn skip_empty_lines(bytes: &mut Bytes) {
    loop {
        let length = match **bytes {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => return,
        };
        bytes.advance(length);
    }
}

/// RFC 9112 §2.2: the parser takes a line that ends in LF alone.
fn ends_lines_in_crlf(head: &[u8]) -> bool {
    let pairs = head.iter().zip(head.iter().skip(1));
    // Without a way out, so that many are looked at in one step.
    pairs.fold(true, |is_good, (a, b)| is_good & ((*b != b'\n') | (*a == b'\r')))
}

/// RFC 9112 §3.2: a target has no fragment, which would be cut off; one that is too long ends the connection.
fn has_fault(target: &str, limits: &Limits) -> bool {
    target.len() > limits.max_target_bytes || target.as_bytes().contains(&b'#')
}

/// The methods that are common. Every other is the engine's to take or refuse.
fn method(name: &str) -> Option<Method> {
    Some(match name {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "DELETE" => Method::DELETE,
        "OPTIONS" => Method::OPTIONS,
        _ => return None,
    })
}

/// Whether a field frames a body in another way, or concerns more than the request.
fn is_for_the_engine(name: &HeaderName, value: &[u8]) -> bool {
    match *name {
        header::TRANSFER_ENCODING | header::EXPECT | header::UPGRADE | header::TE | header::TRAILER => true,
        header::CONNECTION => !value.eq_ignore_ascii_case(b"keep-alive"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (Head, Bytes) {
        let mut bytes = Bytes::copy_from_slice(text.as_bytes());
        let head = take(&mut bytes, HeaderMap::new(), &Limits::default());
        (head, bytes)
    }

    #[test]
    fn a_head_is_taken_and_what_follows_stays() {
        let (head, rest) = of("GET /a?b HTTP/1.1\r\nHost: h\r\nX-Y: 1\r\nx-y:  2 \r\n\r\nGET");
        let Head::Request(request, body) = head else { panic!("a request") };
        assert_eq!((request.method(), request.uri().path()), (&Method::GET, "/a"));
        let values: Vec<_> = request.headers().get_all("x-y").iter().collect();
        assert_eq!(values, ["1", "2"]);
        assert!(body.is_empty());
        assert_eq!(&rest[..], b"GET");
    }

    #[test]
    fn a_body_is_taken_with_its_head_once_it_is_whole() {
        let text = "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcPUT";
        let (head, rest) = of(text);
        let Head::Request(request, body) = head else { panic!("a request") };
        assert_eq!(request.method(), Method::PUT);
        assert_eq!(request.headers()["content-length"], "3");
        assert_eq!((&body[..], &rest[..]), (&b"abc"[..], &b"PUT"[..]));
        let text = &text[..text.len() - "cPUT".len()];
        let (head, rest) = of(text);
        assert!(matches!(head, Head::Other));
        assert_eq!(&rest[..], text.as_bytes());
    }

    #[test]
    fn without_a_length_there_is_no_body() {
        for text in ["POST / HTTP/1.1\r\nHost: h\r\n\r\n", "DELETE / HTTP/1.1\r\ncontent-length: 0\r\n\r\n"] {
            let (head, rest) = of(&format!("{text}GET"));
            assert!(matches!(head, Head::Request(_, body) if body.is_empty()), "{text:?}");
            assert_eq!(&rest[..], b"GET");
        }
    }

    #[test]
    fn what_concerns_more_than_the_request_is_the_engines_and_no_byte_is_lost() {
        for text in [
            "TRACE / HTTP/1.1\r\nHost: h\r\n\r\n",
            "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: h\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            "POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\nx",
            "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\nx",
            "POST / HTTP/1.1\r\nContent-Length:\r\n\r\nx",
            "POST / HTTP/1.1\r\nContent-Length: 18446744073709551617\r\n\r\nx",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, upgrade\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n",
            "GET / HTTP/1.1\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\n\n",
            "GET /#a HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
            "\u{0}",
        ] {
            let (head, rest) = of(text);
            assert!(matches!(head, Head::Other), "{text:?}");
            assert_eq!(&rest[..], text.as_bytes());
        }
    }

    #[test]
    fn a_head_in_pieces_is_awaited() {
        let whole = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        for end in 0..whole.len() {
            assert!(matches!(of(&whole[..end]).0, Head::Partial), "{end}");
        }
    }

    #[test]
    fn a_head_above_the_limits_is_the_engines_to_refuse() {
        let (head, _) = of(&format!("GET / HTTP/1.1\r\nHost: h\r\nx: {}\r\n\r\n", "x".repeat(16 * 1024)));
        assert!(matches!(head, Head::Other));
        let (head, _) = of(&format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "a: b\r\n".repeat(MOST_FIELDS)));
        assert!(matches!(head, Head::Other));
    }
}
