//! One stream: its request's way in, its response's way out, its windows (RFC 9113 §5.1, §6.9).

use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Waker;

use http_body::Body as HttpBody;

use super::frame;
use super::inbox::Inbox;
use crate::application::Application;
use crate::exchange::{Answering, Data, ResponseBody};

/// Memory for something that is polled in place, which several use one after the other.
pub(super) type Slot<T> = Pin<Box<Option<T>>>;

/// Slots that nobody uses.
pub(super) struct Slots<T>(Vec<Slot<T>>);

impl<T> Slots<T> {
    /// So many are kept.
    const MOST: usize = 32;

    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// A slot that holds nothing.
    pub(super) fn take(&mut self) -> Slot<T> {
        self.0.pop().unwrap_or_else(|| Box::pin(None))
    }

    /// A slot that holds `it`.
    pub(super) fn fill(&mut self, it: T) -> Slot<T> {
        let mut slot = self.take();
        slot.set(Some(it));
        slot
    }

    /// Drops what a slot holds, and keeps the slot.
    pub(super) fn empty(&mut self, mut slot: Slot<T>) {
        slot.set(None);
        if self.0.len() < Self::MOST {
            self.0.push(slot);
        }
    }

    /// Keeps one alone.
    pub(super) fn save_memory(&mut self) {
        self.0.truncate(1);
    }
}

/// A stream's window for the peer.
pub(super) const STREAM_WINDOW: u32 = 256 * 1024;
/// The largest window (§6.9.1).
pub(super) const MOST_WINDOW: i64 = 0x7fff_ffff;

pub(super) struct Stream<S>
where
    S: Application,
{
    /// Where its content goes; `None` if the head was all.
    pub(super) inbox: Option<Arc<Inbox>>,
    /// Whether the request is at its end.
    pub(super) has_ended: bool,
    /// Bytes of content still to come, where the head says how many.
    pub(super) missing: Option<u64>,
    /// Bytes that the peer may send.
    pub(super) recv_window: i64,
    /// Bytes that were taken, and which the peer was not told of.
    pub(super) returned: u32,
    /// Bytes that the peer takes.
    pub(super) send_window: i64,
    pub(super) work: Work<S>,
    /// Wakes the connection for this stream; made when it first has to wait.
    pub(super) waker: Option<Waker>,
    /// Whether it is in the queue of those that have data to send.
    pub(super) is_queued: bool,
}

impl<S> Stream<S>
where
    S: Application,
{
    /// Opens the window for bytes that were taken, if it is worth a frame.
    pub(super) fn give_back(&mut self, id: u32, bytes: u32, out: &mut Vec<u8>) {
        self.returned += bytes;
        if !self.has_ended && self.returned >= STREAM_WINDOW / 2 {
            frame::write_window(out, id, self.returned);
            self.recv_window += i64::from(self.returned);
            self.returned = 0;
        }
    }

    /// Lets it send in its turn.
    pub(super) fn join(&mut self, id: u32, queue: &mut VecDeque<u32>) {
        if !self.is_queued {
            self.is_queued = true;
            queue.push_back(id);
        }
    }

    /// The peer has changed the window: goes on with what there is to send.
    pub(super) fn open_window(
        &mut self,
        id: u32,
        change: i64,
        queue: &mut VecDeque<u32>,
    ) -> Result<(), Overflow> {
        self.send_window += change;
        if self.send_window > MOST_WINDOW {
            return Err(Overflow);
        }
        if matches!(self.work, Work::Sending { .. }) {
            self.join(id, queue);
        }
        Ok(())
    }
}

/// A window beyond its most (§6.9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overflow;

/// How far the answer is.
pub(super) enum Work<S>
where
    S: Application,
{
    Answering(Slot<Answering<S>>),
    /// `data`: what was taken from the body and is not yet sent.
    Sending {
        body: Slot<ResponseBody<S::Content>>,
        data: Option<Data<<S::Content as HttpBody>::Data>>,
    },
    /// All of it is sent.
    Sent,
}

/// Spreads stream ids, of which there are few at a time.
#[derive(Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

pub(super) type Streams<S> = std::collections::HashMap<u32, Stream<S>, BuildHasherDefault<IdHasher>>;
