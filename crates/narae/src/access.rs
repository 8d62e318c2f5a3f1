//! [`Logged`]: the access log around the application, or nothing.
//!
//! One type for both, so that the server is compiled once. Without a log a request passes through with one
//! branch and no allocation.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use http_body_util::Either;
use narae_layers::{AccessLog, AccessLogFuture, AccessLogService, LogBody};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

/// A service, with an access log or without.
#[derive(Clone)]
pub(crate) enum Logged<S> {
    On(AccessLogService<S>),
    Off(S),
}

impl<S> Logged<S> {
    pub(crate) fn new(inner: S, log: Option<&AccessLog>) -> Self {
        match log {
            Some(log) => Self::On(log.layer(inner)),
            None => Self::Off(inner),
        }
    }
}

impl<S> Service<Request> for Logged<S>
where
    S: Service<Request, Response = Response<Body>>,
{
    type Response = Response<Either<LogBody<Body>, Body>>;
    type Error = S::Error;
    type Future = Logging<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        match self {
            Self::On(service) => service.poll_ready(cx),
            Self::Off(service) => service.poll_ready(cx),
        }
    }

    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        match self {
            Self::On(service) => Logging::On { inner: service.call(request) },
            Self::Off(service) => Logging::Off { inner: service.call(request) },
        }
    }
}

pin_project! {
    /// A response under way.
    #[project = LoggingProjection]
    pub(crate) enum Logging<F> {
        On { #[pin] inner: AccessLogFuture<F> },
        Off { #[pin] inner: F },
    }
}

impl<F, E> Future for Logging<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = Result<Response<Either<LogBody<Body>, Body>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project() {
            LoggingProjection::On { inner } => {
                ready!(inner.poll(cx)).map(|response| response.map(Either::Left))
            }
            LoggingProjection::Off { inner } => {
                ready!(inner.poll(cx)).map(|response| response.map(Either::Right))
            }
        })
    }
}
