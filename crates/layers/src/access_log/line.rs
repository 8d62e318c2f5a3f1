//! Writes the line of one exchange, as text or as JSON.
//!
//! In: an [`Exchange`], the facts about one request and its response, borrowed
//! from wherever they are kept. Out: bytes without a line break at the end.
//! Reads no clock and does no I/O.

use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use http::Version;

use super::basic_auth;
use super::clock::{DateCache, DateForm, push_digits};
use super::escape::push_escaped;
use super::format::Plan;
use super::pattern::{Part, Token};

/// One request and, perhaps, its response.
pub(super) struct Exchange<'a> {
    pub(super) now: SystemTime,
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) version: Version,
    pub(super) addr: Option<IpAddr>,
    pub(super) authorization: Option<&'a [u8]>,
    pub(super) referrer: Option<&'a [u8]>,
    pub(super) agent: Option<&'a [u8]>,
    /// The values of the pattern's request headers, in its order; empty: none.
    pub(super) request_headers: &'a [Vec<u8>],
    /// `None`: the response never began.
    pub(super) answer: Option<Answer<'a>>,
    /// From the request to now.
    pub(super) total: Option<Duration>,
    /// Of the response's body.
    pub(super) bytes: u64,
    pub(super) aborted: bool,
}

/// A response that began.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    /// From the request to the response's head.
    pub(super) elapsed: Option<Duration>,
    pub(super) length: Option<Length<'a>>,
    /// The values of the pattern's response headers, in its order; empty: none.
    pub(super) headers: &'a [Vec<u8>],
    pub(super) request_id: Option<&'a str>,
}

/// The length of a response's body, as far as it is known at its head.
#[derive(Clone, Copy)]
pub(super) enum Length<'a> {
    /// The application's `Content-Length`.
    Header(&'a [u8]),
    /// No header, but the body knows.
    Exact(u64),
}

/// Appends the line of `exchange` to `line`, without a line break.
pub(super) fn write_line(line: &mut Vec<u8>, plan: &Plan, exchange: &Exchange<'_>, dates: &mut DateCache) {
    match &plan.text {
        None => write_json(line, exchange, dates),
        Some(pattern) => {
            for part in pattern.parts() {
                match part {
                    Part::Literal(text) => line.extend_from_slice(text.as_bytes()),
                    Part::Token(token) => write_token(line, *token, exchange, dates),
                }
            }
        }
    }
}

/// Appends one token's value, or `-` if it has none. A flat list of every
/// token, and so a long function.
fn write_token(line: &mut Vec<u8>, token: Token, exchange: &Exchange<'_>, dates: &mut DateCache) {
    let answer = exchange.answer.as_ref();
    let before = line.len();
    match token {
        Token::Method => push_escaped(line, exchange.method.as_bytes()),
        Token::Url => push_escaped(line, exchange.url.as_bytes()),
        Token::HttpVersion => line.extend_from_slice(version(exchange.version)),
        Token::Status => {
            if let Some(answer) = answer {
                push_digits(line, u64::from(answer.status), 1);
            }
        }
        Token::RemoteAddr => {
            if let Some(addr) = exchange.addr {
                push_addr(line, addr);
            }
        }
        Token::RemoteUser => {
            if let Some(user) = exchange.authorization.and_then(basic_auth::user) {
                push_escaped(line, user.as_bytes());
            }
        }
        Token::Referrer => push_escaped(line, exchange.referrer.unwrap_or_default()),
        Token::UserAgent => push_escaped(line, exchange.agent.unwrap_or_default()),
        Token::RequestHeader(place) => {
            push_escaped(line, exchange.request_headers.get(place).map_or(&[], Vec::as_slice));
        }
        Token::ResponseHeader(place) => {
            let value = answer.and_then(|answer| answer.headers.get(place));
            push_escaped(line, value.map_or(&[], Vec::as_slice));
        }
        Token::Date(form) => dates.push(line, exchange.now, form),
        Token::ResponseTime(digits) => {
            if let Some(elapsed) = answer.and_then(|answer| answer.elapsed) {
                push_millis(line, elapsed, digits);
            }
        }
        Token::TotalTime(digits) => {
            if let (Some(_), Some(total)) = (answer, exchange.total) {
                push_millis(line, total, digits);
            }
        }
        Token::Pid => push_digits(line, u64::from(std::process::id()), 1),
        Token::Length => match answer.and_then(|answer| answer.length) {
            Some(Length::Header(value)) => push_escaped(line, value),
            Some(Length::Exact(length)) => push_digits(line, length, 1),
            None => {}
        },
        Token::Color => line.extend_from_slice(color(answer.map_or(0, |answer| answer.status))),
    }
    if line.len() == before {
        line.push(b'-');
    }
}

