//! Request bodies under their limits (size, time), and what becomes of a body that nobody read.
//!
//! In: the engine's body. Out: frames to the handler, or an error that is never mistaken for the end. The
//! handler's own answer to such an error is replaced where the limit promises another (see `exchange`).

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Sleep;

use crate::answer::Refusal;
use crate::close::SILENCE;
use crate::connection::{Protocol, Shared};
use crate::error::BoxError;
use crate::incoming::Incoming;
use crate::limits::LONGEST;
use crate::link::Leftover;

/// An unread rest up to this size is read and thrown away to keep the connection; a larger one ends it.
const DISCARD: usize = 256 * 1024;

/// What handler, body and exchange know of one request body together.
#[derive(Debug)]
pub(crate) struct BodyState {
    limit: AtomicU64,
    /// Milliseconds for the whole body; zero for the server's limit.
    time: AtomicU64,
    stage: AtomicU8,
}

/// How far the handler came with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum BodyStage {
    /// The request has no body.
    Absent = 7,
    /// Still being read, or never touched.
    Open = 0,
    /// Read to its end.
    Whole,
    /// Dropped, with a rest that is small enough to be thrown away.
    Discarding,
    /// Dropped, with a rest that is not wanted.
    Unwanted,
    /// More bytes than the limit.
    TooLarge,
    /// Not complete in time.
    TimedOut,
    /// Cut off or malformed.
    Broken,
}

impl BodyState {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit: AtomicU64::new(limit),
            time: AtomicU64::new(0),
            stage: AtomicU8::new(BodyStage::Open as u8),
        }
    }

    /// Sets another limit, before the body is read.
    pub(crate) fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Relaxed);
    }

    /// Sets another time, before the body is read.
    pub(crate) fn set_time(&self, time: Duration) {
        self.time.store(u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1), Relaxed);
    }

    fn time(&self, otherwise: Duration) -> Duration {
        match self.time.load(Relaxed) {
            0 => otherwise,
            milliseconds => Duration::from_millis(milliseconds).min(LONGEST),
        }
    }

    pub(crate) fn stage(&self) -> BodyStage {
        match self.stage.load(Relaxed) {
            0 => BodyStage::Open,
            1 => BodyStage::Whole,
            2 => BodyStage::Discarding,
            3 => BodyStage::Unwanted,
            4 => BodyStage::TooLarge,
            5 => BodyStage::TimedOut,
            6 => BodyStage::Broken,
            _ => BodyStage::Absent,
        }
    }

    pub(crate) fn set(&self, stage: BodyStage) {
        self.stage.store(stage as u8, Relaxed);
    }
}

/// Why a request body ended before its end.
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// It is larger than the limit, in bytes. The peer gets `413`.
    TooLarge {
        /// The limit that applied.
        limit: u64,
    },
    /// It was not complete in time. The peer gets `408`.
    TimedOut,
    /// It was cut off, or its framing is wrong.
    Broken(BoxError),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => {
                write!(f, "request body is larger than {limit} bytes (RFC 9110 §15.5.14)")
            }
            Self::TimedOut => f.write_str("request body was not complete in time (RFC 9110 §15.5.9)"),
            Self::Broken(error) => {
                write!(f, "request body is broken: {error} (RFC 9112 §8, RFC 9113 §8.1.1)")
            }
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Broken(error) => Some(&**error),
            Self::TooLarge { .. } | Self::TimedOut => None,
        }
    }
}

