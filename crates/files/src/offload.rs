//! Moves work that may wait for the disk off the event loop.
//!
//! In: a closure. Out: a future of its result. Must not know what the work is.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{runtime::Handle, task::JoinHandle};

/// Work on a blocking thread of the runtime. Dropping it forgets work that has not begun; what has begun goes on to its
/// end, and its result is thrown away.
#[derive(Debug)]
pub(crate) enum Offloaded<T> {
    Running(JoinHandle<T>),
    /// There is no Tokio runtime, so the work was done where it was asked for. `None` once polled.
    Done(Option<T>),
}

pub(crate) fn offload<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Offloaded<T> {
    match Handle::try_current() {
        Ok(runtime) => Offloaded::Running(runtime.spawn_blocking(work)),
        Err(_) => Offloaded::Done(Some(work())),
    }
}

impl<T> Drop for Offloaded<T> {
    fn drop(&mut self) {
        if let Self::Running(work) = self {
            work.abort();
        }
    }
}

impl<T: Unpin> Offloaded<T> {
    /// `None` when the runtime shut down before the work was done.
    pub(crate) fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        match self {
            Self::Running(handle) => Poll::Ready(ready!(Pin::new(handle).poll(cx)).ok()),
            Self::Done(result) => Poll::Ready(result.take()),
        }
    }
}
