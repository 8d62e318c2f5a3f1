//! The sweeper: forgets expired sessions now and then, in one runtime of every process.
//!
//! In: a store. Out: nothing but log lines. Workers sweep at different times, and rows that another sweeps
//! are skipped, so nobody waits for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use aws_lc_rs::rand;

use super::Core;
use crate::time::Timestamp;

/// Whether a runtime of this process sweeps.
#[derive(Default)]
pub(super) struct Sweeping(AtomicBool);

/// Starts sweeping in this runtime, unless another does.
pub(super) fn start(core: &Arc<Core>, interval: Duration) {
    if core.sweeping.0.load(Ordering::Relaxed) || core.sweeping.0.swap(true, Ordering::AcqRel) {
        return;
    }
    let sweeper = Sweeper { core: Arc::downgrade(core) };
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(jittered(interval)).await;
            let Some(core) = sweeper.core.upgrade() else { return };
            sweep(&core).await;
        }
    });
}

async fn sweep(core: &Arc<Core>) {
    loop {
        match core.sweep(Timestamp::now()).await {
            Ok(swept) if swept >= super::SWEPT_AT_ONCE.unsigned_abs() => {}
            Ok(_) => return,
            Err(error) => {
                tracing::warn!("expired sessions were not swept: {error}");
                return;
            }
        }
    }
}

/// Half to one and a half times `interval`, as connect-pg-simple does it; a second at least.
fn jittered(interval: Duration) -> Duration {
    let mut random = [0];
    // Without random numbers all sweep at the same time, which is no harm.
    let _ = rand::fill(&mut random);
    let part = (interval / u32::from(u8::MAX)).saturating_mul(random[0].into());
    (interval / 2).saturating_add(part).max(SHORTEST)
}

/// Dropped when the sweeping ends, also with its runtime: the next runtime that uses the store takes over.
struct Sweeper {
    core: Weak<Core>,
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            core.sweeping.0.store(false, Ordering::Release);
        }
    }
}

/// Between two sweeps, however short the interval is.
const SHORTEST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interval_is_one() {
        assert_eq!(jittered(Duration::ZERO), SHORTEST);
        assert!(jittered(Duration::MAX) >= Duration::MAX / 2);
        let minute = Duration::from_secs(60);
        for _ in 0..1000 {
            assert!((minute / 2..=minute + minute / 2).contains(&jittered(minute)));
        }
    }
}