/// A request body as the handler reads it.
pub(crate) struct RequestBody {
    /// `None` once it is dropped or has failed.
    incoming: Option<Incoming>,
    state: Arc<BodyState>,
    shared: Arc<Shared>,
    received: u64,
    began: Instant,
    /// Made when the handler first has to wait.
    timer: Option<Pin<Box<Sleep>>>,
    /// The peer waits for `100 Continue`, which the first read sends.
    expects: bool,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, state: Arc<BodyState>, shared: Arc<Shared>, expects: bool) -> Self {
        let began = Instant::now();
        Self { incoming: Some(incoming), state, shared, received: 0, began, timer: None, expects }
    }

    fn fail(&mut self, stage: BodyStage, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.state.set(stage);
        if let Some(incoming) = self.incoming.take()
            && self.shared.protocol == Protocol::Http2
            && stage != BodyStage::Broken
        {
            let_go(incoming, self.shared.context.limits.lingering_close);
        }
        // An answer that began before may let the engine keep the connection.
        self.shared.link().body_ended();
        Poll::Ready(Some(Err(error.into())))
    }

    fn complete(&mut self) {
        if self.state.stage() == BodyStage::Open {
            self.state.set(BodyStage::Whole);
            self.shared.link().body_ended();
        }
    }

    fn is_over(&self, incoming: &Incoming) -> bool {
        let limit = self.state.limit.load(Relaxed);
        self.received > limit || self.received.saturating_add(incoming.size_hint().lower()) > limit
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Some(incoming) = &this.incoming else { return Poll::Ready(None) };
        if this.is_over(incoming) {
            let limit = this.state.limit.load(Relaxed);
            return this.fail(BodyStage::TooLarge, BodyError::TooLarge { limit });
        }
        this.expects = false;
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        match Pin::new(incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                this.received = this.received.saturating_add(length as u64);
                let limit = this.state.limit.load(Relaxed);
                if this.received > limit {
                    return this.fail(BodyStage::TooLarge, BodyError::TooLarge { limit });
                }
                if this.incoming.as_ref().is_some_and(Incoming::is_end_stream) {
                    this.complete();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => this.fail(BodyStage::Broken, BodyError::Broken(error)),
            Poll::Ready(None) => {
                this.complete();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let end = this.began + this.state.time(this.shared.context.limits.body_timeout);
                let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end.into())));
                ready!(timer.as_mut().poll(cx));
                this.fail(BodyStage::TimedOut, BodyError::TimedOut)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(SizeHint::default, Incoming::size_hint)
    }
}

impl Drop for RequestBody {
    /// Decides what becomes of an unread rest.
    fn drop(&mut self) {
        if self.state.stage() != BodyStage::Open {
            return;
        }
        let Some(body) = self.incoming.take() else { return };
        if body.is_end_stream() || matches!(body, Incoming::Whole(_)) {
            self.complete();
            return;
        }
        if self.shared.protocol == Protocol::Http2 {
            self.state.set(BodyStage::Discarding);
            let_go(body, self.shared.context.limits.lingering_close);
            return;
        }
        // A peer that waits for `100 Continue` would send the rest only if we read it.
        let is_small = body.size_hint().upper().is_some_and(|rest| rest <= DISCARD as u64);
        if is_small && !self.expects {
            self.state.set(BodyStage::Discarding);
            let leftover = Leftover { body, state: Arc::clone(&self.state), budget: DISCARD };
            self.shared.link().leftover = Some(leftover);
            self.shared.driver.wake();
        } else {
            self.state.set(BodyStage::Unwanted);
        }
    }
}

/// Ends an HTTP/2 request body that is not wanted. Dropping it resets the stream with `NO_ERROR` (RFC 9113
/// §8.1), but some clients throw away an answer that arrives together with a reset, and others read no answer
/// before all is sent. So, as with a lingering close, the rest is thrown away for a while.
fn let_go(mut body: Incoming, longest: Duration) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    body.ask_no_more();
    runtime.spawn(async move {
        let end = tokio::time::Instant::now() + longest;
        loop {
            let silence = tokio::time::Instant::now() + SILENCE;
            let next = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
            match tokio::time::timeout_at(end.min(silence), next).await {
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(_)) | None) | Err(_) => return,
            }
        }
    });
}

/// Which refusal replaces a handler's own error, if a limit stopped its reading.
pub(crate) fn refusal(stage: BodyStage) -> Option<Refusal> {
    match stage {
        BodyStage::TooLarge => Some(Refusal::BodyTooLarge),
        BodyStage::TimedOut => Some(Refusal::BodyTimeout),
        BodyStage::Absent
        | BodyStage::Open
        | BodyStage::Whole
        | BodyStage::Discarding
        | BodyStage::Unwanted
        | BodyStage::Broken => None,
    }
}
