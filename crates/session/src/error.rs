//! [`Error`]: what a handler that uses its session may meet, by who must act.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::store::StoreError;

/// What went wrong with a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The store could not answer. The operator must look; the layer answers the request with 503, whatever
    /// status of 500 or above the handler makes of it.
    Store(Arc<StoreError>),
    /// The value of a key is not of the type that was asked for, or cannot be written as JSON. With the key
    /// and why.
    Value(String, String),
    /// A key is empty, longer than 255 bytes or holds U+0000. With the key.
    Key(String),
    /// A user's name is empty or longer than 255 bytes, or holds U+0000.
    User(String),
    /// The session has ended: it was destroyed in this request, or elsewhere while this request ran.
    Ended,
    /// The head of the response is on its way, and the session was kept before that. Only
    /// [`Session::update`](crate::Session::update) still reaches the store.
    TooLate,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Value(key, why) => write!(f, "the session's value of {key:?} does not fit: {why}"),
            Self::Key(key) => {
                write!(f, "a session's key has 1 to 255 bytes and no U+0000, and this one does not: {key:?}")
            }
            Self::User(user) => {
                write!(f, "a user's name has 1 to 255 bytes and no U+0000, and this one does not: {user:?}")
            }
            Self::Ended => f.write_str("the session has ended"),
            Self::TooLate => f.write_str("the session was kept before the response's head was sent"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            _ => None,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// What a handler that returns the error answers: 503 with `Retry-After: 1` where the store failed for a reason
/// that may pass, 403 where
/// the session has ended, else 500, logged.
impl axum_core::response::IntoResponse for Error {
    fn into_response(self) -> axum_core::response::Response {
        use http::{StatusCode, header};
        match self {
            Self::Store(error) if error.is_permanent() => {
                tracing::error!("{error}");
                (StatusCode::INTERNAL_SERVER_ERROR, "the session cannot be used\n").into_response()
            }
            Self::Store(_) => {
                let retry = [(header::RETRY_AFTER, "1")];
                (StatusCode::SERVICE_UNAVAILABLE, retry, UNAVAILABLE).into_response()
            }
            Self::Ended => (StatusCode::FORBIDDEN, "the session has ended\n").into_response(),
            Self::Value(..) | Self::Key(_) | Self::User(_) | Self::TooLate => {
                tracing::error!("{self}");
                (StatusCode::INTERNAL_SERVER_ERROR, "the session cannot be used\n").into_response()
            }
        }
    }
}

/// What a client reads while the store is away.
pub(crate) const UNAVAILABLE: &str = "sessions are not available now; try again soon\n";
