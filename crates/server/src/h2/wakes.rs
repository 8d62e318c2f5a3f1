//! Which streams have something to do, although their connection has none of its own.
//!
//! In: wake-ups of handlers and of bodies, from any thread. Out: the streams' ids, in the next turn of their connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use crate::connection::Shared;

/// The streams of one connection that were woken.
pub(super) struct Wakes {
    woken: Mutex<Vec<u32>>,
    shared: Arc<Shared>,
}

impl Wakes {
    pub(super) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { woken: Mutex::new(Vec::new()), shared })
    }

    /// Lets the connection look at a stream.
    pub(super) fn wake(&self, stream: u32) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        if woken.last() != Some(&stream) {
            woken.push(stream);
        }
        drop(woken);
        self.shared.driver.wake();
    }

    /// The streams that were woken since; a stream may be in it several times. `room` is for its memory only.
    pub(super) fn take(&self, mut room: Vec<u32>) -> Vec<u32> {
        room.clear();
        std::mem::replace(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner), room)
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