fn write_json(line: &mut Vec<u8>, exchange: &Exchange<'_>, dates: &mut DateCache) {
    line.extend_from_slice(b"{\"time\":\"");
    dates.push(line, exchange.now, DateForm::Iso);
    line.extend_from_slice(b"\",\"addr\":");
    match exchange.addr {
        Some(addr) => {
            line.push(b'"');
            push_addr(line, addr);
            line.push(b'"');
        }
        None => line.extend_from_slice(b"null"),
    }
    let user = exchange.authorization.and_then(basic_auth::user);
    push_field(line, "user", user.as_deref().map(str::as_bytes));
    push_field(line, "method", Some(exchange.method.as_bytes()));
    push_field(line, "url", Some(exchange.url.as_bytes()));
    push_field(line, "version", Some(version(exchange.version)));
    line.extend_from_slice(b",\"status\":");
    match &exchange.answer {
        Some(answer) => push_digits(line, u64::from(answer.status), 1),
        None => line.extend_from_slice(b"null"),
    }
    line.extend_from_slice(b",\"bytes\":");
    push_digits(line, exchange.bytes, 1);
    line.extend_from_slice(b",\"duration_ms\":");
    match exchange.total {
        Some(total) => push_millis(line, total, 3),
        None => line.extend_from_slice(b"null"),
    }
    push_field(line, "referrer", exchange.referrer);
    push_field(line, "agent", exchange.agent);
    if let Some(id) = exchange.answer.as_ref().and_then(|answer| answer.request_id) {
        push_field(line, "request_id", Some(id.as_bytes()));
    }
    if exchange.aborted {
        line.extend_from_slice(b",\"aborted\":true");
    }
    line.push(b'}');
}

/// Appends `,"name":"value"`; an empty value is `null`, as it is `-` in text.
fn push_field(line: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    line.extend_from_slice(b",\"");
    line.extend_from_slice(name.as_bytes());
    match value {
        Some(value) if !value.is_empty() => {
            line.extend_from_slice(b"\":\"");
            push_escaped(line, value);
            line.push(b'"');
        }
        _ => line.extend_from_slice(b"\":null"),
    }
}

fn push_addr(line: &mut Vec<u8>, addr: IpAddr) {
    match addr {
        IpAddr::V4(addr) => {
            for (place, octet) in addr.octets().into_iter().enumerate() {
                if place > 0 {
                    line.push(b'.');
                }
                push_digits(line, u64::from(octet), 1);
            }
        }
        // Writing to a Vec cannot fail.
        IpAddr::V6(addr) => drop(write!(line, "{addr}")),
    }
}

/// Appends milliseconds with `digits` after the point (0 to 9), rounded half up.
fn push_millis(line: &mut Vec<u8>, time: Duration, digits: u8) {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX); // 584 years
    let cut = 10u64.pow(6u32.saturating_sub(u32::from(digits)));
    let kept = usize::from(digits.min(6));
    let rounded = nanos.saturating_add(cut / 2) / cut;
    let whole = 1_000_000 / cut;
    push_digits(line, rounded / whole, 1);
    if digits > 0 {
        line.push(b'.');
        push_digits(line, rounded % whole, kept);
        // Beyond nanoseconds nothing is known.
        line.extend(std::iter::repeat_n(b'0', usize::from(digits) - kept));
    }
}

fn version(version: Version) -> &'static [u8] {
    match version {
        Version::HTTP_09 => b"0.9",
        Version::HTTP_10 => b"1.0",
        Version::HTTP_2 => b"2.0",
        Version::HTTP_3 => b"3.0",
        _ => b"1.1",
    }
}

/// What colours a status: red, yellow, cyan, green or nothing (ECMA-48 §8.3.117).
fn color(status: u16) -> &'static [u8] {
    match status {
        500.. => b"\x1b[31m",
        400.. => b"\x1b[33m",
        300.. => b"\x1b[36m",
        200.. => b"\x1b[32m",
        _ => b"\x1b[0m",
    }
}
