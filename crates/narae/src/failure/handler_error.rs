//! [`HandlerError`], with which a handler uses `?`, and [`Failure`], how an error travels to the log.
//!
//! In: any error. Out: a `500` response that carries the error in its extensions, where `guard` finds it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use narae_server::BoxError;

/// What a handler that may fail returns.
///
/// ```
/// use narae::prelude::*;
///
/// async fn motto() -> HandlerResult<Html<String>> {
///     Ok(Html(std::fs::read_to_string("motto.html")?))
/// }
/// # let _: Router = Router::new().route("/", get(motto));
/// ```
pub type HandlerResult<T = Response> = Result<T, HandlerError>;

/// Any error of a handler, made by `?`.
///
/// The client gets `500` and a page that says no more than that, in HTML, JSON (RFC 9457) or plain text, as
/// it asks; [`App::error_page`](crate::App::error_page) changes the page. The log gets the error with
/// everything that caused it, the method, the path, and the id that is also on the page and in the header
/// `x-request-id`.
///
/// For an error that the client should understand, return a response of your own instead.
pub struct HandlerError(BoxError);

impl HandlerError {
    /// The error.
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}

// Not an `Error` itself: that would collide with this conversion.
impl<E: Into<BoxError>> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl IntoResponse for HandlerError {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong.\n").into_response();
        response.extensions_mut().insert(Failure(Arc::from(self.0)));
        response.extensions_mut().insert(WantsPage);
        response
    }
}

/// The error behind a response, for the log alone: put it into the response's extensions.
///
/// For applications that write their own error responses. The response goes out as it is, with the header
/// `x-request-id`; the error is logged once, as a [`HandlerError`] is. The client never sees it.
#[derive(Clone, Debug)]
pub struct Failure(pub Arc<dyn Error + Send + Sync>);

/// Marks a response whose body is to be replaced by the error page.
#[derive(Clone, Copy)]
pub(super) struct WantsPage;
