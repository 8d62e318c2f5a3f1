//! [`Refusal`]: the answers to those who may not pass.
//!
//! In: why, and for which method. Out: a whole response: `401` with its
//! challenge (RFC 9110 §11.6.1), `503` when too much is waiting. The one place
//! that turns a verdict into a status.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Response, StatusCode};

/// Why a request goes no further.
#[derive(Clone, Debug)]
pub(super) enum Reason {
    /// No credentials, unreadable ones or wrong ones. Holds the challenge.
    Unauthorized(HeaderValue),
    /// Nobody knows whether they are right: too many wait to be checked.
    Busy,
}

/// An answer that is to be given.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    reason: Reason,
    without_body: bool,
}

impl Refusal {
    pub(super) fn new(reason: Reason, method: &Method) -> Self {
        Self { reason, without_body: *method == Method::HEAD }
    }

    pub(super) fn response<B: From<Bytes>>(&self) -> Response<B> {
        let (status, text) = match &self.reason {
            Reason::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "401 Unauthorized\n"),
            Reason::Busy => (StatusCode::SERVICE_UNAVAILABLE, "503 Service Unavailable\n"),
        };
        // HEAD has the fields of GET (RFC 9110 §9.3.2), its length among them.
        let body = if self.without_body { "" } else { text };
        let mut response = Response::new(B::from(Bytes::from_static(body.as_bytes())));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match &self.reason {
            Reason::Unauthorized(challenge) => headers.insert(WWW_AUTHENTICATE, challenge.clone()),
            Reason::Busy => headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS)),
        };
        response
    }
}

/// The challenge for `realm` (RFC 7617 §2). A control character cannot stand in
/// a header and becomes a space.
pub(super) fn challenge(realm: &str) -> HeaderValue {
    let mut value = String::from("Basic realm=\"");
    for character in realm.chars() {
        match character {
            '"' | '\\' => value.extend(['\\', character]),
            control if control.is_control() => value.push(' '),
            character => value.push(character),
        }
    }
    value.push_str("\", charset=\"UTF-8\"");
    HeaderValue::from_bytes(value.as_bytes()).expect("control characters were replaced")
}

/// By then a full queue has been worked off, at the usual cost of a hash.
const RETRY_AFTER_SECONDS: u16 = 3;

#[cfg(test)]
mod tests {
    use super::challenge;

    fn check(realm: &str, expected: &str) {
        assert_eq!(challenge(realm).as_bytes(), expected.as_bytes(), "{realm:?}");
    }

    #[test]
    fn a_realm_is_a_quoted_string() {
        check("WallyWorld", r#"Basic realm="WallyWorld", charset="UTF-8""#);
        check(r#"a "b" \c"#, r#"Basic realm="a \"b\" \\c", charset="UTF-8""#);
        check("", r#"Basic realm="", charset="UTF-8""#);
        check("안녕", r#"Basic realm="안녕", charset="UTF-8""#);
    }

    #[test]
    fn no_character_of_a_realm_splits_or_breaks_the_field() {
        for character in (0..0x3000u32).filter_map(char::from_u32) {
            let value = challenge(&character.to_string());
            assert!(!value.as_bytes().iter().any(u8::is_ascii_control), "{character:?}");
        }
    }
}
