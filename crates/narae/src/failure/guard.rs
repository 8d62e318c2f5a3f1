//! [`Guarded`]: the layer around the whole application that sees failures and panics.
//!
//! In: requests and responses. Out: the same; a response that carries a [`Failure`] is logged, and a panic
//! becomes a response. A request that goes well costs a few reference counts and no allocation.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::response::Response;
use narae_server::Panicked;
use pin_project_lite::pin_project;
use tower::Service;

use super::handler_error::{Failure, WantsPage};
use super::page::{ErrorContext, ErrorPage};
use super::request_id::{RequestId, X_REQUEST_ID};
use crate::error::Chain;

/// A service whose failures are answered and logged.
#[derive(Clone)]
pub(crate) struct Guarded<S> {
    inner: S,
    page: Option<ErrorPage>,
}

impl<S> Guarded<S> {
    pub(crate) fn new(inner: S, page: Option<ErrorPage>) -> Self {
        Self { inner, page }
    }
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Guarding<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        let head = Head::of(&request);
        // A router does nothing of the application's here: a panic would be the server's to catch.
        Guarding { inner: self.inner.call(request), head: Some(head), page: self.page.clone() }
    }
}

/// What is kept of a request, in case it fails.
struct Head {
    method: Method,
    uri: Uri,
    accept: Option<HeaderValue>,
    request_id: Option<HeaderValue>,
}

impl Head {
    fn of(request: &Request) -> Self {
        let (mut accept, mut request_id) = (None, None);
        // One pass, which costs less than two look-ups.
        for (name, value) in request.headers() {
            if *name == ACCEPT {
                accept.get_or_insert(value);
            } else if *name == X_REQUEST_ID {
                request_id.get_or_insert(value);
            }
        }
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            accept: accept.cloned(),
            request_id: request_id.cloned(),
        }
    }

    fn into_context(self) -> ErrorContext {
        let id = RequestId::of(self.request_id.as_ref());
        let headers = self.accept.into_iter().map(|accept| (ACCEPT, accept)).collect::<HeaderMap>();
        ErrorContext { method: self.method, uri: self.uri, headers, id }
    }
}

pin_project! {
    /// A response under way.
    pub(crate) struct Guarding<F> {
        #[pin]
        inner: F,
        head: Option<Head>, // None when ready
        page: Option<ErrorPage>,
    }
}

impl<F> Future for Guarding<F>
where
    F: Future<Output = Result<Response, Infallible>>,
{
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut polled = Poll::Pending;
        // Put there, since it is large and would be moved on its way out.
        let panic = catch_unwind(AssertUnwindSafe(|| polled = this.inner.poll(cx))).err();
        let has_failed = matches!(&polled, Poll::Ready(Ok(it)) if it.extensions().get::<Failure>().is_some());
        if panic.is_none() && !has_failed {
            return polled;
        }
        let Some(head) = this.head.take() else {
            // Polled after its end, which no caller may do.
            return Poll::Pending;
        };
        let context = head.into_context();
        if let Some(panic) = panic {
            log(&context, "panicked", &message(&*panic));
            let mut response = identify(context.answer(this.page.as_ref()), &context);
            response.extensions_mut().insert(Panicked);
            return Poll::Ready(Ok(response));
        }
        polled.map_ok(|response| settle(response, &context, this.page.as_ref()))
    }
}

/// Logs the error behind `response`, and gives it a page if it has none.
fn settle(mut response: Response, context: &ErrorContext, page: Option<&ErrorPage>) -> Response {
    if let Some(Failure(error)) = response.extensions_mut().remove::<Failure>() {
        log(context, "failed", &Chain(&*error));
    }
    if response.extensions().get::<WantsPage>().is_some() {
        response = context.answer(page);
    }
    identify(response, context)
}

fn identify(mut response: Response, context: &ErrorContext) -> Response {
    if let Some(value) = context.id.to_header() {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response.extensions_mut().insert(context.id.clone());
    response
}

fn log(context: &ErrorContext, what: &str, why: &dyn std::fmt::Display) {
    // The path without its query, which may hold secrets.
    let path = context.uri.path();
    tracing::error!(request_id = %context.id, method = %context.method, %path, "handler {what}: {why}");
}

fn message(panic: &(dyn Any + Send)) -> std::borrow::Cow<'_, str> {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).into(),
        (None, Some(text)) => text.as_str().into(),
        (None, None) => "no message".into(),
    }
}
