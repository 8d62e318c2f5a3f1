//! One request and its response: from the engine through the rules to the application, and back.
//!
//! In: the engine's request. Out: the response that the peer gets. Applies the rules, hands out the
//! connection, puts limits on the body, catches panics, and says `Connection: close` where the connection
//! must end. Knows no routes.

mod data;
mod response_body;

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use axum_core::body::Body;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HeaderValue};
use http::uri::Scheme;
use http::{Extensions, Method, Request, Response, StatusCode, Version};
use http_body::Body as HttpBody;
use hyper::upgrade::OnUpgrade;
use pin_project_lite::pin_project;
use tower::util::Oneshot;

use crate::answer::Refusal;
use crate::application::Application;
use crate::body::{BodyStage, BodyState, RequestBody, refusal};
use crate::body_limit::BodyControl;
use crate::connection::{Connection, Protocol, Shared};
use crate::forwarding::Forwarded;
use crate::incoming::Incoming;
use crate::response::{self, Asked};
use crate::rules::admit;
use crate::tally::{count, count_here};

pub(crate) use self::data::Data;
pub(crate) use self::response_body::ResponseBody;

/// The application as the engine calls it, on one connection.
pub(crate) struct Exchange<S> {
    service: S,
    shared: Arc<Shared>,
    /// What every request of this connection says of it; cloned into each.
    extensions: Extensions,
    /// Whether the peer is a proxy that is believed what it says of the client.
    is_trusted: bool,
}

/// Types that only make room: an empty map of extensions grows again and again on its way through a router.
#[derive(Clone)]
struct Room<const N: u8>;

impl<S> Exchange<S> {
    pub(crate) fn new(service: S, shared: Arc<Shared>) -> Self {
        let mut extensions = Extensions::new();
        // Room for these, for what a router adds and for a body: made once, since a clone keeps it.
        extensions.insert(Room::<0>);
        extensions.insert(Room::<1>);
        extensions.insert(Room::<2>);
        extensions.insert(Room::<3>);
        extensions.clear();
        let connection = Connection(Arc::clone(&shared));
        if let Some(describe) = shared.context.describe {
            describe(&connection, &mut extensions);
        }
        if connection.is_secure() {
            extensions.insert(Scheme::HTTPS);
        }
        extensions.insert(connection);
        let is_trusted = shared.context.trusted.trusts(shared.peer);
        Self { service, shared, extensions, is_trusted }
    }
}

impl<S> hyper::service::Service<Request<hyper::body::Incoming>> for Exchange<S>
where
    S: Application,
{
    type Response = Response<ResponseBody<S::Content>>;
    type Error = Infallible;
    type Future = Answering<S>;

    fn call(&self, request: Request<hyper::body::Incoming>) -> Self::Future {
        let offers_upgrade = request.extensions().get::<OnUpgrade>().is_some();
        let mut answering = None;
        self.accept(request.map(Incoming::Http1), offers_upgrade, |begun| answering = Some(begun));
        // There always is one by now.
        answering.unwrap_or_else(|| Answering::refused(Refusal::Handler, None))
    }
}

