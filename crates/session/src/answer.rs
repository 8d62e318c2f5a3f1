//! [`Answer`]: what the layer itself answers, where there is no session to be had.

use http::header::{self, HeaderValue};
use http::{Response, StatusCode};

use crate::error::UNAVAILABLE;
use crate::store::StoreError;

/// Why a request has no session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// The store failed.
    Unavailable,
    /// A setting cannot be.
    Misused,
}

impl Answer {
    pub(crate) const fn of(error: &StoreError) -> Self {
        if error.is_permanent() { Self::Misused } else { Self::Unavailable }
    }

    pub(crate) fn into_response<A: From<&'static str>>(self) -> Response<A> {
        let (status, text) = match self {
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE),
            Self::Misused => (StatusCode::INTERNAL_SERVER_ERROR, "the session cannot be used\n"),
        };
        let mut response = Response::new(A::from(text));
        *response.status_mut() = status;
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
