//! Who asked: a person gets a page, a program gets a document.
//!
//! In: responses that carry a [`Problem`]. Out: the same, as HTML where a
//! person will read it. Owns that choice; never sees what went wrong.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::site;

/// Who reads the answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Errors are pages.
    Person,
    /// Errors are `application/problem+json`.
    Program,
}

impl Audience {
    /// `problem` in the form this audience reads.
    pub(crate) fn answer(self, problem: &Problem) -> Response {
        let mut response = problem.clone().into_response();
        self.adapt(&mut response);
        response
    }

    /// Everything below `/api` is for programs; elsewhere, whoever accepts HTML
    /// is a person with a browser.
    pub(crate) fn from_head(uri: &Uri, headers: &HeaderMap) -> Self {
        let path = uri.path();
        let api = path == "/api" || path.starts_with("/api/");
        let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let html = accepts.into_iter().any(|value| value.contains("text/html"));
        if html && !api { Self::Person } else { Self::Program }
    }

    /// Replaces a problem's body; its status and other headers stay.
    fn adapt(self, response: &mut Response) {
        let Some(problem) = response.extensions().get::<Problem>() else {
            return;
        };
        if self == Self::Person {
            let page = site::error_page(problem);
            response.headers_mut().insert(header::CONTENT_LENGTH, page.len().into());
            response.headers_mut().insert(header::CONTENT_TYPE, HTML);
            *response.body_mut() = page.into();
        }
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    }
}

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Shows every [`Problem`] that passes in the form its audience reads.
pub(super) async fn show_errors(request: Request, next: Next) -> Response {
    let audience = Audience::from_head(request.uri(), request.headers());
    let headers_only = request.method() == Method::HEAD;
    let mut response = next.run(request).await;
    audience.adapt(&mut response);
    if headers_only {
        *response.body_mut() = Body::empty();
    }
    response
}
