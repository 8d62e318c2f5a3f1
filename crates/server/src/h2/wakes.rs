//! Which streams have something to do, although their connection has none of its own.
//!
//! In: wake-ups of handlers and of bodies, from any thread. Out: the streams' ids, in the next turn of their connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use crate::connection::Shared;

/// Above so many a stream is not noted twice.
const FEW: usize = 64;

/// The streams of one connection that were woken.
pub(super) struct Wakes {
    woken: Mutex<Woken>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Woken {
    streams: Vec<u32>,
    /// Nobody asks for them any more.
    is_over: bool,
}

impl Woken {
    fn add(&mut self, stream: u32) {
        // The same one is mostly woken again at once, and few others in between.
        let is_there = match self.streams.len() {
            ..FEW => self.streams.last() == Some(&stream),
            _ => self.streams.contains(&stream),
        };
        if !is_there && !self.is_over {
            self.streams.push(stream);
        }
    }
}

impl Wakes {
    pub(super) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { woken: Mutex::default(), shared })
    }

    fn woken(&self) -> MutexGuard<'_, Woken> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wake-ups of streams that outlive their connection mean nothing.
    pub(super) fn end(&self) {
        *self.woken() = Woken { streams: Vec::new(), is_over: true };
    }

    /// Lets the connection look at a stream.
    pub(super) fn wake(&self, stream: u32) {
        self.woken().add(stream);
        self.shared.driver.wake();
    }

    /// The streams that were woken since; a stream may be in it several times. `room` is for its memory only.
    pub(super) fn take(&self, mut room: Vec<u32>) -> Vec<u32> {
        room.clear();
        std::mem::replace(&mut self.woken().streams, room)
    }

    /// A waker for a stream.
    pub(super) fn waker(self: &Arc<Self>, stream: u32) -> Waker {
        Arc::new(StreamWaker { wakes: Arc::clone(self), stream }).into()
    }
}

struct StreamWaker {
    wakes: Arc<Wakes>,
    stream: u32,
}

impl Wake for StreamWaker {
    fn wake(self: Arc<Self>) {
        self.wakes.wake(self.stream);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wakes.wake(self.stream);
    }
}
