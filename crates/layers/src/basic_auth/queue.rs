//! [`Queue`]: how much is hashed at once, and how much may wait for it.
//!
//! In: work that keeps a processor busy for long. Out: its result, or [`Busy`].
//! Owns the bound. The work runs on Tokio's threads for blocking work, never on
//! an event loop. Knows no passwords.

use std::sync::{Arc, LazyLock};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Too much is waiting already, or the runtime ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

/// A line before a few places of work; first come, first served.
pub(super) struct Queue {
    /// One permit for each piece of work, at work or waiting.
    places: Arc<Semaphore>,
    /// One permit for each piece of work at work.
    turns: Arc<Semaphore>,
}

impl Queue {
    pub(super) fn new(at_once: usize, waiting: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(at_once + waiting)), turns: Arc::new(Semaphore::new(at_once)) }
    }

    /// The one of this process. Every layer shares it: they share the processors too.
    pub(super) fn of_process() -> Arc<Self> {
        static QUEUE: LazyLock<Arc<Queue>> = LazyLock::new(|| Arc::new(Queue::new(AT_ONCE, WAITING)));
        Arc::clone(&QUEUE)
    }

    /// Does `work` when its turn comes.
    ///
    /// Dropped before that, its place is free. Dropped later, `work` goes on to
    /// its end and keeps its place until then, so that clients who leave
    /// cannot start more than is allowed.
    pub(super) async fn run<T>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy>
    where
        T: Send + 'static,
    {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Busy)?;
        let working = spawn_blocking(move || {
            let _held = (place, turn);
            work()
        });
        working.await.map_err(|_| Busy)
    }
}

/// Event loops need processors as well.
const AT_ONCE: usize = 2;

/// At the usual cost of 10 the last one waits for about three seconds.
const WAITING: usize = 64;
