//! [`BasicAuthService`] and its future: a request waits, passes or is refused.
//!
//! In: requests. Out: the inner service's responses, or those of `answer`. A
//! request that waits for its check holds the inner service that was ready for
//! it, and reaches it only if the check says so.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower::Service;

use super::answer::{Reason, Refusal};
use super::door::{Checking, Door, Look};
use super::queue::Busy;

/// A service for users only; made by [`BasicAuth`](super::BasicAuth).
#[derive(Clone)]
pub struct BasicAuthService<S> {
    inner: S,
    door: Arc<Door>,
    challenge: HeaderValue,
}

impl<S> BasicAuthService<S> {
    pub(super) fn new(inner: S, door: Arc<Door>, challenge: HeaderValue) -> Self {
        Self { inner, door, challenge }
    }
}

impl<S: fmt::Debug> fmt::Debug for BasicAuthService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicAuthService")
            .field("inner", &self.inner)
            .field("challenge", &self.challenge)
            .finish_non_exhaustive()
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for BasicAuthService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    ResB: From<Bytes>,
{
    type Response = Response<ResB>;
    type Error = S::Error;
    type Future = BasicAuthFuture<S, ReqB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let challenge = || Reason::Unauthorized(self.challenge.clone());
        let state = match self.door.look(request.headers()) {
            Look::Pass => State::Passed { response: self.inner.call(request) },
            Look::Refuse => State::Refused { refusal: Refusal::new(challenge(), request.method()) },
            Look::Check(checking) => {
                let refusal = Refusal::new(challenge(), request.method());
                let busy = Refusal::new(Reason::Busy, request.method());
                // The clone was never asked whether it is ready.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                State::Checking { checking, waiting: Some((ready, request)), refusal, busy }
            }
        };
        BasicAuthFuture { state }
    }
}

pin_project! {
    /// A response under way; made by [`BasicAuthService`].
    ///
    /// Dropped while it waits, the request never reaches the inner service.
    pub struct BasicAuthFuture<S: Service<Request<B>>, B> {
        #[pin]
        state: State<S, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S: Service<Request<B>>, B> {
        Checking {
            checking: Checking,
            waiting: Option<(S, Request<B>)>, // None: passed on
            refusal: Refusal,
            busy: Refusal,
        },
        Passed {
            #[pin]
            response: S::Future,
        },
        Refused {
            refusal: Refusal,
        },
    }
}

impl<S, ReqB, ResB> Future for BasicAuthFuture<S, ReqB>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: From<Bytes>,
{
    type Output = Result<Response<ResB>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Passed { response } => return response.poll(cx),
                StateProjection::Refused { refusal } => return Poll::Ready(Ok(refusal.response())),
                StateProjection::Checking { checking, waiting, refusal, busy } => {
                    match (ready!(checking.as_mut().poll(cx)), waiting.take()) {
                        (Ok(true), Some((mut inner, request))) => {
                            State::Passed { response: inner.call(request) }
                        }
                        (Err(Busy), _) => State::Refused { refusal: busy.clone() },
                        _ => State::Refused { refusal: refusal.clone() },
                    }
                }
            };
            state.set(next);
        }
    }
}
