//! The answers that the server gives by itself, before or instead of a handler.
//!
//! One exhaustive match turns every [`Refusal`] into its status. Two forms: a response for the engine to
//! send, and bytes for when the engine is gone.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use crate::date::Clock;

/// A rule or a limit that a request broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// `Host` is missing, repeated or not a host (RFC 9112 §3.2).
    Host,
    /// The request target has a form that its method does not allow (RFC 9112 §3.2).
    Target,
    /// A line of the head does not end in CR LF (RFC 9112 §2.2).
    LineEnd,
    /// The preface of HTTP/2 where it is not spoken, or not at the connection's beginning (RFC 9113 §3.4).
    Preface,
    /// More than one field says where the message ends (RFC 9112 §6.1, §6.3).
    Framing,
    /// A transfer coding other than `chunked` (RFC 9112 §6.1).
    Coding,
    /// A field's value begins or ends with a space (RFC 9113 §8.2.1).
    FieldValue,
    /// A method that the server does not know (RFC 9110 §9.1).
    Method,
    /// `CONNECT`: this server is no proxy (RFC 9110 §9.3.6).
    Connect,
    /// An expectation other than `100-continue` (RFC 9110 §10.1.1).
    Expectation,
    /// The request target is longer than the limit (RFC 9110 §15.5.15).
    TargetTooLong,
    /// More header fields than the limit (RFC 6585 §5).
    TooManyHeaders,
    /// The head did not come in time (RFC 9110 §15.5.9).
    HeadTimeout,
    /// The body did not come in time (RFC 9110 §15.5.9).
    BodyTimeout,
    /// The body is larger than the limit (RFC 9110 §15.5.14).
    BodyTooLarge,
    /// The handler failed or panicked (RFC 9110 §15.6.1).
    Handler,
    /// Plain HTTP on a port that speaks TLS.
    PlainOnTls,
}

impl Refusal {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Host
            | Self::Target
            | Self::FieldValue
            | Self::LineEnd
            | Self::Preface
            | Self::Framing
            | Self::PlainOnTls => StatusCode::BAD_REQUEST,
            Self::Method | Self::Connect | Self::Coding => StatusCode::NOT_IMPLEMENTED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::TooManyHeaders => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::HeadTimeout | Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Handler => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What a person reads. Says what to mend where the peer can mend it, and nothing of the inside.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Host => "400 Bad Request: the Host field is missing, repeated or not a host\n",
            Self::Target => "400 Bad Request: the request target is malformed or does not fit the method\n",
            Self::LineEnd => "400 Bad Request: a line does not end in CR LF\n",
            Self::Preface => "400 Bad Request: HTTP/2 has to begin with the connection\n",
            Self::Framing => "400 Bad Request: it is not clear where the message ends\n",
            Self::Coding => "501 Not Implemented: unknown transfer coding\n",
            Self::FieldValue => "400 Bad Request: a field's value begins or ends with a space\n",
            Self::Method => "501 Not Implemented: unknown method\n",
            Self::Connect => "501 Not Implemented: this server is not a proxy\n",
            Self::Expectation => "417 Expectation Failed: only 100-continue is supported\n",
            Self::TargetTooLong => "414 URI Too Long\n",
            Self::TooManyHeaders => "431 Request Header Fields Too Large\n",
            Self::HeadTimeout => "408 Request Timeout: the request's head did not arrive in time\n",
            Self::BodyTimeout => "408 Request Timeout: the request's body did not arrive in time\n",
            Self::BodyTooLarge => "413 Content Too Large\n",
            Self::Handler => "500 Internal Server Error\n",
            Self::PlainOnTls => "400 Bad Request: this port speaks https\n",
        }
    }

    /// Whether the connection must end: the peer's bytes cannot be trusted or are not wanted.
    pub(crate) fn closes(self) -> bool {
        !matches!(self, Self::Handler)
    }

    /// The answer, for the engine to send.
    pub(crate) fn response(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from_static(self.text().as_bytes()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if self.closes() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The answer as bytes, for when no engine can send it any more.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let status = self.status();
        let text = self.text();
        let mut bytes = format!(
            "HTTP/1.1 {} {}\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\
             content-length: {}\r\ndate: ",
            status.as_str(),
            status.canonical_reason().unwrap_or("Error"),
            text.len(),
        )
        .into_bytes();
        Clock::default().write_date(&mut bytes);
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }
}
