//! [`Session`] as an argument of a handler.

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use crate::session::Session;

/// A handler asks for a [`Session`], and no layer [`Sessions`](crate::Sessions) is around it.
///
/// Answers 500: the program must be mended, not the request.
#[derive(Clone, Copy, Debug)]
pub struct NoSessions;

impl IntoResponse for NoSessions {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        (StatusCode::INTERNAL_SERVER_ERROR, "sessions are not set up\n").into_response()
    }
}

impl std::fmt::Display for NoSessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "a handler takes a Session, but its router has no layer of Sessions: add router.layer(sessions)",
        )
    }
}

impl std::error::Error for NoSessions {}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = NoSessions;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NoSessions> {
        parts.extensions.get::<Self>().cloned().ok_or(NoSessions)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}
