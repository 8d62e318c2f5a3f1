//! What a request must be before a handler sees it, where the engine does not look (RFC 9110, RFC 9112).
//!
//! In: a parsed request head. Out: nothing, or the [`Refusal`]. Pure; never sees sockets or bodies.

use http::header::{EXPECT, HOST, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Uri, Version};
use http_body::Body;

use crate::answer::Refusal;
use crate::h2_rules;
use crate::limits::Limits;

/// Checks a request and settles its host: an absolute-form target wins over `Host` (RFC 9112 §3.2.2).
pub(crate) fn admit<B: Body>(request: &mut Request<B>, limits: &Limits) -> Result<(), Refusal> {
    let uri = request.uri();
    if target_length(uri) > limits.max_target_bytes {
        return Err(Refusal::TargetTooLong);
    }
    if request.headers().len() > limits.max_header_count {
        return Err(Refusal::TooManyHeaders);
    }
    check_method(request.method())?;
    check_target(request.method(), uri)?;
    let is_http2 = request.version() == Version::HTTP_2;
    if is_http2 {
        h2_rules::settle(request)?;
    }
    let told = Told::by(request.headers());
    if is_http2 {
        check_authority(request.uri(), &told)?;
    } else {
        check_host(request.version(), &told)?;
        // Only a body in chunks has a coding: the engine refuses every other.
        if request.body().size_hint().exact().is_none() {
            check_coding(request.headers())?;
        }
    }
    if told.expects_other {
        return Err(Refusal::Expectation);
    }
    if is_http2 { Ok(()) } else { settle_host(request) }
}

/// What fields say that every request is asked for, found in one pass.
struct Told<'a> {
    host: Option<&'a HeaderValue>,
    has_second_host: bool,
    /// There is an expectation other than `100-continue` (RFC 9110 §10.1.1).
    expects_other: bool,
}

impl<'a> Told<'a> {
    fn by(headers: &'a HeaderMap) -> Self {
        let mut told = Self { host: None, has_second_host: false, expects_other: false };
        for (name, value) in headers {
            if *name == HOST {
                told.has_second_host |= told.host.replace(value).is_some();
            } else if *name == EXPECT {
                told.expects_other |= !value.as_bytes().eq_ignore_ascii_case(b"100-continue");
            }
        }
        told
    }
}

/// RFC 9112 §6.1: `chunked` once. Nothing here undoes another coding, and a handler would take it for the content.
fn check_coding(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut times = 0;
    for value in headers.get_all(TRANSFER_ENCODING) {
        for coding in list(value) {
            match coding {
                [] => {}
                _ if coding.eq_ignore_ascii_case(b"chunked") => times += 1,
                _ => return Err(Refusal::Coding),
            }
        }
    }
    if times > 1 { Err(Refusal::Framing) } else { Ok(()) }
}

/// The members of a list, the empty ones too (RFC 9110 §5.6.1).
pub(crate) fn list(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Length of the target as it stood in the request line.
fn target_length(uri: &Uri) -> usize {
    let path = uri.path_and_query().map_or(0, |target| target.as_str().len());
    let scheme = uri.scheme_str().map_or(0, |scheme| scheme.len() + 3);
    path + scheme + uri.authority().map_or(0, |authority| authority.as_str().len())
}

fn check_method(method: &Method) -> Result<(), Refusal> {
    match method.as_str() {
        "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH" | "TRACE" => Ok(()),
        "CONNECT" => Err(Refusal::Connect),
        other if REGISTERED.binary_search(&other).is_ok() => Ok(()),
        _ => Err(Refusal::Method),
    }
}

/// Further methods that are in use, in order: those of the IANA registry, and those that Node's `http` knows.
const REGISTERED: [&str; 36] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "M-SEARCH",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "NOTIFY",
    "ORDERPATCH",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// RFC 9112 §3.2: origin-form and absolute-form for every method, asterisk-form for `OPTIONS` alone.
fn check_target(method: &Method, uri: &Uri) -> Result<(), Refusal> {
    let Some(target) = uri.path_and_query() else {
        // Authority-form, which belongs to CONNECT, or an absolute form without a path.
        return if uri.scheme().is_some() { check_scheme(uri) } else { Err(Refusal::Target) };
    };
    check_scheme(uri)?;
    // RFC 3986 §2: other characters are percent-encoded. The engine takes UTF-8.
    if !target.as_str().is_ascii() {
        return Err(Refusal::Target);
    }
    if uri.scheme().is_none() && uri.authority().is_some() {
        return Err(Refusal::Target);
    }
    match target.as_str() {
        "*" if method == Method::OPTIONS => Ok(()),
        text if text.starts_with('/') => Ok(()),
        // `http://host?query`: the path is empty, which is an absolute form's right.
        text if uri.scheme().is_some() && text.starts_with('?') => Ok(()),
        "" if uri.scheme().is_some() => Ok(()),
        _ => Err(Refusal::Target),
    }
}

/// An absolute form must be http or https, with a host and without user information (RFC 9110 §4.2.4).
fn check_scheme(uri: &Uri) -> Result<(), Refusal> {
    let Some(scheme) = uri.scheme_str() else { return Ok(()) };
    let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let has_host = uri.authority().is_some_and(|authority| is_host(authority.as_str().as_bytes()));
    if is_http && has_host { Ok(()) } else { Err(Refusal::Target) }
}

/// RFC 9112 §3.2: exactly one valid `Host` in HTTP/1.1; at most one in HTTP/1.0.
fn check_host(version: Version, told: &Told<'_>) -> Result<(), Refusal> {
    match told.host {
        Some(host) if !told.has_second_host && is_host(host.as_bytes()) => Ok(()),
        None if version == Version::HTTP_10 => Ok(()),
        _ => Err(Refusal::Host),
    }
}

/// RFC 9112 §3.2.2: the host of an absolute form counts.
fn settle_host<B>(request: &mut Request<B>) -> Result<(), Refusal> {
    if let Some(authority) = request.uri().authority() {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::Host)?;
        request.headers_mut().insert(HOST, host);
    }
    Ok(())
}

