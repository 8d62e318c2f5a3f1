//! [`Load`]: how much waits for a writer, so that no more does than memory can bear.
//!
//! In: requests for a place. Out: places, which are free again when they are dropped. Knows no job.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What waits or is being written.
#[derive(Debug, Default)]
pub(super) struct Load {
    jobs: AtomicUsize,
    bytes: AtomicUsize,
}

/// One job's part in a [`Load`].
#[derive(Debug)]
pub(super) struct Place {
    load: Arc<Load>,
    bytes: usize,
}

impl Place {
    /// Takes a place for a job with `bytes` of values. `None` if there is none. A job that finds nothing
    /// waiting has one, however large it is.
    pub(super) fn take(load: &Arc<Load>, bytes: usize) -> Option<Self> {
        let jobs = load.jobs.fetch_add(1, Ordering::Relaxed);
        let before = load.bytes.fetch_add(bytes, Ordering::Relaxed);
        let place = Self { load: Arc::clone(load), bytes };
        let is_over = jobs >= MAX_JOBS || (jobs > 0 && before.saturating_add(bytes) > MAX_BYTES);
        (!is_over).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.load.jobs.fetch_sub(1, Ordering::Relaxed);
        self.load.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// How many jobs may wait.
pub(super) const MAX_JOBS: usize = 16_384;

/// How many bytes of new values may wait.
pub(super) const MAX_BYTES: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_in_number_and_in_bytes_and_come_back() {
        let load = Arc::new(Load::default());
        let mut places: Vec<_> = (0..MAX_JOBS).map(|_| Place::take(&load, 1).unwrap()).collect();
        assert!(Place::take(&load, 1).is_none());
        places.pop();
        places.push(Place::take(&load, MAX_BYTES - (MAX_JOBS - 1)).unwrap());
        places.pop();
        assert!(Place::take(&load, MAX_BYTES).is_none());
        drop(places);
        assert!(Place::take(&load, usize::MAX / 2).is_some(), "one that is alone");
        assert_eq!(load.jobs.load(Ordering::Relaxed), 0);
        assert_eq!(load.bytes.load(Ordering::Relaxed), 0);
    }
}
