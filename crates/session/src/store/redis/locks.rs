//! [`Locks`]: turns of the requests of one process that change the same session.
//!
//! In: names of sessions. Out: turns. Whoever has none after a while goes on without: the server decides who
//! wins; a turn only spares attempts that are bound to fail.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

use crate::id::Handle;

/// One lock for some of the sessions each.
pub(super) struct Locks([Mutex<()>; 64]);

impl Default for Locks {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }
}

impl Locks {
    /// Waits for the turn, at most `limit`.
    pub(super) async fn turn(&self, handle: Handle, limit: Duration) -> Option<MutexGuard<'_, ()>> {
        let lock = &self.0[usize::from(handle.as_bytes()[0]) % self.0.len()];
        tokio::time::timeout(limit, lock.lock()).await.ok()
    }
}
