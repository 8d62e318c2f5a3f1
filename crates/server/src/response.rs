//! What a handler's response must be before the engine sends it as it is (RFC 9110 §6.4.1, §8.6, §15; RFC 9113 §8.1.1).
//!
//! In: a response's head, what its body says of its own size, and what was asked. Out: its [`Extent`], or what is wrong
//! with it, which is the handler's fault. Pure; never sees sockets or a body's bytes.

use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;

/// What a response answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) is_head: bool,
    /// Whether the request offers another protocol, so that `101` may be an answer.
    pub(crate) offers_upgrade: bool,
}

/// What of a body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Nothing, whatever the body holds.
    Nothing,
    /// All of it.
    Whole,
    /// All of it, which must be so many bytes.
    Sized(u64),
}

/// Checks a response and takes out of its head what must not be in it.
pub(crate) fn settle<B: Body>(response: &mut Response<B>, asked: Asked) -> Result<Extent, &'static str> {
    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS && asked.offers_upgrade {
        return Ok(Extent::Whole);
    }
    if status.is_informational() {
        return Err("an informational status is no final answer");
    }
    let hint = response.body().size_hint();
    let (exact, headers) = (hint.exact(), response.headers_mut());
    match status {
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT => {
            // RFC 9110 §8.6: never in a 204. A 205 gets its zero from the engine.
            headers.remove(CONTENT_LENGTH);
            return Ok(Extent::Nothing);
        }
        StatusCode::NOT_MODIFIED => return Ok(Extent::Nothing),
        // The HTTP/2 engine would send it.
        _ if asked.is_head => {
            let is_framed = [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| headers.contains_key(name));
            if let (Some(exact), false) = (exact, is_framed) {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(exact));
            }
            return Ok(Extent::Nothing);
        }
        _ => {}
    }
    let Some(length) = length(headers)? else {
        // The engines tell the peer what the body says of itself.
        return Ok(exact.map_or(Extent::Whole, Extent::Sized));
    };
    if hint.lower() > length || hint.upper().is_some_and(|upper| upper < length) {
        return Err("Content-Length is not the length of the body");
    }
    Ok(Extent::Sized(length))
}

/// The one length that a head says.
fn length(headers: &HeaderMap) -> Result<Option<u64>, &'static str> {
    match content_length(headers) {
        None => Ok(None),
        Some(_) if headers.keys().any(|name| *name == TRANSFER_ENCODING) => {
            Err("both Content-Length and Transfer-Encoding")
        }
        Some(Some(length)) => Ok(Some(length)),
        Some(None) => Err("Content-Length is no number, or is there twice"),
    }
}

/// What a head says of its content's length, if it does: the one number, or nothing that can be believed.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<Option<u64>> {
    // Fields are few: to pass over them costs less than to look one up.
    let mut values = headers.iter().filter(|(name, _)| **name == CONTENT_LENGTH).map(|(_, value)| value);
    let value = values.next()?;
    Some(decimal(value.as_bytes()).filter(|_| values.next().is_none()))
}

/// The number that some digits are (RFC 9110 §8.6), and nothing else.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
