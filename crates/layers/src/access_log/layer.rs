//! [`AccessLog`]: the tower layer, its service and its future.
//!
//! In: requests. Out: the inner service's responses, with their bodies watched
//! by [`LogBody`]. Opens a [`Record`] for each request and passes it on; never
//! waits, never changes a request or a response.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Extensions, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::body::LogBody;
use super::format::{Format, Plan};
use super::record::{Record, Setup};
use super::sink::Sink;

/// Writes a line for every request that passes.
///
/// The line is written when the response's body has ended, has failed or was
/// given up; when the inner service fails; or when the client goes away before
/// there is a response (the status is then `-`, or `null` in JSON). Place it
/// outermost, so that it sees what the client sees.
///
/// Nothing here waits for the log: see [`Sink`].
///
/// ```
/// use std::net::{IpAddr, SocketAddr};
///
/// use narae_layers::{AccessLog, Format, Sink};
///
/// let log = AccessLog::new(Format::Combined, Sink::stderr())
///     .client(|extensions| extensions.get::<SocketAddr>().map(SocketAddr::ip));
/// ```
#[derive(Clone)]
pub struct AccessLog {
    format: Format,
    setup: Arc<Setup>,
}

impl AccessLog {
    /// A log that writes `format` to `sink`.
    ///
    /// Knows no client addresses and no request ids until it is told how to
    /// find them: [`client`](Self::client), [`request_id`](Self::request_id).
    #[must_use]
    pub fn new(format: Format, sink: Sink) -> Self {
        let plan = Plan::new(&format, false);
        let setup = Setup { plan, sink, client: |_| None, request_id: |_| None };
        Self { format, setup: Arc::new(setup) }
    }

    /// Whether [`Format::Dev`] colours the status, for a terminal.
    ///
    /// Default: `false`. No effect on other formats.
    #[must_use]
    pub fn color(mut self, color: bool) -> Self {
        let plan = Plan::new(&self.format, color);
        Arc::make_mut(&mut self.setup).plan = plan;
        self
    }

    /// How to find the client's address among a request's extensions.
    ///
    /// Default: none is found, and the address prints as `-`. Called once for
    /// each request whose format prints it.
    #[must_use]
    pub fn client(mut self, find: fn(&Extensions) -> Option<IpAddr>) -> Self {
        Arc::make_mut(&mut self.setup).client = find;
        self
    }

    /// How to find the request's id among a **response's** extensions.
    ///
    /// Default: none is found. Printed by [`Format::Json`] only, as
    /// `request_id`; called once for each response.
    #[must_use]
    pub fn request_id(mut self, find: fn(&Extensions) -> Option<String>) -> Self {
        Arc::make_mut(&mut self.setup).request_id = find;
        self
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog")
            .field("format", &self.format)
            .field("sink", &self.setup.sink)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for AccessLog {
    type Service = AccessLogService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AccessLogService { inner, setup: Arc::clone(&self.setup) }
    }
}

/// A service whose requests are logged; made by [`AccessLog`].
#[derive(Clone, Debug)]
pub struct AccessLogService<S> {
    inner: S,
    setup: Arc<Setup>,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for AccessLogService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body,
{
    type Response = Response<LogBody<ResB>>;
    type Error = S::Error;
    type Future = AccessLogFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let record = Some(Record::begin(&self.setup, &request));
        AccessLogFuture { inner: self.inner.call(request), record }
    }
}

pin_project! {
    /// A response under way; made by [`AccessLogService`].
    ///
    /// Dropped before it is ready, or ready with an error, it writes the line
    /// of a request without a response.
    pub struct AccessLogFuture<F> {
        #[pin]
        inner: F,
        record: Option<Box<Record>>,
    }
}

impl<F, ResB, E> Future for AccessLogFuture<F>
where
    F: Future<Output = Result<Response<ResB>, E>>,
    ResB: Body,
{
    type Output = Result<Response<LogBody<ResB>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        let mut record = this.record.take();
        Poll::Ready(result.map(|response| {
            if let Some(record) = &mut record {
                record.answer(&response);
            }
            response.map(|body| LogBody::new(body, record))
        }))
    }
}
