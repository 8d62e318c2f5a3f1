//! [`Checks`]: requests that bring the same credentials at the same time share one check.
//!
//! In: fingerprints of credentials and a way to check them. Out: one verdict
//! for all who came while it was made. After a restart a browser asks for a
//! page's hundred pictures at once: that is one password, so it is checked once.
//! Keeps nothing longer than somebody waits for it. Knows no passwords.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use super::users::Fingerprint;

#[derive(Default)]
pub(super) struct Checks {
    under_way: Mutex<HashMap<Fingerprint, Check>>,
}

#[derive(Default)]
struct Check {
    verdict: Arc<OnceCell<bool>>,
    /// How many wait for the verdict; at 0 it leaves the list.
    waiting: usize,
}

impl Checks {
    /// The verdict of `check`, or of one that is under way for the same fingerprint.
    ///
    /// If the request that began it is given up, another that waits begins
    /// anew. An error is nobody else's: each that waits tries for itself.
    pub(super) async fn share<E, F>(
        &self,
        fingerprint: Fingerprint,
        check: impl FnOnce() -> F,
    ) -> Result<bool, E>
    where
        F: Future<Output = Result<bool, E>>,
    {
        let shared = self.join(fingerprint);
        shared.verdict.get_or_try_init(check).await.copied()
    }

    fn join(&self, fingerprint: Fingerprint) -> Shared<'_> {
        let mut under_way = self.lock();
        let check = under_way.entry(fingerprint).or_default();
        check.waiting += 1;
        Shared { checks: self, fingerprint, verdict: Arc::clone(&check.verdict) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Fingerprint, Check>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.lock().len()
    }
}

/// One who waits for a verdict.
struct Shared<'a> {
    checks: &'a Checks,
    fingerprint: Fingerprint,
    verdict: Arc<OnceCell<bool>>,
}

impl Drop for Shared<'_> {
    fn drop(&mut self) {
        let mut under_way = self.checks.lock();
        if let Entry::Occupied(mut check) = under_way.entry(self.fingerprint) {
            check.get_mut().waiting -= 1;
            if check.get().waiting == 0 {
                check.remove();
            }
        }
    }
}
