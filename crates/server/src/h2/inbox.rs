//! A request's content on its way from its stream to its handler (RFC 9113 §6.1, §6.9, §8.1).
//!
//! In: what `DATA` frames hold, trailers, the end or what went wrong. Out: frames of a body; how many bytes were taken,
//! which is how far the peer's window may open again; and whether anybody still reads.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::wakes::Wakes;

/// So many pieces may wait to be read, if they are small: each costs more than its bytes.
const MOST_CRUMBS: usize = 2_000;
/// A piece below this length is a small one.
const CRUMB: usize = 256;

/// What a connection and the body of one request share.
pub(super) struct Inbox {
    state: Mutex<State>,
    wakes: Arc<Wakes>,
    stream: u32,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Bytes>,
    crumbs: usize,
    trailers: Option<HeaderMap>,
    end: Option<End>,
    /// Bytes that were read since the connection asked.
    taken: u32,
    /// Bytes of the content that were not read yet, where the request said how many there are.
    missing: Option<u64>,
    reader: Option<Waker>,
    is_dropped: bool,
    /// The peer waits for `100 Continue`, which the first read asks for (RFC 9110 §10.1.1).
    expects: bool,
    asks_to_continue: bool,
}

impl State {
    /// Bytes that wait to be read.
    fn unread(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    fn note_taken(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }
}

#[derive(Clone, Copy, Debug)]
enum End {
    Whole,
    Broken(Broken),
}

/// Why the content of a request over HTTP/2 is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The peer has reset the stream.
    Reset,
    /// The server has, since the message is malformed.
    Malformed,
    /// The connection is gone.
    Gone,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reset => "the peer has reset the stream",
            Self::Malformed => "the message is malformed",
            Self::Gone => "the connection is gone",
        })
    }
}

impl std::error::Error for Broken {}

/// What the connection has to do for a request's content.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demand {
    /// Bytes that the peer may send again.
    pub(super) taken: u32,
    pub(super) is_dropped: bool,
    pub(super) asks_to_continue: bool,
}

impl Inbox {
    pub(super) fn new(wakes: Arc<Wakes>, stream: u32, length: Option<u64>, expects: bool) -> Arc<Self> {
        let state = State { missing: length, expects, ..State::default() };
        Arc::new(Self { state: Mutex::new(state), wakes, stream })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a piece.
    pub(super) fn push(&self, piece: Bytes) -> Pushed {
        let mut state = self.state();
        if state.is_dropped {
            return Pushed::Unwanted;
        }
        if piece.is_empty() {
            return Pushed::Kept;
        }
        state.crumbs += usize::from(piece.len() < CRUMB);
        state.pieces.push_back(piece);
        let is_fine = state.crumbs <= MOST_CRUMBS;
        wake(state);
        if is_fine { Pushed::Kept } else { Pushed::TooManyCrumbs }
    }

    /// The content is at its end.
    pub(super) fn end(&self, trailers: Option<HeaderMap>) {
        let mut state = self.state();
        state.trailers = trailers;
        state.end.get_or_insert(End::Whole);
        wake(state);
    }

    /// The content will not be whole.
    pub(super) fn fail(&self, why: Broken) {
        let mut state = self.state();
        state.end.get_or_insert(End::Broken(why));
        wake(state);
    }

    /// The stream is at its end: all bytes that its connection was not asked for yet.
    pub(super) fn detach(&self) -> u32 {
        let mut state = self.state();
        let unread = state.unread();
        state.note_taken(unread);
        std::mem::take(&mut state.taken)
    }

    /// What has happened since this was asked last.
    pub(super) fn demand(&self) -> Demand {
        let mut state = self.state();
        Demand {
            taken: std::mem::take(&mut state.taken),
            is_dropped: state.is_dropped,
            asks_to_continue: std::mem::take(&mut state.asks_to_continue),
        }
    }
}

/// What became of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Kept,
    /// Nobody reads.
    Unwanted,
    TooManyCrumbs,
}

/// Wakes the reader, without the lock.
fn wake(mut state: MutexGuard<'_, State>) {
    let reader = state.reader.take();
    drop(state);
    if let Some(reader) = reader {
        reader.wake();
    }
}

/// The content of a request over HTTP/2, as its handler reads it.
pub(crate) struct Content(Arc<Inbox>);

impl Content {
    pub(super) fn new(inbox: Arc<Inbox>) -> Self {
        Self(inbox)
    }

    pub(crate) fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let mut state = self.0.state();
        if let Some(piece) = state.pieces.pop_front() {
            state.crumbs = state.crumbs.saturating_sub(usize::from(piece.len() < CRUMB));
            state.note_taken(piece.len());
            state.missing = state.missing.map(|missing| missing.saturating_sub(piece.len() as u64));
            drop(state);
            self.0.wakes.wake(self.0.stream);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match state.end {
            Some(End::Broken(why)) => Poll::Ready(Some(Err(why))),
            Some(End::Whole) => {
                Poll::Ready(state.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
            }
            None => {
                state.reader = Some(cx.waker().clone());
                if std::mem::take(&mut state.expects) {
                    state.asks_to_continue = true;
                    drop(state);
                    self.0.wakes.wake(self.0.stream);
                }
                Poll::Pending
            }
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        let state = self.0.state();
        matches!(state.end, Some(End::Whole)) && state.pieces.is_empty() && state.trailers.is_none()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        let state = self.0.state();
        match (state.missing, state.end) {
            (Some(missing), _) => SizeHint::with_exact(missing),
            (None, Some(End::Whole)) => SizeHint::with_exact(state.unread() as u64),
            (None, _) => SizeHint::default(),
        }
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_dropped = true;
        let unread = state.unread();
        state.note_taken(unread);
        state.pieces.clear();
        state.crumbs = 0;
        drop(state);
        self.0.wakes.wake(self.0.stream);
    }
}
