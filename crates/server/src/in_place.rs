//! [`Streams`]: HTTP/2 streams run in the turn of their connection, and become tasks only if they have to wait.
//!
//! In: the engine's streams, which call the handler and send its response. Most handlers are ready at once, and then a
//! task of its own, with its wake-ups, is the dearer half of the work.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use hyper::rt::Executor;

type Stream = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The streams of one connection that have not run yet: as the engine's executor it takes them, the driver runs them.
#[derive(Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<Vec<Stream>>>);

impl Streams {
    /// Runs each to where it is done or has to wait. Whether there was any.
    pub(crate) fn run(&self) -> bool {
        let mut streams = std::mem::take(&mut *self.queue());
        if streams.is_empty() {
            return false;
        }
        for mut stream in streams.drain(..) {
            // Nobody needs to be woken: a task polls at its beginning, and from then on its own waker counts.
            let mut cx = Context::from_waker(Waker::noop());
            match catch_unwind(AssertUnwindSafe(|| stream.as_mut().poll(&mut cx))) {
                Ok(Poll::Pending) => drop(tokio::spawn(stream)),
                Ok(Poll::Ready(())) => {}
                // As in a task: what is dropped here is reset for the peer, and the other streams go on.
                Err(_) => tracing::error!("a stream panicked outside of its handler"),
            }
        }
        // The room is kept, unless more has come meanwhile.
        let mut queue = self.queue();
        if queue.is_empty() {
            *queue = streams;
        }
        true
    }

    fn queue(&self) -> MutexGuard<'_, Vec<Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue().is_empty()
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.queue().push(Box::pin(stream));
    }
}
