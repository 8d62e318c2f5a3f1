//! A request's content on its way from its stream to its handler (RFC 9113 §6.1, §6.9, §8.1).
//!
//! In: what `DATA` frames hold, trailers, the end or what went wrong. Out: frames of a body; how many bytes were taken,
//! which is how far the peer's window may open again; and whether anybody still reads.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::wakes::Wakes;

/// Content below this length is copied, behind what was copied before it: a slice would keep all that was read with it,
/// and many small pieces would cost more than their bytes.
const COPIED: usize = 8 * 1024;
/// So much of it becomes one piece.
const MOST_COPIED: usize = 16 * 1024;

/// What a connection and the body of one request share.
pub(super) struct Inbox {
    state: Mutex<State>,
    wakes: Arc<Wakes>,
    stream: u32,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Bytes>,
    /// What came after them, in copy.
    copied: BytesMut,
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
        self.pieces.iter().map(Bytes::len).sum::<usize>() + self.copied.len()
    }

    fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.copied.is_empty()
    }

    fn take_piece(&mut self) -> Option<Bytes> {
        self.pieces.pop_front().or_else(|| self.take_copied())
    }

    /// What was copied, as a piece.
    fn take_copied(&mut self) -> Option<Bytes> {
        (!self.copied.is_empty()).then(|| std::mem::take(&mut self.copied).freeze())
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

    /// Takes in a piece. Whether anybody reads.
    pub(super) fn push(&self, piece: BytesMut) -> bool {
        let mut state = self.state();
        if state.is_dropped || piece.is_empty() {
            return !state.is_dropped;
        }
        let is_small = piece.len() < COPIED;
        if !is_small || state.copied.len() + piece.len() > MOST_COPIED {
            let copied = state.take_copied();
            state.pieces.extend(copied);
        }
        if is_small {
            state.copied.extend_from_slice(&piece);
        } else {
            state.pieces.push_back(piece.freeze());
        }
        wake(state);
        true
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
        if let Some(piece) = state.take_piece() {
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

    /// No read asks for `100 Continue` any more.
    pub(crate) fn ask_no_more(&self) {
        self.0.state().expects = false;
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        let state = self.0.state();
        matches!(state.end, Some(End::Whole)) && state.is_empty() && state.trailers.is_none()
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
        state.copied = BytesMut::new();
        drop(state);
        self.0.wakes.wake(self.0.stream);
    }
}