impl<S> Exchange<S>
where
    S: Application,
{
    /// Answers, in `place`, a request that may have a body, and offers no other protocol.
    pub(crate) fn answer_to(&self, request: Request<Incoming>, mut place: Pin<&mut Option<Answering<S>>>) {
        self.accept(request, false, |begun| place.set(Some(begun)));
    }

    /// Answers, in `place`, a request that has no body and offers no other protocol.
    pub(crate) fn answer(&self, mut request: Request<Body>, mut place: Pin<&mut Option<Answering<S>>>) {
        let mut put = |begun| place.set(Some(begun));
        match self.enter(&mut request, false) {
            (ticket, Err(refusal)) => put(Answering::refused(refusal, Some(ticket))),
            (ticket, Ok(())) => {
                self.describe(&mut request);
                self.run(request, ticket, false, put);
            }
        }
    }

    fn accept(
        &self,
        mut request: Request<Incoming>,
        waits_for_upgrade: bool,
        mut put: impl FnMut(Answering<S>),
    ) {
        match self.enter(&mut request, waits_for_upgrade) {
            (ticket, Err(refusal)) => put(Answering::refused(refusal, Some(ticket))),
            (mut ticket, Ok(())) => {
                let (request, body) = self.hand_over(request);
                ticket.body = body;
                self.run(request, ticket, waits_for_upgrade, put);
            }
        }
    }

    /// Calls the service. What it begins is large, and is moved into its place once.
    #[inline(always)]
    fn run(
        &self,
        request: Request<Body>,
        ticket: Ticket,
        waits_for_upgrade: bool,
        mut put: impl FnMut(Answering<S>),
    ) {
        let service = self.service.clone();
        let (mut request, mut ticket) = (Some(request), Some(ticket));
        let begun = catch_unwind(AssertUnwindSafe(|| {
            let Some(request) = request.take() else { return };
            let state = match waits_for_upgrade {
                true => State::waiting(service, request, true),
                false => State::begin(service, request),
            };
            put(Answering { state, ticket: ticket.take() });
        }));
        if let Err(panic) = begun {
            report_panic(ticket.as_ref(), &*panic);
            put(Answering::refused(Refusal::Handler, ticket));
        }
    }
}

impl<S> Exchange<S> {
    /// Notes a request, and checks it against the rules.
    fn enter<B: HttpBody>(
        &self,
        request: &mut Request<B>,
        waits_for_upgrade: bool,
    ) -> (Ticket, Result<(), Refusal>) {
        let shared = &self.shared;
        count_here(shared.context.tally.requests());
        let asked = Asked { is_head: request.method() == Method::HEAD, offers_upgrade: waits_for_upgrade };
        let number = {
            let mut link = shared.link();
            let number = link.begin(request.method().clone(), request.uri().path_and_query().cloned());
            link.upgrading = if waits_for_upgrade { link.requests.last().cloned() } else { None };
            link.close_delimited = request.version() == Version::HTTP_10;
            number
        };
        let mut ticket = Ticket { shared: Arc::clone(shared), number, asked, body: None, refused: false };
        let admitted = admit(request, &shared.context.limits);
        if admitted.is_err() {
            count(shared.context.tally.refused());
            ticket.refused = true;
        }
        (ticket, admitted)
    }

    /// Turns the engine's request into the application's.
    fn hand_over(&self, mut request: Request<Incoming>) -> (Request<Body>, Option<Arc<BodyState>>) {
        let has_body = !HttpBody::is_end_stream(request.body());
        self.describe(&mut request);
        if !has_body {
            return (request.map(|_| Body::empty()), None);
        }
        let state = Arc::new(BodyState::new(self.shared.context.limits.max_body_bytes));
        request.extensions_mut().insert(BodyControl(Arc::clone(&state)));
        let expects = request.headers().contains_key(EXPECT);
        let (kept, shared) = (Arc::clone(&state), Arc::clone(&self.shared));
        let request = request.map(|incoming| Body::new(RequestBody::new(incoming, kept, shared, expects)));
        (request, Some(state))
    }

    /// Puts into a request what is known of its connection and its client.
    fn describe<B>(&self, request: &mut Request<B>) {
        request.extensions_mut().extend(self.extensions.clone());
        if self.is_trusted {
            self.note_client(request);
        }
    }

    /// Leaves in the request what a trusted proxy says of it.
    fn note_client<B>(&self, request: &mut Request<B>) {
        let told = Forwarded::read(&self.shared.context.trusted, self.shared.peer, request.headers());
        let extensions = request.extensions_mut();
        if told.scheme == Some(Scheme::HTTPS) {
            extensions.insert(Scheme::HTTPS);
        } else if told.scheme.is_some() {
            extensions.remove::<Scheme>();
        }
        extensions.insert(told);
    }
}

/// An extension of responses: a handler has panicked, and a layer has made this of it. The server counts it.
#[derive(Clone, Copy, Debug)]
pub struct Panicked;

/// A request in the registry of those in flight; leaves it when dropped.
struct Ticket {
    shared: Arc<Shared>,
    number: u64,
    asked: Asked,
    body: Option<Arc<BodyState>>,
    /// A rule refused it: what follows its head on the connection is not looked at.
    refused: bool,
}

