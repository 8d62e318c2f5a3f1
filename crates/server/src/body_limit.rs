//! A layer with which a route says how large its request bodies may be.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use tower::{Layer, Service};

use crate::body::BodyState;

/// Sets the largest request body of the routes under it, in place of
/// [`Limits::max_body_bytes`](crate::Limits::max_body_bytes).
///
/// It goes both ways: more for an upload, less for a form. axum's extractors have a limit of their own
/// besides (`DefaultBodyLimit`, 2 MB), which an upload route raises too.
///
/// ```
/// # use narae_server::BodyLimit;
/// # async fn upload() {}
/// use axum::{Router, extract::DefaultBodyLimit, routing::post};
///
/// let app: Router = Router::new()
///     .route("/upload", post(upload))
///     .layer(DefaultBodyLimit::disable())
///     .layer(BodyLimit::max(1024 * 1024 * 1024));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit {
    bytes: u64,
    time: Option<Duration>,
}

impl BodyLimit {
    /// At most `bytes`. Beyond it the peer gets `413`.
    pub const fn max(bytes: u64) -> Self {
        Self { bytes, time: None }
    }

    /// No limit of size. [`Limits::body_timeout`](crate::Limits::body_timeout) stays.
    pub const fn disable() -> Self {
        Self { bytes: u64::MAX, time: None }
    }

    /// Another time for the whole body than [`Limits::body_timeout`](crate::Limits::body_timeout): for large
    /// uploads, and for streams in both directions. `Duration::MAX` is no limit.
    #[must_use]
    pub const fn time(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }
}

impl<S> Layer<S> for BodyLimit {
    type Service = BodyLimited<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BodyLimited { inner, limit: *self }
    }
}

/// A service whose request bodies have their own limit. Made by [`BodyLimit`].
#[derive(Clone, Debug)]
pub struct BodyLimited<S> {
    inner: S,
    limit: BodyLimit,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for BodyLimited<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        if let Some(BodyControl(state)) = request.extensions().get() {
            state.set_limit(self.limit.bytes);
            if let Some(time) = self.limit.time {
                state.set_time(time);
            }
        }
        self.inner.call(request)
    }
}

/// The handle on a request's body, in the extensions of requests that have one.
#[derive(Clone)]
pub(crate) struct BodyControl(pub(crate) Arc<BodyState>);
