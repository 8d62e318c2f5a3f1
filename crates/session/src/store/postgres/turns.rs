//! [`Turns`]: the tasks of this process that update the same session, one after the other.
//!
//! In: a session's handle. Out: a turn. Only for speed: what other processes write at the same time is seen
//! by the statements themselves.

use tokio::sync::{Mutex, MutexGuard};

use crate::id::Handle;

/// A queue for each of many groups of sessions.
pub(super) struct Turns(Vec<Mutex<()>>);

impl Turns {
    pub(super) fn new() -> Self {
        Self((0..GROUPS).map(|_| Mutex::default()).collect())
    }

    /// Waits until no other task has the turn. Tasks come in the order in which they asked.
    pub(super) async fn take(&self, handle: Handle) -> MutexGuard<'_, ()> {
        let group = usize::from(handle.as_bytes()[0]) % GROUPS;
        self.0[group].lock().await
    }
}

const GROUPS: usize = 256;