/// RFC 9113 §8.3.1: an authority, from `:authority` or `Host`, and both the same where there are both.
fn check_authority(uri: &Uri, told: &Told<'_>) -> Result<(), Refusal> {
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = told.host.map(HeaderValue::as_bytes);
    let is_right = match (authority, host) {
        (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host) && is_host(authority),
        (Some(only), None) | (None, Some(only)) => is_host(only),
        (None, None) => false,
    };
    if is_right && !told.has_second_host { Ok(()) } else { Err(Refusal::Host) }
}

/// `uri-host [ ":" port ]` (RFC 9110 §7.2), not empty (§4.2.1). A comma is legal in a name by grammar, but
/// means two hosts glued by a proxy; it is refused.
fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value {
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            let (literal, after) = rest.split_at(end);
            let is_literal = literal.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'));
            if literal.is_empty() || !is_literal {
                return false;
            }
            match after {
                [b']'] => return true,
                [b']', b':', port @ ..] => (&b"x"[..], port),
                _ => return false,
            }
        }
        _ => {
            let is_name = |byte: &&u8| NAME.get(usize::from(**byte)) == Some(&true);
            match value.split_at(value.iter().take_while(is_name).count()) {
                (name, []) => return !name.is_empty(),
                (name, [b':', port @ ..]) => (name, port),
                _ => return false,
            }
        }
    };
    let is_port = port.len() <= 5
        && port.iter().all(u8::is_ascii_digit)
        && port.iter().fold(0u32, |n, digit| n * 10 + u32::from(digit - b'0')) <= 65_535;
    !host.is_empty() && is_port
}

/// The octets of a registered name (RFC 3986 §3.2.2), save for the comma.
const NAME: [bool; 256] = {
    let mut name = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        name[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'-' | b'.'
                    | b'_'
                    | b'~'
                    | b'%'
                    | b'!'
                    | b'$'
                    | b'&'
                    | b'\''
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b';'
                    | b'='
            );
        byte += 1;
    }
    name
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registered_methods_are_in_order() {
        assert!(REGISTERED.is_sorted());
    }

    mod s3_2_host {
        use super::*;

        #[test]
        fn hosts_that_a_client_may_send() {
            for host in [
                "a",
                "example.com",
                "example.com:80",
                "example.com:",
                "127.0.0.1:8080",
                "[::1]",
                "[::1]:1",
                "x%20y",
            ] {
                assert!(is_host(host.as_bytes()), "{host}");
            }
        }

        #[test]
        fn hosts_that_are_none() {
            for host in [
                "",
                ":80",
                "a b",
                "a,b",
                "user@host",
                "a/b",
                "a:b",
                "a:99999",
                "a:1:2",
                "[::1",
                "[]",
                "[x]",
                "[::1]x",
                "a:+1",
                "a#b",
                "a?b",
                "a\\b",
                "\u{fc}",
            ] {
                assert!(!is_host(host.as_bytes()), "{host}");
            }
        }
    }
}
