//! Owns every answer that is not a file: the one place where refusals become status codes (RFC 9110 §15.5, §15.6).
//!
//! In: a [`Refusal`] and whether the request is a `HEAD`. Out: a whole response with a short text, which never
//! holds anything that came from the peer or from the system.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::{body::Body, representation::NOSNIFF};

/// Why a request gets no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The path breaks the grammar of RFC 3986 §2.1, or holds NUL or overlong UTF-8.
    BadPath,
    /// A dotfile where the policy denies them.
    Forbidden,
    /// Nothing that may be sent is there.
    NotFound,
    /// Neither `GET`, `HEAD` nor `OPTIONS`.
    MethodNotAllowed,
    /// `If-Match` or `If-Unmodified-Since` does not hold.
    PreconditionFailed,
    /// The path is longer than any path of the system.
    PathTooLong,
    /// The one range asked for lies outside the file, which has this many bytes.
    RangeNotSatisfiable(u64),
    /// The file system failed.
    FileSystemFailed,
    /// Descriptors or memory ran out, or the file changed while it was read. The same request may work later.
    TryLater,
}

impl Refusal {
    pub(crate) fn into_response(self, is_head: bool) -> Response<Body> {
        let (status, text) = match self {
            Self::BadPath => (StatusCode::BAD_REQUEST, "400 Bad Request\n"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "403 Forbidden\n"),
            Self::NotFound => (StatusCode::NOT_FOUND, "404 Not Found\n"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "405 Method Not Allowed\n"),
            Self::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "412 Precondition Failed\n"),
            Self::PathTooLong => (StatusCode::URI_TOO_LONG, "414 URI Too Long\n"),
            Self::RangeNotSatisfiable(_) => {
                (StatusCode::RANGE_NOT_SATISFIABLE, "416 Range Not Satisfiable\n")
            }
            Self::FileSystemFailed => (StatusCode::INTERNAL_SERVER_ERROR, "500 Internal Server Error\n"),
            Self::TryLater => (StatusCode::SERVICE_UNAVAILABLE, "503 Service Unavailable\n"),
        };
        let mut headers = HeaderMap::with_capacity(4);
        match self {
            Self::MethodNotAllowed => {
                headers.insert(header::ALLOW, ALLOWED);
            }
            Self::RangeNotSatisfiable(len) => {
                if let Ok(value) = HeaderValue::try_from(format!("bytes */{len}")) {
                    headers.insert(header::CONTENT_RANGE, value);
                }
            }
            Self::TryLater => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        let body = if is_head { Body::empty() } else { Body::whole(Bytes::from_static(text.as_bytes())) };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// The answer to `OPTIONS` (RFC 9110 §9.3.7).
pub(crate) fn options() -> Response<Body> {
    let mut response = Response::new(Body::absent());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::ALLOW, ALLOWED);
    response
}

const ALLOWED: HeaderValue = HeaderValue::from_static("GET, HEAD");
