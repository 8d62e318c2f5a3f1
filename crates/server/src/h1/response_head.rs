//! Writes the head of a response, and says how its body is framed (RFC 9112 §4, §5, §6).
//!
//! In: the parts of a response that [`settle`](crate::response::settle) has looked at, and what its body says of its size.
//! Out: bytes, the [`Framing`], and whether the connection ends with it. Pure; never sees sockets or a body's bytes.

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, HeaderValue, TRAILER, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, StatusCode};
use hyper::ext::ReasonPhrase;

use crate::date::Clock;
use crate::response::decimal;
use crate::rules::list;

/// How the end of a body is told (RFC 9112 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// By nothing: there is no body.
    None,
    /// So many bytes are still to come.
    Length(u64),
    Chunked,
}

/// What a body says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) is_empty: bool,
    pub(super) exact: Option<u64>,
}

/// Adds the head to `out`. How the body is framed, and whether the response is the connection's last.
pub(super) fn write(
    parts: &Parts,
    is_head: bool,
    size: Size,
    clock: &mut Clock,
    out: &mut Vec<u8>,
) -> (Framing, bool) {
    write_status(parts, out);
    let can_have_body =
        !is_head && !matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let (mut is_last, mut has_date, mut is_coded) = (false, false, false);
    let mut said = None;
    for (name, value) in &parts.headers {
        match *name {
            CONTENT_LENGTH if can_have_body && said.is_none() => said = Some(value),
            CONTENT_LENGTH if !is_head => continue,
            TRANSFER_ENCODING => {
                // Below: `chunked` must be its last word.
                is_coded = true;
                continue;
            }
            TRAILER if !can_have_body => continue,
            CONNECTION => is_last |= says_close(value),
            DATE => has_date = true,
            _ => {}
        }
        write_field(name, value.as_bytes(), out);
    }
    // RFC 9112 §6.3. The head's own length was found to fit the body.
    let length = || size.exact.or_else(|| decimal(said?.as_bytes()));
    let framing = match can_have_body {
        false => Framing::None,
        true if is_coded => Framing::Chunked,
        true if size.is_empty => Framing::None,
        true => length().map_or(Framing::Chunked, Framing::Length),
    };
    match framing {
        Framing::Chunked => write_codings(&parts.headers, out),
        Framing::Length(length) if said.is_none() => write_length(length, out),
        Framing::None if can_have_body && said.is_none() => write_length(0, out),
        Framing::Length(_) | Framing::None => {}
    }
    if !has_date {
        out.extend_from_slice(b"date: ");
        clock.write_date(out);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    (framing, is_last)
}

fn write_status(parts: &Parts, out: &mut Vec<u8>) {
    let own = parts.extensions.get::<ReasonPhrase>();
    if parts.status == StatusCode::OK && own.is_none() {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    let reason = own.map(ReasonPhrase::as_bytes);
    // RFC 9112 §4: the space stays, also where there is nothing to say.
    let reason = reason.or(parts.status.canonical_reason().map(str::as_bytes)).unwrap_or(b"<none>");
    for part in [b"HTTP/1.1 ", parts.status.as_str().as_bytes(), b" ", reason, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

fn write_field(name: &HeaderName, value: &[u8], out: &mut Vec<u8>) {
    for part in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// RFC 9112 §6.1: what the application has coded, and `chunked` as the last.
fn write_codings(headers: &HeaderMap, out: &mut Vec<u8>) {
    out.extend_from_slice(b"transfer-encoding: ");
    let mut is_said = false;
    for coding in headers.get_all(TRANSFER_ENCODING) {
        out.extend_from_slice(coding.as_bytes());
        out.extend_from_slice(b", ");
        is_said = is_chunked(coding);
    }
    if is_said {
        out.truncate(out.len() - 2);
    } else {
        out.extend_from_slice(b"chunked");
    }
    out.extend_from_slice(b"\r\n");
}

fn write_length(length: u64, out: &mut Vec<u8>) {
    write_field(&CONTENT_LENGTH, HeaderValue::from(length).as_bytes(), out);
}

/// RFC 9112 §9.6.
fn says_close(value: &HeaderValue) -> bool {
    list(value).any(|option| option.eq_ignore_ascii_case(b"close"))
}

/// Whether the last coding is `chunked`.
fn is_chunked(value: &HeaderValue) -> bool {
    list(value).last().is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    fn head(
        response: Response<()>,
        is_head: bool,
        is_empty: bool,
        exact: Option<u64>,
    ) -> (String, Framing, bool) {
        let mut out = Vec::new();
        let (mut parts, ()) = response.into_parts();
        parts.headers.insert(DATE, HeaderValue::from_static("now"));
        let size = Size { is_empty, exact };
        let (framing, is_last) = write(&parts, is_head, size, &mut Clock::default(), &mut out);
        (String::from_utf8(out).unwrap(), framing, is_last)
    }

    fn with(status: u16, fields: &[(&str, &str)]) -> Response<()> {
        let builder = Response::builder().status(status);
        fields.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value)).body(()).unwrap()
    }

    #[test]
    fn a_body_of_known_length_is_framed_by_it() {
        let (text, framing, is_last) = head(with(200, &[("x", "1")]), false, false, Some(7));
        assert_eq!(text, "HTTP/1.1 200 OK\r\nx: 1\r\ndate: now\r\ncontent-length: 7\r\n\r\n");
        assert_eq!((framing, is_last), (Framing::Length(7), false));
        let (text, framing, _) = head(with(200, &[("content-length", "7")]), false, false, None);
        assert_eq!(text, "HTTP/1.1 200 OK\r\ncontent-length: 7\r\ndate: now\r\n\r\n");
        assert_eq!(framing, Framing::Length(7));
    }

    #[test]
    fn a_body_of_unknown_length_is_sent_in_chunks() {
        let (text, framing, _) = head(with(404, &[]), false, false, None);
        assert_eq!(text, "HTTP/1.1 404 Not Found\r\ndate: now\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!(framing, Framing::Chunked);
    }

    #[test]
    fn chunked_is_the_last_coding_whatever_the_application_says() {
        for (said, sent) in [
            (&["gzip"][..], "gzip, chunked"),
            (&["gzip, Chunked"], "gzip, Chunked"),
            (&["gzip", "chunked"], "gzip, chunked"),
            (&["chunked"], "chunked"),
        ] {
            let fields: Vec<_> = said.iter().map(|coding| ("transfer-encoding", *coding)).collect();
            let (text, framing, _) = head(with(200, &fields), false, false, Some(3));
            assert!(text.ends_with(&format!("\r\ntransfer-encoding: {sent}\r\n\r\n")), "{text}");
            assert!(!text.contains("content-length"), "{text}");
            assert_eq!(framing, Framing::Chunked);
        }
    }

    #[test]
    fn an_empty_body_has_a_length_where_there_can_be_one() {
        let lengths = [200, 205, 204, 304].map(|status| {
            let (text, framing, _) = head(with(status, &[]), false, true, Some(0));
            assert_eq!(framing, Framing::None);
            text.contains("\r\ncontent-length: 0\r\n")
        });
        assert_eq!(lengths, [true, true, false, false]);
        assert!(!head(with(304, &[("content-length", "5")]), false, true, None).0.contains("content-length"));
    }

    #[test]
    fn an_answer_to_head_has_the_fields_and_no_body() {
        let (text, framing, _) = head(with(200, &[("content-length", "5")]), true, true, None);
        assert_eq!(text, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ndate: now\r\n\r\n");
        assert_eq!(framing, Framing::None);
        assert_eq!(head(with(200, &[]), true, true, None).0, "HTTP/1.1 200 OK\r\ndate: now\r\n\r\n");
    }

    #[test]
    fn close_is_found_among_other_options() {
        for (value, is_last) in
            [("close", true), ("x, Close", true), ("closed", false), ("keep-alive", false)]
        {
            assert_eq!(head(with(200, &[("connection", value)]), false, true, None).2, is_last, "{value}");
        }
    }

    #[test]
    fn an_unknown_status_and_a_reason_of_ones_own_are_written() {
        assert!(head(with(299, &[]), false, true, None).0.starts_with("HTTP/1.1 299 <none>\r\n"));
        let mut response = with(200, &[]);
        response.extensions_mut().insert(ReasonPhrase::from_static(b"Fine"));
        assert!(head(response, false, true, None).0.starts_with("HTTP/1.1 200 Fine\r\n"));
    }
}