impl Ticket {
    fn is_http2(&self) -> bool {
        self.shared.protocol == Protocol::Http2
    }

    /// HTTP/2: whether the response's body was asked and gave something. The stall limit wants to know.
    fn note_demand(&self, gave: bool) {
        if self.is_http2() {
            self.shared.link().note_demand(self.number, gave);
        }
    }

    fn stage(&self) -> BodyStage {
        if self.refused {
            return BodyStage::Unwanted;
        }
        self.body.as_ref().map_or(BodyStage::Absent, |body| body.stage())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let should_look = self.shared.link().end(self.number, self.stage());
        if should_look && (self.is_http2() || self.shared.context.drain.is_draining()) {
            self.shared.driver.wake();
        }
    }
}

pin_project! {
    /// The way to a response.
    pub(crate) struct Answering<S>
    where
        S: tower::Service<Request<Body>>,
    {
        #[pin]
        state: State<S>,
        ticket: Option<Ticket>,
    }

    impl<S> PinnedDrop for Answering<S>
    where
        S: tower::Service<Request<Body>>,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let refusal = Refusal::Handler;
            contain(this.ticket.as_ref(), || this.state.set(State::Refused { refusal }));
        }
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S>
    where
        S: tower::Service<Request<Body>>,
    {
        Refused { refusal: Refusal },
        Running { #[pin] future: S::Future },
        // Not ready, or not to be called yet.
        Waiting { future: Pin<Box<Oneshot<S, Request<Body>>>>, for_upgrade: bool },
    }
}

impl<S> Answering<S>
where
    S: Application,
{
    /// An answer of the server's own.
    fn refused(refusal: Refusal, ticket: Option<Ticket>) -> Self {
        Self { state: State::Refused { refusal }, ticket }
    }
}

impl<S> State<S>
where
    S: Application,
{
    /// Calls the service, if it is ready at once, as a router always is.
    #[inline(always)]
    fn begin(mut service: S, request: Request<Body>) -> Self {
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Self::Running { future: service.call(request) },
            // What is wrong with it, it says again.
            Poll::Ready(Err(_)) | Poll::Pending => Self::waiting(service, request, false),
        }
    }

    fn waiting(service: S, request: Request<Body>, for_upgrade: bool) -> Self {
        Self::Waiting { future: Box::pin(Oneshot::new(service, request)), for_upgrade }
    }
}

impl<S> Future for Answering<S>
where
    S: Application,
{
    type Output = Result<Response<ResponseBody<S::Content>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = match this.state.project() {
            StateProjection::Refused { refusal } => Err(*refusal),
            StateProjection::Running { future } => {
                ready!(poll_service::<S, _>(future, this.ticket.as_ref(), cx))
            }
            StateProjection::Waiting { future, for_upgrade } => {
                if std::mem::take(for_upgrade) {
                    // The driver lets the engine give the socket away, which it must do before the answer.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                ready!(poll_service::<S, _>(future.as_mut(), this.ticket.as_ref(), cx))
            }
        };
        let Some(ticket) = this.ticket.take() else {
            // Polled after its end: the engine never does.
            return Poll::Pending;
        };
        Poll::Ready(Ok(finish(outcome, ticket)))
    }
}

/// What the service makes of a request. Its error and its panic are the handler's failure.
fn poll_service<S, F>(
    future: Pin<&mut F>,
    ticket: Option<&Ticket>,
    cx: &mut Context<'_>,
) -> Poll<Result<S::Response, Refusal>>
where
    S: Application,
    F: Future<Output = Result<S::Response, S::Error>>,
{
    let mut polled = Poll::Pending;
    // Put there, since it is large and would be moved on its way out.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| polled = future.poll(cx))) {
        report_panic(ticket, &*panic);
        return Poll::Ready(Err(Refusal::Handler));
    }
    polled.map_err(|error| {
        let error = error.into();
        tracing::error!(%error, request = %Named(ticket), "service failed");
        Refusal::Handler
    })
}

