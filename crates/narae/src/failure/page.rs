//! The answer to a request that failed: narae's plain page, or the application's own.
//!
//! In: the request's head, as far as it was kept, and the id. Out: a response. Never sees the error.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::accept::Form;
use super::request_id::RequestId;

/// An application's own page.
pub(crate) type ErrorPage = Arc<dyn Fn(&ErrorContext) -> Response + Send + Sync>;

/// What is known of a request that failed, for [`App::error_page`](crate::App::error_page).
#[derive(Clone, Debug)]
pub struct ErrorContext {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) id: RequestId,
}

impl ErrorContext {
    /// The request's method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The request's target, as the outermost router saw it.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The request's `Accept` and nothing else: the other headers went to the handler, and are gone.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The id under which the failure was logged. Safe in HTML and JSON.
    pub fn id(&self) -> &RequestId {
        &self.id
    }

    /// The answer: by `page` if there is one and it does not panic, else the plain page.
    pub(super) fn answer(&self, page: Option<&ErrorPage>) -> Response {
        let own = page.and_then(|page| catch_unwind(AssertUnwindSafe(|| page(self))).ok());
        own.unwrap_or_else(|| self.plain_page())
    }

    fn plain_page(&self) -> Response {
        let id = self.id.as_str();
        let accept = self.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        let (media, text) = match Form::of(accept) {
            Form::Html => ("text/html; charset=utf-8", HTML.replace("{id}", id)),
            Form::Json => (
                "application/problem+json",
                format!(
                    "{{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500,\
                     \"detail\":\"something went wrong\",\"request_id\":\"{id}\"}}"
                ),
            ),
            Form::Plain => {
                ("text/plain; charset=utf-8", format!("Something went wrong.\nRequest id: {id}\n"))
            }
        };
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static(media)),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (StatusCode::INTERNAL_SERVER_ERROR, headers, text).into_response()
    }
}

const HTML: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
<meta name=\"viewport\" content=\"width=device-width\">\n<title>Something went wrong</title>\n\
<style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;\
color-scheme:light dark}code{user-select:all}</style>\n\
<h1>Something went wrong</h1>\n\
<p>The server could not answer this request. Trying again in a moment may help.</p>\n\
<p>If you report it, add this request id: <code>{id}</code></p>\n</html>\n";
