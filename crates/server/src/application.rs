//! What the server serves, said once: the bounds of a service, its future, its errors and its response bodies.

use std::future::Future;

use axum_core::body::Body;
use http::{Request, Response};
use http_body::Body as HttpBody;

use crate::error::BoxError;

/// A service that can be served: an `axum::Router` is one, and every tower service like it.
///
/// Nobody implements it; every `tower::Service<Request<Body>>` has it whose response has a body, whose error
/// can be boxed, and which can be cloned and sent to another thread.
pub trait Application:
    tower::Service<
        Request<Body>,
        Response = Response<Self::Content>,
        Error: Into<BoxError>,
        Future: Future<Output = Result<Response<Self::Content>, Self::Error>> + Send,
    > + Clone
    + Send
    + 'static
{
    /// The body of its responses.
    type Content: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> Application for S
where
    S: tower::Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + 'static,
    B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Content = B;
}