/// Settles a response: the limits' answer over the handler's, and the end of the connection where it must be.
fn finish<B: HttpBody>(
    mut outcome: Result<Response<B>, Refusal>,
    ticket: Ticket,
) -> Response<ResponseBody<B>> {
    let asked = ticket.asked;
    let settled = match &mut outcome {
        Ok(response) => response::settle(response, asked).map_err(|fault| {
            tracing::error!(request = %Named(Some(&ticket)), "a response that cannot be sent: {fault}");
            Refusal::Handler
        }),
        Err(refusal) => Err(*refusal),
    };
    let stage = ticket.stage();
    let settled = match (settled, refusal(stage), &outcome) {
        // A handler that has its own answer to a large body keeps it; a success is its own business.
        (Ok(_), Some(refusal), Ok(response)) if is_error_of(response.status(), refusal) => Err(refusal),
        (Err(Refusal::Handler), Some(refusal), _) => Err(refusal),
        (settled, ..) => settled,
    };
    let shared = Arc::clone(&ticket.shared);
    let mut response = match (outcome, settled) {
        (Ok(mut response), Ok(extent)) => {
            note_file(&shared, &mut response);
            response.map(|body| ResponseBody::of(body, extent, ticket))
        }
        (Err(refusal), _) | (Ok(_), Err(refusal)) => {
            let mut response = refusal.response();
            if asked.is_head {
                let length = HeaderValue::from(response.body().len());
                response.headers_mut().insert(CONTENT_LENGTH, length);
            }
            response.map(|text| ResponseBody::text((!asked.is_head).then_some(text), ticket))
        }
    };
    if response.extensions_mut().remove::<Panicked>().is_some() {
        count(shared.context.tally.panics());
    }
    if response.status().is_server_error() {
        count_here(shared.context.tally.server_errors());
    }
    if shared.protocol == Protocol::Http1 {
        settle_connection(&shared, &mut response, stage);
    }
    response
}

/// Tells the link that the response's content is in a file too.
fn note_file<B>(shared: &Shared, response: &mut Response<B>) {
    if shared.protocol == Protocol::Http1
        && shared.tls.is_none()
        && let Some(find) = shared.context.find_file
        && let Some(file) = find(response.extensions_mut())
    {
        shared.link().in_files.expect(file);
    }
}

fn is_error_of(status: StatusCode, refusal: Refusal) -> bool {
    status != refusal.status() && (status.is_client_error() || status.is_server_error())
}

/// RFC 9112 §9.6: a server that will not read on says so.
fn settle_connection<B>(shared: &Shared, response: &mut Response<B>, stage: BodyStage) {
    let rest_unread =
        matches!(stage, BodyStage::Unwanted | BodyStage::TooLarge | BodyStage::TimedOut | BodyStage::Broken);
    let must_close = rest_unread || ends_in_drain(shared);
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        shared.link().is_switching = true;
    } else if must_close {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// In a drain every answer is the last, unless the connection goes to a successor: then a request that had
/// begun before is answered as ever.
fn ends_in_drain(shared: &Shared) -> bool {
    let drain = &shared.context.drain;
    let Some(began) = drain.began() else { return false };
    let goes_over = shared.tls.is_none() && drain.hands_over();
    // HTTP/1 has one request at a time.
    !goes_over || shared.link().requests.last().is_none_or(|request| request.since >= began)
}

/// A request's name for the log.
struct Named<'a>(Option<&'a Ticket>);

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(ticket) = self.0 else { return f.write_str("-") };
        let link = ticket.shared.link();
        let Some(request) = link.requests.iter().find(|request| request.number == ticket.number) else {
            return f.write_str("-");
        };
        let path = request.target.as_ref().map_or("*", |target| target.path());
        write!(f, "{} {path} #{}", request.method, request.number)
    }
}

fn report_panic(ticket: Option<&Ticket>, panic: &(dyn Any + Send)) {
    if let Some(ticket) = ticket {
        count(ticket.shared.context.tally.panics());
    }
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(request = %Named(ticket), "handler panicked: {message}");
}

/// Does what may run the application's destructors: a panic in them costs nobody else anything.
fn contain(ticket: Option<&Ticket>, work: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
        report_panic(ticket, &*panic);
    }
}
