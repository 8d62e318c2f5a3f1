//! Everything that can go wrong, as one type (RFC 9457).
//!
//! In: a status and what the client may know, from any handler. Out: a
//! `application/problem+json` response. Owns the wording of errors; whether a
//! person gets a page instead is decided by `audience`.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use narae::{Failure, session};
use serde::Serialize;

use super::entity_tag;
use super::store_error::StoreError;
use super::user::{FieldErrors, User};

/// An error as the client sees it.
///
/// The response carries a copy in its extensions, so that a layer above can
/// show it in another form.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(super) status: StatusCode,
    pub(super) detail: Cow<'static, str>,
    kind: &'static str,
    errors: Option<FieldErrors>,
    current: Option<Box<User>>,
    failure: Option<Failure>,
}

/// The members of a problem document, in the order of RFC 9457 §3.1. `errors`
/// and `current` are extensions (§3.2).
#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: &'a Option<FieldErrors>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current: &'a Option<Box<User>>,
}

/// No more to know than the status code says (RFC 9457 §4.2.1).
const BLANK: &str = "about:blank";

impl Problem {
    /// A problem that its status code names well enough.
    pub(crate) fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        Self { status, detail, kind: BLANK, errors: None, current: None, failure: None }
    }

    /// The fallback of every path without a route.
    pub(crate) async fn nothing_here() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing at this address")
    }

    /// The fallback of every route without the request's method. `Allow` is
    /// added by the router.
    pub(crate) async fn method_not_allowed() -> Self {
        let detail = "this address does not answer to that method; \"Allow\" lists those it does answer to";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail)
    }

    pub(crate) fn no_such_user() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is no user with this id")
    }

    /// The content breaks a rule; `errors` says which, field by field.
    pub(crate) fn invalid(errors: FieldErrors) -> Self {
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "some fields are not right yet");
        problem.kind = "/about#invalid-user";
        problem.errors = Some(errors);
        problem
    }

    /// `If-Match` named a version that is no longer the current one.
    pub(crate) fn stale(current: User) -> Self {
        let detail = "the user has changed since you read it; nothing was overwritten";
        let mut problem = Self::new(StatusCode::PRECONDITION_FAILED, detail);
        problem.kind = "/about#stale-edit";
        problem.current = Some(Box::new(current));
        problem
    }

    /// Something broke on this side, and that is all a client needs to know.
    pub(crate) fn internal() -> Self {
        let detail = "something went wrong on our side; trying again may help";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// The store of sessions is away. Nobody is logged out by that.
    pub(crate) fn no_sessions() -> Self {
        let detail = "sessions are not available now; try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// As [`internal`](Self::internal), with the error kept for the log.
    pub(crate) fn from_error(error: impl Error + Send + Sync + 'static) -> Self {
        Self { failure: Some(Failure(Arc::new(error))), ..Self::internal() }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let busy = matches!(error, StoreError::Busy);
        let mut problem = Self::from_error(error);
        if busy {
            problem.status = StatusCode::SERVICE_UNAVAILABLE;
            problem.detail = "the database is busy; try again in a moment".into();
        }
        problem
    }
}

impl From<session::Error> for Problem {
    fn from(error: session::Error) -> Self {
        match error {
            // Its store wrote to the log already.
            session::Error::Store(_) => Self::no_sessions(),
            session::Error::Ended => Self::new(StatusCode::FORBIDDEN, "the session has ended"),
            error => Self::from_error(error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            r#type: self.kind,
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
            current: &self.current,
        };
        let mut response = (self.status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(current) = &self.current {
            headers.insert(header::ETAG, entity_tag::of_version(current.version));
        }
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            // RFC 5789 §2.2: tell a client which patches would be welcome.
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                let patches = "application/merge-patch+json, application/json";
                headers.insert("accept-patch", HeaderValue::from_static(patches));
            }
            _ => {}
        }
        if let Some(failure) = &self.failure {
            response.extensions_mut().insert(failure.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}
